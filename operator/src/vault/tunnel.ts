import type { ClientRequest } from 'node:http'
import type { Agent } from 'node:https'

/** As much of the library's agent for proxies as is needed: `connect` reads `connectOpts` once, for the connection to the proxy. */
interface ProxyAgent {
	connectOpts: object
	connect(request: ClientRequest, options: object): Promise<unknown>
}

const isOfProxy = (agent: object): agent is ProxyAgent =>
	'connect' in agent && typeof agent.connect === 'function' && 'connectOpts' in agent

const signals = new WeakMap<ClientRequest, AbortSignal>()
const followed = new WeakSet<object>()
// Made once: an error takes its stack with it.
const ENDED = new Error('nobody waits for the proxy any more')

/**
 * The library's agent knows nothing of a request that ends while its proxy is silent: each would leave a connection, for as long as the proxy
 * likes. With this the connection ends with the request. Once there is a tunnel it is the request's own.
 */
export function endTunnelWith(signal: AbortSignal, request: ClientRequest, agent: Agent): void {
	if (!isOfProxy(agent)) return
	signals.set(request, signal)
	if (followed.has(agent)) return
	followed.add(agent)
	const own = agent.connect
	agent.connect = async (to, options) => {
		const from = signals.get(to)
		const opening = new AbortController()
		const end = () => opening.abort(ENDED)
		if (from?.aborted) end()
		from?.addEventListener('abort', end, { once: true })
		const connectOpts = { ...agent.connectOpts, signal: opening.signal }
		try {
			return await own.call(Object.create(agent, { connectOpts: { value: connectOpts } }) as ProxyAgent, to, options)
		} finally {
			from?.removeEventListener('abort', end)
		}
	}
}
