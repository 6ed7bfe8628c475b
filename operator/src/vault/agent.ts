import { Agent } from 'node:https'
import { createSecureContext } from 'node:tls'

// A look asks page after page, so it needs one; the second is for another identity of the same vault. A cold start opens as
// many as the budget lets (8 a vault): of 50 vaults these were 25 MB (`npm run bench -- scale`).
const KEPT_PER_VAULT = 2

/**
 * Connections to vaults, for all sessions of the process. The SDK's own would keep 256 for each vault.
 *
 * @param ca PEM; default: the certificates that node trusts
 */
export function createVaultAgent(ca?: string): Agent {
	return new Agent({
		keepAlive: true,
		maxFreeSockets: KEPT_PER_VAULT,
		// Made once: otherwise each connection gets one of its own (10 MB in the same run).
		secureContext: createSecureContext(ca === undefined ? {} : { ca }),
	})
}
