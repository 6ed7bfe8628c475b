import type { Reason } from '../api/conditions.ts'
import type { Condition } from '../api/schema.ts'
import { parseTime } from '../api/time.ts'
import type { EntryResult } from '../engine/entry.ts'
import { type FaultKind, reasonOf, traitsOf } from '../engine/fault.ts'
import type { Outcome } from '../engine/outcome.ts'

/**
 * What a fault says about the vault itself: `yes` it answered, if only with a refusal to this identity; `no` it did not; or
 * `unknown`, because Entra gave no token and so the vault was not asked.
 */
const REACHED: Record<FaultKind, 'yes' | 'no' | 'unknown'> = {
	absent: 'yes',
	versionAbsent: 'yes',
	decode: 'yes',
	property: 'yes',
	certificate: 'yes',
	disabled: 'yes',
	expired: 'yes',
	notYetValid: 'yes',
	versionTie: 'yes',
	historyTooLong: 'yes',
	nameCollision: 'yes',
	forbiddenRbac: 'yes',
	accessDenied: 'yes',
	forbiddenPolicy: 'yes',
	forbidden: 'yes',
	unauthorized: 'yes',
	otherTenant: 'yes',
	listTooLarge: 'yes',
	firewall: 'no',
	connection: 'no',
	throttled: 'no',
	unreachable: 'no',
	timeout: 'no',
	server: 'no',
	garbage: 'no',
	federation: 'unknown',
	federationRefused: 'unknown',
	identityNotFound: 'unknown',
	identityRefused: 'unknown',
	entraUnavailable: 'unknown',
}

const AWAY: ReadonlySet<string> = new Set(
	(Object.keys(REACHED) as FaultKind[]).filter((kind) => REACHED[kind] === 'no').map(reasonOf),
)

/** Whether a condition says that the vault is not reached. */
export const isAway = (condition: Condition | undefined): condition is Condition =>
	condition?.status === 'False' && AWAY.has(condition.reason)

/** What an outcome tells of its vault: `down` is the reason why it was not reached. Undefined: it tells nothing. */
export function reachedOf(outcome: Outcome): { vaultUrl: string; down: Reason | undefined } | undefined {
	if (outcome.kind !== 'polled' && outcome.kind !== 'failed') return undefined
	const { vaultUrl } = outcome.at
	const faults = outcome.kind === 'failed' ? [outcome.fault] : outcome.results.flatMap(({ fault }) => fault ?? [])
	// A poll that broke off gives its fault to every secret it did not come to: it is younger than the answers before.
	const down = faults.find(({ kind }) => REACHED[kind] === 'no')
	if (down) return { vaultUrl, down: traitsOf(down).reason }
	return faults.some(({ kind }) => REACHED[kind] === 'unknown') ? undefined : { vaultUrl, down: undefined }
}

/** The earliest expiry among delivered secrets, milliseconds since the epoch. */
export function earliestExpiry(results: readonly EntryResult[]): number | undefined {
	const times = results.flatMap(({ inManifest }) => parseTime(inManifest?.expires) ?? [])
	return times.length === 0 ? undefined : Math.min(...times)
}
