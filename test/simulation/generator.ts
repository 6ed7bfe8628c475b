// Makes histories. Most of what may happen has nothing to do with most bindings, so each history is about something: it draws
// some of the kinds of actions, and half of them only what the binding asks for (swarm testing).
import fc from 'fast-check'
import type { VaultFault } from '../../operator/src/engine/fault.ts'
import type { Action } from './actions.ts'
import { API_KINDS, VAULT_KINDS } from './faults.ts'
import type { History, Step } from './history.ts'
import { motifsOf } from './motifs.ts'
import { OBJECT_NAMES, type ObjectName, ORDERED, SELECTABLE, VAULTS, type VaultName } from './names.ts'
import { FILES, FIRST, objectsOf, type Shape } from './spec.ts'

/** What the actions of a history are about. */
interface Scope {
	vault: fc.Arbitrary<VaultName>
	object: fc.Arbitrary<ObjectName>
	ordered: fc.Arbitrary<ObjectName>
}

const one = fc.constantFrom
const keep = one('Keep', 'Keep', 'Remove')
const three = one('Keep', 'Remove', 'Previous')
const faults: readonly VaultFault[] = [
	{ kind: 'throttled' },
	{ kind: 'throttled', retryAfterMs: 5_000 },
	{ kind: 'server' },
	{ kind: 'unreachable' },
	{ kind: 'timeout' },
	{ kind: 'garbage' },
	{ kind: 'forbiddenRbac' },
	{ kind: 'accessDenied' },
	{ kind: 'forbiddenPolicy' },
	{ kind: 'forbidden' },
	{ kind: 'firewall' },
	{ kind: 'connection' },
	{ kind: 'unauthorized' },
	{ kind: 'federation', code: '700213' },
	{ kind: 'federationRefused', code: '700024' },
	{ kind: 'identityNotFound', code: '700016' },
	{ kind: 'entraUnavailable' },
]
const on = one('vault' as const, 'vault' as const, ...VAULT_KINDS)
const times = fc.integer({ min: 1, max: 8 })
const boolean = fc.boolean()
const constant = <T>(value: T) => fc.constant(value)
const does = <A extends string>(action: A) => fc.constant(action)

/** Each with its weight. */
const actionsOn = ({ vault, object, ordered }: Scope): readonly (readonly [number, fc.Arbitrary<Action>])[] => [
	[
		6,
		fc.record({ do: does('rotate twice'), vault, object: one('pair', 'twin'), ms: fc.integer({ min: 0, max: 900 }) }),
	],
	[4, fc.record({ do: does('delete'), vault, object })],
	[4, fc.record({ do: does('recover'), vault, object })],
	[3, fc.record({ do: does('disable'), vault, object: ordered })],
	[3, fc.record({ do: does('enable'), vault, object: ordered })],
	[1, fc.record({ do: does('disable the one before'), vault, object: ordered })],
	[
		4,
		fc.record({
			do: does('times'),
			vault,
			object: ordered,
			which: one('expires', 'notBefore'),
			inSeconds: one(-3_600, 3, 20, 90, 3_600),
		}),
	],
	[3, fc.record({ do: one('tag', 'untag'), vault, object: one(...SELECTABLE) })],
	[5, fc.record({ do: does('fault'), on, fault: one(...faults), times })],
	[
		2,
		fc.record({
			do: does('slow'),
			on: one(...VAULT_KINDS, 'vault', 'api'),
			ms: fc.integer({ min: 0, max: 9_000 }),
			times,
		}),
	],
	[
		3,
		fc.record({
			do: does('lose'),
			what: one('lostRequest', 'lostAnswer'),
			on: one(...API_KINDS, 'write', 'write', 'api'),
			times: fc.integer({ min: 1, max: 3 }),
		}),
	],
	[1, fc.record({ do: does('refuse'), on: one(...API_KINDS), times: fc.integer({ min: 1, max: 3 }) })],
	[2, fc.record({ do: one('role', 'admission'), on: boolean })],
	[4, fc.record({ do: does('crash'), inFlight: boolean, downMs: one(0, 0, 1_000, 60_000) })],
	[1, fc.record({ do: does('jump'), ms: one(-7_200_000, -60_000, 60_000, 7_200_000) })],
	[1, fc.record({ do: does('silence'), ms: fc.integer({ min: 0, max: 120_000 }) })],
	[
		6,
		fc
			.oneof(
				fc.record({ vault: one(...VAULTS) }),
				fc.record({ byAccount: boolean }),
				fc.record({ client: one(0, 1) }),
				fc.record({ older: fc.integer({ min: 0, max: 3 }) }),
				fc.record({ select: boolean }),
				fc.record({ suspend: boolean }),
				fc.record({ swap: one('beta', 'gamma') }),
				fc.record({ maxRemovals: one(0, 1, 500) }),
				fc.record({ secretName: one('one', 'two') }),
			)
			.map((to): Action => ({ do: 'edit', to })),
	],
	[
		4,
		fc
			.oneof(
				fc.record({ absent: keep }),
				fc.record({ deselected: keep }),
				fc.record({ disabled: three }),
				fc.record({ expired: three }),
				fc.record({ notYetValid: three }),
			)
			.map((to): Action => ({ do: 'policy', to }) as Action),
	],
	[3, fc.record({ do: does('toggle'), file: one(...FILES) })],
	[1, fc.record({ do: does('pin'), back: one(0, 1, 2) })],
	[
		1,
		fc.record({
			do: does('hold'),
			file: one('alpha', 'beta', 'twin', 'east'),
			back: one(0, 1, 2),
			ms: one(40_000, 3_600_000),
		}),
	],
	[1, fc.record({ do: one('release', 'request', 'acknowledge') })],
	[4, fc.record({ do: does('settle'), quietly: boolean })],
	[1, fc.record({ do: does('late'), ms: fc.integer({ min: 100, max: 9_000 }), times: constant(1) })],
	[4, fc.record({ do: does('intrude'), how: one('edit', 'delete', 'copy'), key: fc.nat(20) })],
	[1, fc.record({ do: does('intrude'), how: one('deleteSecret', 'label') })],
	[1, fc.record({ do: does('intrude'), how: one('editManifest', 'breakManifest') })],
]

