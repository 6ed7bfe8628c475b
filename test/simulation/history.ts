// Histories: how they begin, what happens in them, and how they are told.
import fc from 'fast-check'
import type { VaultFault } from '../../operator/src/engine/fault.ts'
import { type Action, act } from './actions.ts'
import { API_KINDS, VAULT_KINDS } from './faults.ts'
import { OBJECT_NAMES, ORDERED, SELECTABLE, VAULTS } from './names.ts'
import { FILES, FIRST, isApplicable, type Shape } from './spec.ts'
import { type Process, World } from './world.ts'

export interface Step {
	/** milliseconds before it */
	pause: number
	/** it comes when so many more requests have got there, or answers come back; 0: now */
	requests: number
	action: Action
}

export interface History {
	/** of the network: how long requests take */
	seed: number
	begin: Partial<Shape>
	steps: readonly Step[]
}

/** @returns what was wrong; empty when nothing was */
export function run({ seed, begin, steps }: History, start: (world: World) => Process): readonly string[] {
	const shape = { ...FIRST, ...begin }
	const world = new World(isApplicable(shape) ? shape : { ...shape, files: FIRST.files }, seed, start)
	for (const { pause, requests, action } of steps) {
		world.run(pause)
		if (world.judge.problems.length > 0) return world.judge.problems
		if (requests === 0) act(world, action)
		else world.afterRequests(requests, () => act(world, action))
	}
	world.settle()
	return world.judge.problems
}

const one = fc.constantFrom
const vault = one(...VAULTS, 'red' as const, 'red' as const)
const object = one(...OBJECT_NAMES)
const ordered = one(...ORDERED)
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
const actions: readonly (readonly [number, fc.Arbitrary<Action>])[] = [
	[10, fc.record({ do: does('rotate'), vault, object })],
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
	[1, fc.record({ do: does('hold'), file: one('alpha', 'beta', 'twin', 'east'), back: one(0, 1, 2) })],
	[1, fc.record({ do: one('release', 'request', 'acknowledge') })],
	[4, constant({ do: 'settle' } as const)],
	[4, fc.record({ do: does('intrude'), how: one('edit', 'delete', 'copy'), key: fc.nat(20) })],
	[1, fc.record({ do: does('intrude'), how: one('deleteSecret', 'label') })],
	[1, fc.record({ do: does('intrude'), how: one('editManifest', 'breakManifest') })],
]

const step: fc.Arbitrary<Step> = fc.record({
	pause: fc.oneof(
		{ weight: 3, arbitrary: fc.integer({ min: 0, max: 200 }) },
		{ weight: 3, arbitrary: fc.integer({ min: 0, max: 5_000 }) },
		{ weight: 2, arbitrary: fc.integer({ min: 0, max: 90_000 }) },
	),
	requests: fc.oneof({ weight: 3, arbitrary: constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 12 }) }),
	action: fc.oneof(...actions.map(([weight, arbitrary]) => ({ weight, arbitrary }))),
})

const begin: fc.Arbitrary<Partial<Shape>> = fc.record(
	{
		files: fc.subarray([...FILES], { minLength: 1 }),
		policy: fc.record({ absent: keep, deselected: keep, disabled: three, expired: three, notYetValid: three }),
		maxRemovals: one(0, 1, 500),
		older: fc.integer({ min: 0, max: 3 }),
		select: boolean,
		tls: fc.oneof({ weight: 5, arbitrary: constant(false) }, { weight: 1, arbitrary: constant(true) }),
		byAccount: boolean,
	},
	{ requiredKeys: [] },
)

/** Exactly so many steps are made; a failure is shrunk to fewer, and then to plainer ones. */
class Exactly extends fc.Arbitrary<Step[]> {
	readonly #made: fc.Arbitrary<Step[]>

	constructor(arbitrary: fc.Arbitrary<Step>, length: number) {
		super()
		this.#made = fc.array(arbitrary, { minLength: length, maxLength: length })
	}

	override generate(mrng: fc.Random, biasFactor: number | undefined): fc.Value<Step[]> {
		return this.#made.generate(mrng, biasFactor)
	}

	override canShrinkWithoutContext(value: unknown): value is Step[] {
		return Array.isArray(value)
	}

	override shrink(value: Step[]): fc.Stream<fc.Value<Step[]>> {
		return fc.stream(plainer(value)).map((each) => new fc.Value(each, undefined))
	}
}

/** First without large parts, then without single steps, then with steps that come at once, and nothing meanwhile. */
function* plainer(steps: readonly Step[]): IterableIterator<Step[]> {
	for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
		for (let from = 0; from < steps.length; from += size) yield [...steps.slice(0, from), ...steps.slice(from + size)]
	}
	for (const [i, step] of steps.entries()) {
		for (const pause of new Set([0, 1_000, 30_000])) {
			if (pause < step.pause) yield steps.with(i, { ...step, pause })
		}
		if (step.requests > 0) yield steps.with(i, { ...step, requests: 0 })
	}
}

export const histories = (steps: number): fc.Arbitrary<History> =>
	fc.record({ seed: fc.nat(), begin, steps: new Exactly(step, steps) })
