// Puts the parts together: state, certificates, the HTTPS side, the control API.
import { randomUUID } from 'node:crypto'
import { lookup as dnsLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import type { createServer as createHttpServer, Server } from 'node:http'
import { Agent } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { AccessModel } from './access/book.ts'
import { systemTime, type TimeSource } from './clock.ts'
import { createControl } from './control/control.ts'
import { createControlServer } from './control/server.ts'
import type { EmulatorControl } from './control/types.ts'
import { createSecureServer } from './http/secure-server.ts'
import { type Names, PRODUCTION_NAMES, placeOf, TEST_NAMES, VAULT_NAME } from './names.ts'
import { addVault, createState } from './state.ts'
import { createAuthority, loadAuthority } from './tls/authority.ts'
import { LeafStore, localLeaf } from './tls/leaves.ts'

export interface EmulatorOptions {
	/** Address to listen on; default 127.0.0.1. */
	host?: string
	/** HTTPS port; 0, the default, takes a free one. */
	port?: number
	/** Where the control API listens; the default is loopback and a free port. */
	control?: { host?: string; port?: number }
	/** `test` (default): `<vault>.vault.emu.test` and `login.emu.test`. `production`: the names of the public cloud. */
	names?: 'test' | 'production'
	/** Default: a random one. */
	tenantId?: string
	/** Vaults that are there from the start; a plain name has the `rbac` access model. */
	vaults?: ReadonlyArray<string | { name: string; access?: AccessModel; recoverableDays?: number }>
	/** Folder of the CA; made there once and used again. Without it, each emulator has a CA of its own. */
	caFolder?: string
	/** Default: the machine's clock. `control.advanceClock` moves the emulator's own clock against it. */
	clock?: TimeSource
	/** How long deletes, recovers and purges take to show; default 3,000 ms, as the service needs some seconds. */
	visibilityDelayMs?: number
	/** How long grants and federated credentials take to count; default 0. The service needs minutes. */
	propagationDelayMs?: number
	/** Default 86,400 s. At or below 300 s the SDKs never use their cache. */
	tokenLifetimeSeconds?: number
	/** `refresh_in` of token answers; default: half of the lifetime when that is longer than two hours, else none. */
	refreshInSeconds?: number
	/** Makes ids and the chance of faults repeatable. */
	seed?: number | string
	/** Told about defects of the emulator itself, which it answers with a 500; default: standard error. */
	onDefect?: (error: unknown) => void
}

export interface Emulator {
	/** For `authorityHost` of credentials. */
	readonly authorityHost: string
	readonly tenantId: string
	readonly caPem: string
	/** Base URL of the control API, without `/emulator/v1`. */
	readonly controlUrl: string
	/** Port of the HTTPS side. */
	readonly port: number
	readonly control: EmulatorControl
	vaultUrl(vault: string): string
	/** For SDK clients in this process: finds every name of the emulator at its address, trusts its CA, reaches nothing else. */
	agent(): Agent
	/** Ends all connections, also those that hang. */
	close(): Promise<void>
}

const DEFAULT_VISIBILITY_DELAY_MS = 3_000
const DEFAULT_TOKEN_LIFETIME_S = 86_400
/** Entra sends `refresh_in` for long-lived tokens only. */
const REFRESH_IN_FROM_S = 7_200

/** Starts an emulator; resolves when both sides listen. Rejects when a port is taken or the CA folder is unusable. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
	const source = options.clock ?? systemTime
	const host = options.host ?? '127.0.0.1'
	const names = options.names === 'production' ? PRODUCTION_NAMES : TEST_NAMES
	const tenantId = options.tenantId ?? randomUUID()
	const lifetime = options.tokenLifetimeSeconds ?? DEFAULT_TOKEN_LIFETIME_S
	const onDefect =
		options.onDefect ?? ((error: unknown) => void process.stderr.write(`emulator defect: ${describe(error)}\n`))

	// Certificates live by the machine's clock: clients check them by theirs.
	const now = Date.now()
	const authority = options.caFolder === undefined ? createAuthority(now) : await loadAuthority(options.caFolder, now)
	const state = await createState({
		source,
		seed: options.seed,
		propagationDelayMs: options.propagationDelayMs ?? 0,
		settings: {
			tenantId,
			names,
			visibilityDelayMs: options.visibilityDelayMs ?? DEFAULT_VISIBILITY_DELAY_MS,
			tokenLifetimeSeconds: lifetime,
			refreshInSeconds:
				options.refreshInSeconds ?? (lifetime > REFRESH_IN_FROM_S ? Math.floor(lifetime / 2) : undefined),
			region: 'westeurope',
			subscriptionId: '00000000-0000-0000-0000-000000000000',
		},
	})
	const vaults = (options.vaults ?? []).map((each) => (typeof each === 'string' ? { name: each } : each))
	for (const { name } of vaults)
		if (!VAULT_NAME.test(name)) throw new Error(`not a vault name (3-24 lower-case letters, digits, hyphens): ${name}`)
	const configure = (): void => {
		state.directory.addTenant(tenantId)
		for (const { name, access = 'rbac', recoverableDays } of vaults) addVault(state, { name, access, recoverableDays })
	}
	configure()

	const closing = new AbortController()
	const wait = (ms: number): Promise<void> =>
		new Promise((resolve) => {
			const end = (): void => {
				clearTimeout(timer)
				closing.signal.removeEventListener('abort', end)
				resolve()
			}
			const timer = setTimeout(end, ms)
			closing.signal.addEventListener('abort', end)
		})

	const secure = createSecureServer({
		context: { state, wait },
		leaves: new LeafStore(authority, names, () => Date.now()),
		defaultLeaf: localLeaf(authority, now),
		onDefect,
	})
	const sockets = trackSockets(secure)
	const port = await listen(secure, host, options.port ?? 0)
	const suffix = port === 443 ? '' : `:${port}`
	const vaultUrl = (vault: string): string => `https://${vault}.${names.vaultSuffix}${suffix}`

	const control = createControl(state, { vaultUrl, configure })
	const controlHost = options.control?.host ?? '127.0.0.1'
	const loopbackOnly = controlHost === '127.0.0.1' || controlHost === 'localhost' || controlHost === '::1'
	const controlServer = createControlServer({ control, loopbackOnly, onDefect })
	const controlSockets = trackSockets(controlServer)
	let controlPort: number
	try {
		controlPort = await listen(controlServer, controlHost, options.control?.port ?? 0)
	} catch (error) {
		await shut(secure, sockets)
		throw error
	}
	const agents: Agent[] = []

	return {
		authorityHost: `https://${names.loginHosts[0]}${suffix}`,
		tenantId,
		caPem: authority.certPem,
		controlUrl: `http://${loopbackOnly ? controlHost.replace(/^::1$/, '[::1]') : '127.0.0.1'}:${controlPort}`,
		port,
		control,
		vaultUrl,
		agent: () => {
			const agent = createAgent(names, host === '0.0.0.0' ? '127.0.0.1' : host, authority.certPem)
			agents.push(agent)
			return agent
		},
		close: async () => {
			closing.abort()
			for (const agent of agents) agent.destroy()
			await Promise.all([shut(secure, sockets), shut(controlServer, controlSockets)])
		},
	}
}

/** Resolves the emulator's names to its address; any other name is an error, so that a test cannot leave the machine. */
function createAgent(names: Names, address: string, ca: string): Agent {
	const family = address.includes(':') ? 6 : 4
	return new Agent({
		keepAlive: true,
		ca,
		lookup: (
			hostname: string,
			options: LookupOptions,
			done: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
		) => {
			if (placeOf(hostname.toLowerCase(), names).kind === 'local') return dnsLookup(hostname, options, done)
			if (placeOf(hostname.toLowerCase(), names).kind === 'unknown') {
				return done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND', hostname }), '')
			}
			if (options.all) done(null, [{ address, family }])
			else done(null, address, family)
		},
	})
}

function listen(server: Server | ReturnType<typeof createHttpServer>, host: string, port: number): Promise<number> {
	return new Promise((resolve, reject) => {
		server.once('error', reject)
		server.listen(port, host, () => {
			server.off('error', reject)
			resolve((server.address() as AddressInfo).port)
		})
	})
}

/** All open sockets, below TLS too: a hanging request must not keep the emulator open. */
function trackSockets(server: { on(event: 'connection', listener: (socket: Socket) => void): unknown }): Set<Socket> {
	const sockets = new Set<Socket>()
	server.on('connection', (socket) => {
		sockets.add(socket)
		socket.once('close', () => sockets.delete(socket))
	})
	return sockets
}

function shut(server: { close(done: () => void): unknown }, sockets: ReadonlySet<Socket>): Promise<void> {
	return new Promise((resolve) => {
		server.close(() => resolve())
		for (const socket of sockets) socket.destroy()
	})
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
