import type { ConnectRouter, Interceptor } from '@connectrpc/connect'
import type { Clock } from '../process/clock.ts'
import type { Logger } from '../process/log.ts'
import { registrationRoutes } from './services.ts'
import { answers, listen, type Socket } from './socket.ts'

export interface ServingOptions {
	readonly driver: string
	/** path of the socket for calls, as the kubelet sees it too */
	readonly endpoint: string
	/** path of the socket by which the kubelet learns of the driver */
	readonly registration: string
	routes(router: ConnectRouter): void
	/** see each call before it is served; for tests */
	readonly interceptors?: Interceptor[] | undefined
	readonly clock: Clock
	readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** Whether this process serves the node. In an upgrade there are two, and the younger one may go again. */
export interface Serving {
	/** Takes the sockets. The one for calls first: the kubelet dials it as soon as it sees the other one. */
	start(): Promise<void>
	/** Whether calls of the kubelet come to this process. */
	isServing(): Promise<boolean>
	/** Looks who has the sockets, and takes back what nobody has. To be called each second. */
	check(): Promise<void>
	/** Tells the kubelet, by taking the socket away, that nobody serves: if it still is ours. */
	withdraw(): Promise<void>
	readonly registered: boolean
	/** Ends the servers: who comes later finds nobody at their paths. */
	close(): void
	/** why the kubelet does not come to this process; undefined when it does */
	notReady(): string | undefined
	/** what a restart would mend; undefined when all is well */
	notAlive(): string | undefined
}

/** Who has the socket for calls. */
type State =
	| { readonly kind: 'ours' }
	/** another process that answers */
	| { readonly kind: 'taken' }
	/** nobody answers there */
	| { readonly kind: 'lost'; readonly since: number }

// Between two checks a successor binds both sockets, and one that ends removes one: what is still so after this is so.
const SETTLED_MS = 2_000
// Taking back takes milliseconds. When it has failed so often, a new process may have more luck.
const LOST_MS = 60_000

export function createServing(options: ServingOptions): Serving {
	const { driver, endpoint, registration, clock, log } = options
	let calls: Socket | undefined
	let registering: Socket | undefined
	let registered = false
	let state: State = { kind: 'ours' }
	let unregisteredSince: number | undefined
	let checkedAt = clock.monotonic()

	const listenForCalls = async () => {
		calls?.close()
		calls = await listen(endpoint, options.routes, options.interceptors)
		state = { kind: 'ours' }
	}
	const register = async () => {
		registering?.close()
		registered = false
		const onRegistered = (problem: string | undefined) => {
			registered = problem === undefined
			if (problem === undefined) log.info({ driver }, 'registered')
			else log.error({ driver, problem }, 'not registered')
		}
		registering = await listen(registration, registrationRoutes({ driver, endpoint, onRegistered }))
		unregisteredSince = undefined
	}
	const isServing = async () => (await calls?.isOurs()) ?? false
	/** Who has the calls has to have the other one as well: one of two that start at the same time may have each. */
	const keepRegistration = async () => {
		if (await registering?.isOurs()) {
			unregisteredSince = undefined
			return
		}
		registered = false
		unregisteredSince ??= clock.monotonic()
		if (clock.monotonic() - unregisteredSince < SETTLED_MS) return
		await register()
		log.warn({ driver }, 'registers again: its socket was gone')
	}
	return {
		async start() {
			await listenForCalls()
			await register()
		},
		isServing,
		async check() {
			checkedAt = clock.monotonic()
			if (await isServing()) {
				state = { kind: 'ours' }
				return keepRegistration()
			}
			registered = false
			if (await answers(endpoint)) {
				if (state.kind !== 'taken') log.info({ driver }, 'another process serves this node')
				state = { kind: 'taken' }
				return
			}
			state = state.kind === 'lost' ? state : { kind: 'lost', since: clock.monotonic() }
			if (clock.monotonic() - state.since < SETTLED_MS) return
			await listenForCalls()
			await register()
			log.warn({ driver }, 'serves this node again: nobody else does')
		},
		async withdraw() {
			await registering?.withdraw()
		},
		get registered() {
			return registered
		},
		close() {
			calls?.close()
			registering?.close()
		},
		notReady() {
			if (state.kind === 'taken') return 'another process serves this node'
			if (state.kind === 'lost') return 'nobody answers on the socket of the driver'
			return registered ? undefined : 'the kubelet has not registered the driver'
		},
		notAlive() {
			const now = clock.monotonic()
			if (now - checkedAt > LOST_MS) return 'nobody has looked after the sockets for a minute'
			if (state.kind === 'lost' && now - state.since > LOST_MS) return 'the sockets cannot be taken back'
			return undefined
		},
	}
}
