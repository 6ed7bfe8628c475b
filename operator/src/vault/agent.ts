import { Agent, type RequestOptions } from 'node:https'
import { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'

// Of each identity of a vault. A poll asks page after page, so it needs one. Of few more are kept, as many as their budgets let be under way
// (budget.ts), or a cold start makes a connection for every second read. Each takes 80 KB.
const KEPT_PER_VAULT = 2
const KEPT_OF_ONE = 16
const KEPT_OF_ALL = 64
// Where a vault has hundreds of identities, those that find no place make a connection for each poll: these take 20 MB.
const KEPT_AT_MOST = 256
// The next poll by the default interval finds the connection that it needs.
const KEPT_MS = 70_000
// Further ones are of a rush: a start, or a rotation of many secrets. It comes around to each identity within some seconds.
const SPARE_MS = 10_000

/** What a request to a vault says of itself, beside where it goes. */
export interface Asker {
	/** of the session. A connection that one identity has used is used by no other: what comes late on it, or too much, is nobody else's answer */
	readonly identity?: string | undefined
	/** how long its connection is kept when nothing needs it, milliseconds; default: until the next poll */
	readonly keptMs?: number | undefined
}

/** How long a connection is kept that nothing needs, milliseconds. */
export interface IdleTimes {
	/** the last one of an identity */
	readonly keptMs: number
	/** others */
	readonly spareMs: number
}

/**
 * Connections to vaults and Entra, for all sessions of the process. The SDK's own would keep 256 for each vault.
 *
 * What nothing needs is closed: after a rush all but one of each identity, and that one when there is no poll.
 *
 * @param ca PEM; default: the certificates that node trusts
 * @param idle default: 70 s and 10 s
 */
export function createVaultAgent(ca?: string, idle: IdleTimes = { keptMs: KEPT_MS, spareMs: SPARE_MS }): Agent {
	const agent = new Agent({
		keepAlive: true,
		// Of those that are not in use: requests have deadlines of their own.
		timeout: idle.keptMs,
		// Made once: otherwise each connection gets one of its own (10 MB in the same run).
		secureContext: createSecureContext(ca === undefined ? {} : { ca }),
	})
	// Node's own name of where a connection leads has all options of TLS in it, certificates too, which are the same for all.
	agent.getName = nameOf
	closeIdle(agent, idle)
	// Read each time that a connection is not needed any more, so it does not count them anew.
	const free = countFree(agent)
	Object.defineProperty(agent, 'maxFreeSockets', {
		get: () => {
			if (free.connections >= KEPT_AT_MOST) return 0
			return Math.min(KEPT_OF_ONE, Math.max(KEPT_PER_VAULT, Math.floor(KEPT_OF_ALL / Math.max(free.peers, 1))))
		},
	})
	return agent
}

/** How many connections nothing needs now, and of how many vaults and identities they are. */
function countFree(agent: Agent): { readonly connections: number; readonly peers: number } {
	const names = new WeakMap<object, string>()
	const free = new Map<object, string>()
	const ofPeer = new Map<string, number>()
	const taken = (socket: object) => {
		const name = free.get(socket)
		if (name === undefined) return
		free.delete(socket)
		const left = (ofPeer.get(name) ?? 0) - 1
		if (left > 0) ofPeer.set(name, left)
		else ofPeer.delete(name)
	}
	const connect = agent.createConnection.bind(agent)
	agent.createConnection = (options, done) => {
		const socket = connect(options, done)
		if (!socket) return socket
		names.set(socket, agent.getName(options))
		socket.once('close', () => taken(socket))
		return socket
	}
	const keepAlive = agent.keepSocketAlive.bind(agent)
	agent.keepSocketAlive = (socket) => {
		const isKept: unknown = keepAlive(socket)
		const name = names.get(socket) ?? ''
		if (isKept === true && !free.has(socket)) {
			free.set(socket, name)
			ofPeer.set(name, (ofPeer.get(name) ?? 0) + 1)
		}
		return isKept
	}
	const reuse = agent.reuseSocket.bind(agent)
	agent.reuseSocket = (socket, request) => {
		taken(socket)
		reuse(socket, request)
	}
	return {
		get connections() {
			return free.size
		},
		get peers() {
			return ofPeer.size
		},
	}
}

/** Gives each connection that nothing needs the time after which the agent closes it. */
function closeIdle(agent: Agent, idle: IdleTimes): void {
	const askers = new WeakMap<object, { readonly peer: string; readonly keptMs: number }>()
	/** the one of each identity that is kept longest */
	const kept = new Map<string, object>()
	const connect = agent.createConnection.bind(agent)
	agent.createConnection = (options: RequestOptions & Asker, done) => {
		const socket = connect(options, done)
		if (!socket) return socket
		const { servername = '', identity = '', keptMs = idle.keptMs } = options
		const peer = `${servername}:${identity}`
		askers.set(socket, { peer, keptMs })
		socket.once('close', () => {
			if (kept.get(peer) === socket) kept.delete(peer)
		})
		return socket
	}
	const keepAlive = agent.keepSocketAlive.bind(agent)
	agent.keepSocketAlive = (socket) => {
		// By the agent's own time, or an earlier one that the server names.
		const isKept = keepAlive(socket)
		const asker = askers.get(socket)
		if (!asker || !(socket instanceof Socket)) return isKept
		if (!kept.has(asker.peer)) kept.set(asker.peer, socket)
		const most = kept.get(asker.peer) === socket ? asker.keptMs : Math.min(asker.keptMs, idle.spareMs)
		if (most < (socket.timeout ?? idle.keptMs)) socket.setTimeout(most)
		return isKept
	}
}

const nameOf = ({ host = '', port = '', servername = '', identity }: RequestOptions & Asker = {}) =>
	`${host}:${port}:${servername}${identity === undefined ? '' : `:${identity}`}`
