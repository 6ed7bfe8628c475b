import type { Tokens } from '../ports/cluster.ts'
import type { SessionKey } from '../ports/vault.ts'
import type { Clock } from '../process/clock.ts'

/** A ServiceAccount token for the exchange at Entra, and the issuer that stands in it. */
export interface Assertion {
	token: string
	issuer: string | undefined
}

export interface Assertions {
	/** A token with enough life left. @throws KubeError when the API server refuses one */
	get(): Promise<Assertion>
	/** The next `get` asks for a new one: Entra did not like this one. */
	drop(): void
	readonly issuer: string | undefined
}

// Entra reads it at once; this only has to cover a slow exchange and clocks that disagree.
const MIN_LEFT_MS = 120_000

/** Caches one token: `@azure/identity` asks for the assertion twice for each token, also when it has one in its cache. */
export function createAssertions(tokens: Tokens, key: SessionKey, clock: Clock): Assertions {
	let current: { token: string; expiresAt: number } | undefined
	let pending: Promise<{ token: string; expiresAt: number }> | undefined
	let issuer: string | undefined
	return {
		async get() {
			if (!current || current.expiresAt - clock.now() < MIN_LEFT_MS) {
				const { namespace, serviceAccount, audience, serviceAccountUid } = key
				pending ??= tokens.request(namespace, serviceAccount, audience, serviceAccountUid).finally(() => {
					pending = undefined
				})
				current = await pending
				issuer = issuerOf(current.token)
			}
			return { token: current.token, issuer }
		},
		drop() {
			current = undefined
		},
		get issuer() {
			return issuer
		},
	}
}

/** The issuer claim. Not verified: it comes from our own API server, and only tells the user what Entra will compare. */
function issuerOf(token: string): string | undefined {
	try {
		const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
		const issuer = typeof claims === 'object' && claims !== null && 'iss' in claims ? claims.iss : undefined
		return typeof issuer === 'string' ? issuer : undefined
	} catch {
		return undefined
	}
}