const stalls: ReturnType<typeof actionsOn> = [
	[1, fc.record({ do: does('stall'), on: one(...VAULT_KINDS, 'vault'), times: fc.integer({ min: 1, max: 3 }) })],
	[
		1,
		fc.record({ do: does('crowd'), ms: fc.integer({ min: 100, max: 4_000 }), times: fc.integer({ min: 1, max: 30 }) }),
	],
]

// Longer than nodes go by a status that nobody writes again.
const AWAY_MS = 600_000
const node = fc.nat(2)
const nodeActions: ReturnType<typeof actionsOn> = [
	[3, fc.record({ do: does('kill node'), node, inFlight: boolean, downMs: one(0, 0, 1_000, 60_000) })],
	[1, fc.record({ do: does('reboot node'), node, downMs: one(0, 60_000) })],
	[3, fc.record({ do: does('silence node'), node, ms: fc.oneof(fc.nat(120_000), fc.nat(AWAY_MS)) })],
	[1, fc.record({ do: does('fill node'), node, times: fc.integer({ min: 1, max: 3 }) })],
	[2, fc.record({ do: does('crash'), inFlight: boolean, downMs: constant(AWAY_MS) })],
	[2, fc.record({ do: does('listing'), on: boolean })],
]
/** What happens to Secrets, which nobody makes. */
const isOfSecret = (action: Action) =>
	action.do === 'intrude' || action.do === 'admission' || (action.do === 'edit' && action.to.secretName !== undefined)

const pause = fc.oneof(
	{ weight: 3, arbitrary: fc.integer({ min: 0, max: 200 }) },
	{ weight: 3, arbitrary: fc.integer({ min: 0, max: 5_000 }) },
	{ weight: 2, arbitrary: fc.integer({ min: 0, max: 90_000 }) },
)
const requests = fc.oneof(
	{ weight: 3, arbitrary: constant(0) },
	{ weight: 1, arbitrary: fc.integer({ min: 1, max: 12 }) },
)

const begin = fc.record(
	{
		files: fc.subarray([...FILES], { minLength: 1 }),
		policy: fc.record({ absent: keep, deselected: keep, disabled: three, expired: three, notYetValid: three }),
		maxRemovals: one(0, 1, 500),
		older: fc.integer({ min: 0, max: 3 }),
		select: boolean,
		type: one('Opaque', 'Opaque', 'Opaque', 'Opaque', 'tls', 'docker'),
		byAccount: boolean,
	},
	{ requiredKeys: [] },
)

// Some three in a history: between them anything may happen.
const MOTIF_EVERY = 16
const oneIn = (count: number) => fc.nat(count - 1).map((each) => each === 0)

