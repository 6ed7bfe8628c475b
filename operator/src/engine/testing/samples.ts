// Parts of plans, for tests: what is usual, so that a test says only what it is about.
import type { Policy } from '../../api/schema.ts'
import type { EntryContext, EntryResult } from '../entry.ts'
import type { FaultContext, Outcome } from '../outcome.ts'

/** The defaults of the resource. */
export const POLICY: Policy = {
	absent: 'Keep',
	deselected: 'Keep',
	disabled: 'Keep',
	expired: 'Keep',
	notYetValid: 'Keep',
	maxRemovals: 5,
}

/** Where an identity reads that has not had a token yet. */
export const AT: FaultContext = {
	namespace: 'ns',
	serviceAccount: 'payments',
	clientId: '11111111-2222-3333-4444-555555555555',
	tenantId: '66666666-7777-8888-9999-000000000000',
	audience: 'api://AzureADTokenExchange',
	issuer: undefined,
	vaultUrl: 'https://payments.vault.azure.net',
}

/** Under these policies; the bytes untouched, and no tags named. */
export const contextOf = (policy: Partial<Policy> = {}, intact = true): EntryContext => ({
	policy: { ...POLICY, ...policy },
	intact,
	tags: new Set(),
})

/** A result with nothing delivered and nothing to do, but for what is given. */
export const entryOf = (rest: Partial<EntryResult> & Pick<EntryResult, 'wanted'>): EntryResult => ({
	inManifest: undefined,
	value: undefined,
	remove: false,
	instead: undefined,
	state: 'Pending',
	reason: undefined,
	fault: undefined,
	asAsked: false,
	previous: new Map(),
	...rest,
})

type Polled = Extract<Outcome, { kind: 'polled' }>

/** A poll without selectors, waiting removals and pins; the next one in a minute. */
export const polledOf = (rest: Pick<Polled, 'results' | 'at'> & Partial<Polled>): Outcome => ({
	kind: 'polled',
	changed: false,
	again: undefined,
	// A minute after the monotonic time that tests begin with.
	nextAt: 1_060_000,
	selectors: 'none',
	removals: undefined,
	pins: { names: [], until: undefined, problem: undefined },
	...rest,
})
