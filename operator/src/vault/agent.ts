import { Agent, type RequestOptions } from 'node:https'
import { createSecureContext } from 'node:tls'

// A poll asks page after page, so it needs one; the second is for another identity of the same vault. Of few vaults more are kept, as
// many as their budgets let be under way (budget.ts), or a cold start makes a connection for every second read. Each takes 80 KB.
const KEPT_PER_VAULT = 2
const KEPT_OF_ONE = 16
const KEPT_OF_ALL = 64

/**
 * Connections to vaults, for all sessions of the process. The SDK's own would keep 256 for each vault.
 *
 * @param ca PEM; default: the certificates that node trusts
 */
export function createVaultAgent(ca?: string): Agent {
	const agent = new Agent({
		keepAlive: true,
		// Made once: otherwise each connection gets one of its own (10 MB in the same run).
		secureContext: createSecureContext(ca === undefined ? {} : { ca }),
	})
	// Node's own name of where a connection leads has all options of TLS in it, certificates too, which are the same for all.
	agent.getName = nameOf
	// Read each time that a connection is not needed any more.
	Object.defineProperty(agent, 'maxFreeSockets', {
		get: () => {
			const vaults = Math.max(Object.keys(agent.freeSockets).length, 1)
			return Math.min(KEPT_OF_ONE, Math.max(KEPT_PER_VAULT, Math.floor(KEPT_OF_ALL / vaults)))
		},
	})
	return agent
}

const nameOf = ({ host = '', port = '', servername = '' }: RequestOptions = {}) => `${host}:${port}:${servername}`