/** Exactly so many steps are made; a failure is shrunk to fewer, and then to plainer ones. */
class Histories extends fc.Arbitrary<History> {
	readonly #steps: number
	readonly #volume: boolean

	constructor(steps: number, volume: boolean) {
		super()
		this.#steps = steps
		this.#volume = volume
	}

	override generate(random: fc.Random): fc.Value<History> {
		const draw = <T>(from: fc.Arbitrary<T>): T => from.generate(random, undefined).value
		const { type, ...rest } = draw(begin)
		const isOf = type === undefined || type === 'Opaque' ? {} : { [type]: true }
		const shape: Partial<Shape> = { ...rest, ...(this.#volume ? { volume: true } : isOf) }
		const actions = draw(boolean) ? everything : about(shape, draw)
		const action = oneOf([...actions, ...stalls, ...(this.#volume ? nodeActions : [])])
		const step = fc.record({
			pause,
			requests,
			action: this.#volume ? action.filter((each) => !isOfSecret(each)) : action,
		})
		const motif = motifsOf(shape)
		const steps: Step[] = []
		while (steps.length < this.#steps) {
			if (draw(oneIn(MOTIF_EVERY)))
				steps.push(...draw(motif).filter(({ action: each }) => !this.#volume || !isOfSecret(each)))
			else steps.push(draw(step))
		}
		steps.length = this.#steps
		const nodes = this.#volume ? { nodes: draw(fc.integer({ min: 1, max: 3 })) } : {}
		return new fc.Value({ seed: draw(fc.nat()), begin: shape, ...nodes, steps }, undefined)
	}

	override canShrinkWithoutContext(value: unknown): value is History {
		return typeof value === 'object' && value !== null && 'steps' in value
	}

	override shrink(value: History): fc.Stream<fc.Value<History>> {
		return fc.stream(plainer(value)).map((each) => new fc.Value(each, undefined))
	}
}

const oneOf = (actions: ReturnType<typeof actionsOn>) =>
	fc.oneof(...actions.map(([weight, arbitrary]) => ({ weight, arbitrary })))

const rotation = ({ vault, object }: Scope) => [[10, fc.record({ do: does('rotate'), vault, object })] as const]

const anything: Scope = {
	vault: one(...VAULTS, 'red', 'red'),
	object: one(...OBJECT_NAMES),
	ordered: one(...ORDERED),
}
const everything: ReturnType<typeof actionsOn> = [...rotation(anything), ...actionsOn(anything)]

/** Half of the kinds of actions, on what this binding asks for. */
function about(shape: Partial<Shape>, draw: <T>(from: fc.Arbitrary<T>) => T): ReturnType<typeof actionsOn> {
	const objects = objectsOf({ ...FIRST, ...shape })
	const ordered = objects.filter((name) => (ORDERED as readonly ObjectName[]).includes(name))
	const scope: Scope = {
		vault: draw(boolean) ? one('red') : anything.vault,
		object: one(...objects),
		ordered: ordered.length > 0 ? one(...ordered) : anything.ordered,
	}
	return [...rotation(scope), ...actionsOn(scope).filter(() => draw(boolean))]
}

/** First without large parts, then without single steps, then with steps that come at once, and with a plainer beginning. */
function* plainer(history: History): IterableIterator<History> {
	const { steps } = history
	const withSteps = (fewer: readonly Step[]): History => ({ ...history, steps: fewer })
	for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
		for (let from = 0; from < steps.length; from += size)
			yield withSteps([...steps.slice(0, from), ...steps.slice(from + size)])
	}
	if (history.seed > 0) yield { ...history, seed: 0 }
	if ((history.nodes ?? 1) > 1) yield { ...history, nodes: 1 }
	for (const key of (Object.keys(history.begin) as (keyof Shape)[]).filter((each) => each !== 'volume')) {
		const { [key]: _, ...rest } = history.begin
		yield { ...history, begin: rest }
	}
	const { files = [] } = history.begin
	for (const file of files) {
		if (files.length > 1)
			yield { ...history, begin: { ...history.begin, files: files.filter((each) => each !== file) } }
	}
	for (const [i, step] of steps.entries()) {
		for (const pause of new Set([0, 1_000, 30_000])) {
			if (pause < step.pause) yield withSteps(steps.with(i, { ...step, pause }))
		}
		if (step.requests > 0) yield withSteps(steps.with(i, { ...step, requests: 0 }))
	}
}

/** @param volume of Volume delivery, with one to three nodes */
export const histories = (steps: number, volume = false): fc.Arbitrary<History> => new Histories(steps, volume)
