import { isSecretBinding, isVolumeBinding } from '../api/deliveries.ts'
import type { Binding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { createSecretDestination } from '../destinations/secret/secret-destination.ts'
import { createStatusDestination } from '../destinations/status/status-destination.ts'
import { isAsked, sinceOf } from '../engine/due.ts'
import type { PassResult } from '../engine/input.ts'
import type { Knowledge } from '../engine/knowledge.ts'
import { objectKey } from '../engine/known.ts'
import { pass } from '../engine/pass.ts'
import type { Moment } from '../engine/questions.ts'
import type { Source } from '../engine/source.ts'
import type { Destination } from '../ports/destination.ts'
import { momentOf } from '../process/clock.ts'
import type { Turn } from '../process/queue.ts'
import { unsliced } from '../process/slices.ts'
import { withoutValues } from '../vault/without-values.ts'
import { createAnswer, type MakeForms } from './answer.ts'
import { isAsBegun, isWanted } from './binding-object.ts'
import { drive } from './drive.ts'
import type { ReconcileDeps } from './reconcile.ts'
import { createPatience } from './release-after.ts'
import type { Present } from './report.ts'
import { resolveSource } from './resolve-source.ts'

type PassDeps = Pick<
	ReconcileDeps,
	'clock' | 'networkClock' | 'slices' | 'vaults' | 'serviceAccounts' | 'observer' | 'secrets' | 'makeForms' | 'read'
>

interface About {
	readonly previous: Present
	/** when this process began to work */
	readonly startedAt: Moment
	readonly turn: Turn
}

/** With whose identity which vault, and the pass itself. */
export async function runPass(
	binding: Binding,
	{ previous, startedAt, turn }: About,
	knowledge: Knowledge,
	deps: PassDeps,
	signal: AbortSignal,
): Promise<PassResult> {
	const { clock, networkClock, slices = unsliced, vaults, serviceAccounts, observer } = deps
	const { status } = previous
	const asked = isAsked(binding, status, knowledge)
	const since = sinceOf(binding, knowledge, asked, undefined, { at: momentOf(clock), startedAt })
	const resolved = await resolveSource(binding, serviceAccounts, vaults.isAllowed, since, vaults.suffixes)
	signal.throwIfAborted()
	if (resolved.kind !== 'ready') {
		const outcome = resolved.kind === 'away' ? { kind: 'interrupted' as const, error: resolved.error } : resolved
		return { knowledge, outcome, firstSeen: undefined, written: undefined, polled: false, propagated: [] }
	}
	const { source } = resolved
	const key = `${binding.namespace}/${binding.name}`
	observer.uses(key, source.vaultUrl)
	const slice = <T>(work: () => T) => slices(binding.namespace, work)
	const { destination, session, forms } = placeOf(binding, status, source, { ...deps, slice, knowledge })
	const input = { binding, status, knowledge, source, rules: destination.rules, at: momentOf(clock), startedAt }
	// Values wait for a thread that has turns of its own.
	const releasing: MakeForms = (...given) => turn.release(() => forms(...given))
	const edited = new AbortController()
	const compare = () => {
		const object = deps.read(key)
		// Of two passes one goes to its end, however often somebody edits; but not one that may write nothing any more.
		const goesOn = turn.isRetry ? isWanted(object, binding) : isAsBegun(object, binding)
		if (!goesOn) edited.abort(CHANGED)
	}
	turn.onAgain(compare)
	compare()
	const answer = createAnswer({
		binding,
		session,
		destination: whileWanted(destination, () => isWanted(deps.read(key), binding)),
		makeForms: releasing,
	})
	const idle = createPatience(turn, networkClock ?? clock)
	return drive(pass(input), {
		clock,
		networkClock,
		signal,
		edited: edited.signal,
		answer,
		slices,
		idle,
		group: binding.namespace,
	})
}

/**
 * The same place, as long as the binding is to be delivered there. A vault may take a minute for what it is asked: who deletes a binding
 * meanwhile, or suspends it, wants nothing written after that, and who renames its Secret back wants the one of before to stay.
 */
const whileWanted = (destination: Destination, isStill: () => boolean): Destination => ({
	...destination,
	write: async (...given) => (isStill() ? destination.write(...given) : { kind: 'lostRace' }),
	removeFormer: async (...given) => (isStill() ? destination.removeFormer(...given) : { kind: 'away', error: CHANGED }),
})
// Made once: an error takes its stack with it.
const CHANGED = new Error('the binding was changed meanwhile')

interface Place extends Pick<PassDeps, 'vaults' | 'secrets' | 'makeForms' | 'clock'> {
	readonly knowledge: Knowledge
	readonly slice: <T>(work: () => T) => Promise<T>
}

/** Where a binding is delivered to, and what it is read with: of one that nodes deliver, no value is read here. */
function placeOf(
	binding: Binding,
	status: BindingStatus,
	source: Source,
	{ vaults, secrets, makeForms, clock, slice, knowledge }: Place,
) {
	const session = vaults.session(source)
	if (isVolumeBinding(binding)) {
		const wanted = new Set(binding.secrets.filter(({ version }) => version === undefined).map(objectKey)).size
		return {
			destination: createStatusDestination(binding, status, source.vaultUrl, secrets),
			session: withoutValues(session, { wanted, interval: binding.interval }, clock),
			forms: noForms,
		}
	}
	if (!isSecretBinding(binding)) throw new Error('a delivery that is none')
	// What this process has seen by itself it knows better.
	const statusAsManifest = knowledge.readBefore ? undefined : { status, vaultUrl: source.vaultUrl }
	return {
		destination: createSecretDestination(binding, secrets, { slice, statusAsManifest }),
		session,
		forms: makeForms,
	}
}

/** There is no value to make anything of. */
const noForms: MakeForms = async (_, __, forms) => forms.map(() => ({ kind: 'content', content: '' }))
