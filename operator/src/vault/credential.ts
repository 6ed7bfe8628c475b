import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/identity'
import { GUID } from '../api/constants.ts'
import { VaultError } from '../ports/vault.ts'
import type { Clock } from '../process/clock.ts'
import type { Assertions } from './assertion.ts'
import { tokenFaultOf } from './classify.ts'

const REFUSED = { kind: 'identityRefused' } as const

export interface SingleFlightOptions {
	clock: Clock
	/** measures the time of an exchange; default: `clock` */
	networkClock?: Clock | undefined
	assertions: Assertions
	/** of the identity */
	tenantId: string
	/** how many requests have left for Entra */
	exchanges(): number
	/** makes a new credential: clean of cached failures */
	create: (assertion: () => Promise<string>) => TokenCredential
	observe: (result: 'ok' | 'error') => void
}

// A healthy exchange takes well under a second; discovery and a slow proxy may take some.
const DEADLINE_MS = 15_000
// The Key Vault client itself starts to refresh two minutes before the end; handing out less would make it ask each time.
const EARLY_MS = 150_000

/**
 * One token for all callers of a session.
 *
 * 1. A token is reused until shortly before its end, or until the time that Entra named for renewal.
 * 2. Calls that come while one is being fetched share it: 50 cold reads make one token request, not 50.
 * 3. The caller's signal goes no further, and a timer ends the wait: the library ignores both signals and timeouts.
 * 4. A vault of another tenant is told as such, before anything is asked.
 * 5. After a failure credential and assertion are thrown away: MSAL answers from its memory of a failure for 60 s, and its
 *    credential holds on to each request it ever made.
 */
export function createSingleFlightCredential(options: SingleFlightOptions): TokenCredential {
	const { clock, networkClock = clock, assertions, create, observe, exchanges } = options
	const ownTenant = options.tenantId.toLowerCase()
	let inner: TokenCredential | undefined
	const tokens = new Map<string, AccessToken>()
	const flights = new Map<string, Promise<AccessToken>>()

	const fetch = async (scopes: string | string[], tokenOptions: GetTokenOptions): Promise<AccessToken> => {
		// Asked for before the library runs, so that a refusal by the API server arrives as what it is.
		await assertions.get()
		const sent = exchanges()
		const timer = new AbortController()
		let isLate = false
		const late = networkClock.sleep(DEADLINE_MS, timer.signal).then(() => {
			isLate = true
			throw new VaultError({ kind: 'entraUnavailable' })
		})
		// Lost races reject when the timer is taken back; nobody is waiting for them then.
		late.catch(() => {})
		try {
			inner ??= create(async () => (await assertions.get()).token)
			const token = await Promise.race([inner.getToken(scopes, tokenOptions), late])
			if (!token) throw new VaultError({ kind: 'entraUnavailable' })
			observe('ok')
			return token
		} catch (error) {
			inner = undefined
			assertions.drop()
			observe('error')
			const fault = tokenFaultOf(error)
			// What the library refuses by itself no waiting mends.
			throw new VaultError(fault.kind === 'entraUnavailable' && !isLate && exchanges() === sent ? REFUSED : fault)
		} finally {
			timer.abort()
		}
	}

	return {
		async getToken(scopes, given = {}) {
			// `claims` come with a challenge that says the old token is not enough; its answer has a place of its own.
			const { abortSignal: _, requestOptions: __, tenantId, ...others } = given
			// The vault says of which tenant it wants a token. The library would refuse another one than the identity's.
			const tenant = tenantId?.toLowerCase()
			if (tenant !== undefined && tenant !== ownTenant)
				throw new VaultError(GUID.test(tenant) ? { kind: 'otherTenant', tenant } : { kind: 'garbage' })
			const rest = { ...others, ...(tenant === undefined ? {} : { tenantId: tenant }) }
			const key = JSON.stringify([scopes, tenant, rest.enableCae, rest.claims])
			const known = tokens.get(key)
			if (known && isFresh(known, clock.now())) return known
			let flight = flights.get(key)
			if (!flight) {
				flight = fetch(scopes, rest).finally(() => flights.delete(key))
				flights.set(key, flight)
			}
			const token = await flight
			tokens.set(key, token)
			return token
		},
	}
}

function isFresh({ expiresOnTimestamp, refreshAfterTimestamp }: AccessToken, now: number): boolean {
	return now < expiresOnTimestamp - EARLY_MS && (refreshAfterTimestamp === undefined || now < refreshAfterTimestamp)
}
