import type { Binding, WantedSecret } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import {
	decodedLength,
	deliveredSecret,
	readDelivered,
	type SecretObject,
} from '../destinations/secret/secret-object.ts'
import { ABSENT_AFTER_MS, type Finding } from '../engine/entry.ts'
import { traitsOf } from '../engine/fault.ts'
import { knownAfterRestart } from '../engine/known.ts'
import { selectedSecret } from '../engine/select.ts'
import type { VaultSession } from '../ports/vault.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Planned } from './decide.ts'
import type { Present } from './deliver.ts'
import type { Refusal } from './identity.ts'
import type { LookResult } from './look.ts'
import { deliveredOf, type Memory } from './memory.ts'
import { WINDOW_MS } from './nudge.ts'

// One look more after the second is over (2 s) and the server's clock has surely moved on.
const SETTLE_MS = 2_500
// Looks that are due in the same half second are due together, so that the bindings of a session share their answers.
const GRID_MS = 500

/** Takes the Secret, as read back, into memory; after a restart also what its manifest and the status tell. */
export function takeIn(
	present: Exclude<Present, Refusal>,
	binding: Binding,
	status: BindingStatus,
	memory: Memory,
	clock: Clock,
): void {
	const first = memory.delivered === undefined
	memory.driftCheckedAt = clock.monotonic()
	if (present.kind === 'none') {
		memory.delivered = 'none'
		// It was there before and its revision is lost: go on above any that it can have had (one change a second at most).
		if (first && memory.revision === 0 && status.lastChangeTime !== undefined)
			memory.revision = Math.floor(clock.now() / 1000)
		return
	}
	const { delivered } = present
	memory.delivered = delivered
	memory.revision = Math.max(memory.revision, delivered.manifest?.revision ?? 0)
	if (!first) return
	for (const wanted of deliveredBefore(binding, memory)) {
		if (memory.known.has(wanted.name)) continue
		const shown = status.secrets?.find(({ name }) => name === wanted.name)
		const before = deliveredSecret(delivered, wanted.name)
		const known = knownAfterRestart(wanted, before, shown, binding.policy, clock.now())
		if (known) memory.known.set(wanted.name, known)
	}
	const { writtenAt, resourceVersion } = delivered
	if (!memory.nudge && binding.delivery.refreshPods && writtenAt !== undefined && clock.now() - writtenAt < WINDOW_MS) {
		// The process before may have died between the write and the nudge. Pods that say this version already are left alone.
		memory.nudge = { resourceVersion, writtenAt, pass: 'last', dueAt: clock.monotonic(), failures: 0 }
	}
}

/** What the spec names, and what else the manifest says is delivered: selectors brought it. */
function deliveredBefore({ secrets }: Binding, memory: Memory): WantedSecret[] {
	const named = new Set(secrets.map(({ name }) => name))
	const rest = Object.entries(deliveredOf(memory)?.manifest?.secrets ?? {}).filter(([name]) => !named.has(name))
	return [...secrets, ...rest.map(([name, { objectName }]) => selectedSecret(name, objectName))]
}

/** Remembers what is true after the write. */
export function keep(
	memory: Memory,
	found: LookResult,
	planned: Planned,
	written: SecretObject | undefined,
	clock: Clock,
): void {
	const { write, manifest } = planned
	const now = clock.monotonic()
	memory.absentSince = found.absentSince
	memory.accepted = planned.accepted
	// Forgotten when it was not learnt now: a secret that failed is read again.
	memory.known = new Map(found.known)
	memory.last = {
		wanted: found.wanted,
		selectors: found.selectors,
		held: found.held,
		findings: new Map([...found.findings].map(([name, finding]) => [name, withoutValue(finding, found, name)])),
	}
	if (written) {
		const delivered = readDelivered(written)
		memory.delivered = delivered.manifest ? delivered : { ...delivered, manifest }
		memory.revision = Math.max(memory.revision, manifest.revision)
		memory.driftCheckedAt = now
		if (write.kind === 'create' || (write.kind === 'patch' && write.dataChanged)) {
			const writtenAt = delivered.writtenAt ?? clock.now()
			memory.nudge = {
				resourceVersion: delivered.resourceVersion,
				writtenAt,
				pass: 'first',
				dueAt: now,
				failures: 0,
			}
		}
	}
	memory.due = dueAfter(found, memory, now)
}

/** What a later look of other secrets repeats about this one. */
function withoutValue(finding: Finding, { known }: LookResult, name: string): Finding {
	return finding.kind === 'value' ? (known.get(name)?.finding ?? { kind: 'unchanged' }) : finding
}

/** What to read again before the next whole look: what is not settled, and what is absent for the first time. */
function dueAfter({ findings, absentSince }: LookResult, memory: Memory, now: number): Map<string, number> {
	const due = new Map<string, number>()
	const soon = Math.ceil((now + SETTLE_MS) / GRID_MS) * GRID_MS
	for (const [name, finding] of findings) {
		if (finding.kind === 'value' && !finding.settled) due.set(name, soon)
		const pending = finding.kind === 'fault' && traitsOf(finding.fault).reason === 'SecretAbsent' && !finding.confirmed
		if (pending && deliveredSecret(deliveredOf(memory), name)) {
			const at = (absentSince.get(name) ?? now) + ABSENT_AFTER_MS
			due.set(name, Math.ceil(at / GRID_MS) * GRID_MS)
		}
	}
	return due
}

/** Names that are due while the next whole look is not; undefined when a whole look is. */
export function namesDue({ due, last, wholeLookAt }: Memory, now: number): ReadonlySet<string> | undefined {
	if (!last || wholeLookAt === undefined || now >= wholeLookAt) return undefined
	const names = [...due].filter(([, at]) => at <= now).map(([name]) => name)
	return names.length > 0 ? new Set(names) : undefined
}

/** Milliseconds until the first of what is due; undefined when nothing is. */
export function soonest({ due }: Memory, now: number): number | undefined {
	return due.size === 0 ? undefined : Math.max(Math.min(...due.values()) - now, 0)
}

/**
 * Monotonic time of the next whole look: the common one of the session, or earlier when a version expires, its time comes,
 * or a hold ends. After a look at only some secrets the one that was planned stays.
 */
export function nextWhole(
	{ interval }: Binding,
	{ known, last, wholeLookAt }: Memory,
	session: VaultSession,
	clock: Clock,
	partly: boolean,
): number {
	const tick = partly && wholeLookAt !== undefined ? wholeLookAt : session.nextTick(interval)
	const turns = [...[...known.values()].map(({ turnAt }) => turnAt), last?.held.until].filter(
		(time): time is number => time !== undefined,
	)
	const turn = turns.length === 0 ? Number.POSITIVE_INFINITY : clock.monotonic() + Math.min(...turns) - clock.now()
	return Math.min(tick, turn)
}

/** Bytes of all values of a Secret together. */
export const bytesOf = ({ data = {} }: SecretObject) =>
	Object.values(data).reduce((sum, each) => sum + decodedLength(each), 0)
