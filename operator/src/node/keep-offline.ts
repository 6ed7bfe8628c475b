import { MANIFEST_FILE } from 'purista-azure-mounted-secret-store/manifest'
import type { VolumeBinding } from '../api/parse.ts'
import type { Content } from '../engine/decode.ts'
import { type FaultKind, traitsOf, type VaultFault } from '../engine/fault.ts'
import type { Holding } from '../engine/holding.ts'
import { objectKey } from '../engine/known.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Source } from '../engine/source.ts'
import type { Destination } from '../ports/destination.ts'
import type { Confirmed, OfflineKey, OfflineValues } from './offline.ts'
import { goesBy } from './reading.ts'

export interface Place {
	readonly binding: VolumeBinding
	readonly source: Source
	readonly destination: Destination
	readonly offline: OfflineValues
	/** milliseconds since the epoch: what the annotation hold pins ends by itself */
	readonly now: number
	readonly signal: AbortSignal
}

/** The generation says nothing of annotations, and the annotation hold nothing of whether it has ended. */
export function keyOf({ binding, source, now }: Pick<Place, 'binding' | 'source' | 'now'>): OfflineKey {
	const { uid, generation, overrides, annotatedPins } = binding
	const isPinned = annotatedPins.kind === 'until' && annotatedPins.until > now
	return { uid, variant: JSON.stringify([generation, overrides, isPinned]), source }
}

/** Fills a volume with what is kept in memory. @returns false: nothing is kept, or it does not fit */
export async function fillOffline(place: Place, on: Holding | undefined): Promise<boolean> {
	const { binding, destination, offline, signal } = place
	const snapshot = binding.delivery.offlineFor > 0 ? offline.get(keyOf(place)) : undefined
	if (!snapshot) return false
	const change = { set: snapshot.files, drop: [], manifest: snapshot.manifest, on, create: true }
	const verdict = destination.rules.judge(change)
	if (verdict.kind !== 'fits') return verdict.kind === 'nothing'
	return (await destination.write(change, signal)).kind === 'written'
}

const NEVER: Confirmed = { at: Number.NEGATIVE_INFINITY, readAt: Number.NEGATIVE_INFINITY }

/**
 * When the vault last said that all of a binding is right: when it was read here, or else when whoever polls for this node last
 * did so. A pass that finds nothing new in the status of a vault that is away confirms nothing.
 *
 * @param before the same after the pass before
 * @param read keys of what the vault has told the pass of
 */
export function confirmedBy(
	before: Confirmed = NEVER,
	outcome: Outcome,
	read: ReadonlySet<string>,
	...[binding, known]: Parameters<typeof goesBy>
): Confirmed {
	if (outcome.kind !== 'polled') return before
	const { monotonic } = known.at
	const isRead = outcome.results.every(({ wanted }) => read.has(objectKey(wanted)))
	if (isRead) return { at: monotonic, readAt: monotonic }
	return { ...before, at: Math.max(before.at, goesBy(binding, known).polledAt) }
}

/** Keeps what the vault has confirmed at a time, if the binding asks for it. */
export async function keepOffline(place: Place, confirmed: Confirmed = NEVER): Promise<void> {
	const { binding, destination, offline, signal } = place
	const { offlineFor } = binding.delivery
	if (offlineFor === 0) return offline.forget(binding.uid)
	const answer = await destination.readBack(signal)
	if (answer.kind !== 'ours' || !answer.holding.manifest) return
	const { files, content, manifest } = answer.holding
	const contents = [...files.keys()].flatMap((name): [string, Content][] => {
		const bytes = name === MANIFEST_FILE ? undefined : content?.(name)
		return bytes === undefined ? [] : [[name, bytes]]
	})
	offline.keep(keyOf(place), { files: new Map(contents), manifest }, offlineFor, confirmed)
}

/** Said of the way to the vault, of a token or of a list: the identity is not denied anything by it. */
const NO_DENIAL: ReadonlySet<FaultKind> = new Set(['firewall', 'connection', 'listTooLarge', 'unauthorized'])
/** Said of the token of a pod, or of whoever tells Entra how to check it (FACTS.md#entra-codes). */
const OF_TOKEN: ReadonlySet<string> = new Set(['700024', '7000272', '50166', '501661', '90061'])

function isDenial(fault: VaultFault): boolean {
	if (fault.kind === 'federationRefused' && OF_TOKEN.has(fault.code)) return false
	return traitsOf(fault).class === 'permission' && !NO_DENIAL.has(fault.kind)
}

/** Whoever is denied a secret now must not start with it later, when the vault is away. */
export function forgetDenied(outcome: Outcome, { binding, source, offline }: Place): void {
	if (outcome.kind === 'failed' && isDenial(outcome.fault)) offline.denyIdentity(source)
	if (outcome.kind === 'polled' && outcome.results.some(({ fault }) => fault && isDenial(fault)))
		offline.deny(binding.uid)
}
