import type { Reason } from '../api/conditions.ts'
import type { WaitingRemovals } from './brake.ts'
import type { EntryResult } from './entry.ts'
import type { VaultFault } from './fault.ts'
import type { Permission } from './permission.ts'
import type { PinsInForce } from './pin.ts'

/** Our own, validated words for what a fault happened to. */
export interface FaultContext {
	namespace: string
	serviceAccount: string
	clientId: string
	tenantId: string
	audience: string
	/** issuer of the cluster's tokens; undefined before the first token */
	issuer: string | undefined
	vaultUrl: string
}

/** What the destination refused of a change while it took the rest; or, when it took nothing, what all wait for. */
export interface Withheld {
	reason: Reason
	message: string
	names: readonly string[]
}

/** What became of the selectors at a poll. */
export type SelectorOutcome = 'none' | 'listed' | { failed: VaultFault }

/** What one reconcile came to. Conditions, requeue, event, log level and metric all follow from it (`summarize`). */
export type Outcome =
	/** spec.suspend */
	| { kind: 'suspended' }
	/** the spec breaks a rule that the API server could not check */
	| { kind: 'invalid'; problem: string }
	/** somebody has to change something in the cluster before anything can be done */
	| { kind: 'refused'; reason: Reason; message: string; missing?: Permission | undefined }
	/** the poll of the vault failed as a whole */
	| { kind: 'failed'; fault: VaultFault; at: FaultContext }
	/** the vault was polled, and the Secret is as far along as the results say */
	| {
			kind: 'polled'
			results: readonly EntryResult[]
			at: FaultContext
			/** bytes of the Secret came, changed or went */
			changed: boolean
			/** a poll of a few secrets is due soon, in milliseconds: unsettled or absent for the first time */
			again: number | undefined
			/**
			 * Monotonic time of the next whole poll: the common one of the session, or when something turns. To the fraction: it is
			 * how bindings of a session know that they ask the same question.
			 */
			nextAt: number
			selectors: SelectorOutcome
			/** removals that wait for somebody to acknowledge them */
			removals: WaitingRemovals | undefined
			/** what the annotation hold pins */
			pins: Omit<PinsInForce, 'secrets'>
			withheld?: Withheld | undefined
			/** the place of a former name is still there, until the new one holds all that the spec names */
			formerName?: string | undefined
	  }

/** Refusals after which the Secret is not (or no longer) what the spec asks for, whatever it holds. */
const BREAKS_READY: ReadonlySet<string> = new Set<Reason>([
	'SecretNotOurs',
	'SecretOfOtherBinding',
	'SecretTypeDiffers',
	'SecretImmutable',
	'SecretWriteRefused',
	'SecretTooLarge',
	'RequiredKeyMissing',
	'TooManySecrets',
])

export const breaksReady = (reason: string) => BREAKS_READY.has(reason)
