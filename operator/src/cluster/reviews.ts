import { createHash } from 'node:crypto'
import { KubeError } from '../ports/kube-error.ts'
import type { Clock } from '../process/clock.ts'
import type { Authorize } from '../process/probes.ts'
import type { KubeTransport } from './transport.ts'

// A scrape a minute, or one in 15 s: most are answered without the API server, and a right that was taken is gone in a minute.
const KEEP_MS = 60_000
// Whoever guesses tokens makes the API server work: no more than this many questions at once, and answers remembered.
const MAX_OPEN = 4
const MAX_KEPT = 100

interface TokenReview {
	status?: { authenticated?: boolean; user?: { username?: string; uid?: string; groups?: string[]; extra?: object } }
}
interface AccessReview {
	status?: { allowed?: boolean }
}

/**
 * Asks the API server whose a token is (TokenReview) and whether that user may `get` the path (SubjectAccessReview), as other
 * operators do for their metrics. Tokens are kept as digests only.
 */
export function createAuthorize(
	transport: Pick<KubeTransport, 'request'>,
	clock: Pick<Clock, 'monotonic'>,
	path: string,
): Authorize {
	/** oldest first */
	const kept = new Map<string, { at: number; may: 'yes' | 'no' | 'unauthenticated' }>()
	let open = 0
	const ask = async (token: string) => {
		const { status } = await transport.request<TokenReview>({
			method: 'POST',
			path: '/apis/authentication.k8s.io/v1/tokenreviews',
			body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
		})
		const user = status?.user
		if (status?.authenticated !== true || !user?.username) return 'unauthenticated'
		const { username, uid, groups, extra } = user
		const access = await transport.request<AccessReview>({
			method: 'POST',
			path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
			body: {
				apiVersion: 'authorization.k8s.io/v1',
				kind: 'SubjectAccessReview',
				spec: { user: username, uid, groups, extra, nonResourceAttributes: { path, verb: 'get' } },
			},
		})
		return access.status?.allowed === true ? 'yes' : 'no'
	}
	return async (token) => {
		const id = createHash('sha256').update(token).digest('base64url')
		const before = kept.get(id)
		if (before && clock.monotonic() - before.at < KEEP_MS) return before.may
		if (open >= MAX_OPEN) return 'unknown'
		open++
		try {
			const may = await ask(token)
			kept.delete(id)
			kept.set(id, { at: clock.monotonic(), may })
			for (const oldest of kept.keys()) {
				if (kept.size <= MAX_KEPT) break
				kept.delete(oldest)
			}
			return may
		} catch (error) {
			if (error instanceof KubeError) return 'unknown'
			throw error
		} finally {
			open--
		}
	}
}
