import { Agent, type RequestOptions } from 'node:https'
import { createSecureContext } from 'node:tls'

// Of each identity of a vault. A poll asks page after page, so it needs one. Of few more are kept, as many as their budgets let be under way
// (budget.ts), or a cold start makes a connection for every second read. Each takes 80 KB.
const KEPT_PER_VAULT = 2
const KEPT_OF_ONE = 16
const KEPT_OF_ALL = 64
// Where a vault has hundreds of identities, those that find no place make a connection for each poll: these take 20 MB.
const KEPT_AT_MOST = 256

/** What a request to a vault says of itself, beside where it goes. */
export interface Asker {
	/** of the session. A connection that one identity has used is used by no other: what comes late on it, or too much, is nobody else's answer */
	readonly identity?: string | undefined
}

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
			const kept = Object.values(agent.freeSockets)
			const vaults = Math.max(kept.length, 1)
			if (kept.reduce((sum, sockets) => sum + (sockets?.length ?? 0), 0) >= KEPT_AT_MOST) return 0
			return Math.min(KEPT_OF_ONE, Math.max(KEPT_PER_VAULT, Math.floor(KEPT_OF_ALL / vaults)))
		},
	})
	return agent
}

const nameOf = ({ host = '', port = '', servername = '', identity }: RequestOptions & Asker = {}) =>
	`${host}:${port}:${servername}${identity === undefined ? '' : `:${identity}`}`
