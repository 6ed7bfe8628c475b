import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { type Emulator, startEmulator } from 'azure-key-vault-emulator'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FaultKind } from '../../plan/fault.ts'
import type { Tokens } from '../../ports/cluster.ts'
import {
	type Ask,
	type SessionKey,
	VaultError,
	type VaultListing,
	type VaultSecret,
	type VaultSession,
	type VersionListing,
} from '../../ports/vault.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import { createVaults } from './pool.ts'

const ISSUER = 'https://cluster.example/oidc'
const AUDIENCE = 'api://AzureADTokenExchange'
const ROLE = 'Key Vault Secrets User'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** Issues ServiceAccount tokens as an API server does, and counts them. */
function createIssuer(): Tokens & { issued: number } {
	const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
	return {
		issued: 0,
		async request(namespace, serviceAccount, audience) {
			this.issued++
			const now = Math.floor(Date.now() / 1000)
			const claims = {
				iss: ISSUER,
				sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
				aud: [audience],
				iat: now,
				nbf: now,
				exp: now + 600,
			}
			const text = `${part({ alg: 'RS256', kid: 'one', typ: 'JWT' })}.${part(claims)}`
			const signature = sign('sha256', Buffer.from(text), privateKey).toString('base64url')
			return { token: `${text}.${signature}`, expiresAt: (now + 600) * 1000 }
		},
	}
}

describe('a session', () => {
	let emulator: Emulator
	let key: SessionKey
	let tokens: Tokens & { issued: number }
	const signal = new AbortController().signal

	beforeAll(async () => {
		emulator = await startEmulator({
			vaults: ['payments', { name: 'policies', access: 'policy' }],
			visibilityDelayMs: 0,
		})
	})
	afterAll(() => emulator?.close())
	beforeEach(async () => {
		await emulator.control.reset()
		const clientId = randomUUID()
		await emulator.control.trustIssuer({
			issuer: ISSUER,
			jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }] },
		})
		await emulator.control.addClient({ clientId })
		await emulator.control.addFederatedCredential({
			clientId,
			name: 'cluster',
			issuer: ISSUER,
			subject: 'system:serviceaccount:team:app',
			audience: AUDIENCE,
		})
		await emulator.control.grant({ clientId, role: ROLE, vault: 'payments' })
		key = {
			vaultUrl: emulator.vaultUrl('payments'),
			tenantId: emulator.tenantId,
			clientId,
			audience: AUDIENCE,
			namespace: 'team',
			serviceAccount: 'app',
			serviceAccountUid: randomUUID(),
		}
		tokens = createIssuer()
	})

	/** A reader whose questions are never answered by older answers. */
	interface Reader {
		read(name: string, version: string | undefined, signal: AbortSignal): Promise<VaultSecret>
		list(maxPages: number, signal: AbortSignal): Promise<VaultListing>
		versions(name: string, maxPages: number, signal: AbortSignal): Promise<VersionListing>
		readonly issuer: string | undefined
	}
	const session = (options: { clock?: Clock; timeoutMs?: number } = {}): VaultSession =>
		createVaults({
			clock: options.clock ?? systemClock,
			tokens,
			authorityHost: emulator.authorityHost,
			disableInstanceDiscovery: true,
			agent: emulator.agent(),
			clusterName: 'unit',
			vaultSuffixes: ['vault.emu.test'],
			timeoutMs: options.timeoutMs,
			random: () => 0,
		}).session(key)
	const open = (options: Parameters<typeof session>[0] = {}): Reader => {
		const shared = session(options)
		const { clock = systemClock } = options
		const ask = (own: AbortSignal): Ask => ({ since: clock.monotonic(), lane: 'refresh', signal: own })
		return {
			read: (name, version, own) => shared.read(name, version, ask(own)),
			list: (maxPages, own) => shared.list(maxPages, ask(own)),
			versions: (name, maxPages, own) => shared.versions(name, maxPages, ask(own)),
			get issuer() {
				return shared.issuer
			},
		}
	}

	const faultOf = async (work: Promise<unknown>): Promise<FaultKind> => {
		const error = await work.then(
			() => undefined,
			(thrown: unknown) => thrown,
		)
		expect(error).toBeInstanceOf(VaultError)
		return (error as VaultError).fault.kind
	}

	it('reads a value with its facts and the clock of the server', async () => {
		const written = await emulator.control.setSecret({
			vault: 'payments',
			name: 'db',
			value: 'v',
			tags: { team: 'a' },
			contentType: 'text/plain',
			expires: 4_000_000_000,
		})
		const secret = await open().read('db', undefined, signal)
		expect(secret.value()).toBe('v')
		expect(secret.version).toBe(written.version)
		expect(secret.facts).toMatchObject({
			enabled: true,
			updated: written.updated,
			expires: 4_000_000_000,
			contentType: 'text/plain',
			tags: { team: 'a' },
		})
		expect(Math.abs((secret.serverTime ?? 0) - Date.now())).toBeLessThan(5_000)
		expect(JSON.stringify(secret)).not.toContain('"v"')
	})

	it('asks for one token for 40 cold reads at once, and for none on later ones', async () => {
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const reader = open()
		await Promise.all(Array.from({ length: 40 }, () => reader.read('db', undefined, new AbortController().signal)))
		await reader.read('db', undefined, signal)
		const requests = await emulator.control.requests()
		expect(requests.filter(({ route }) => route === 'token')).toHaveLength(1)
		expect(tokens.issued).toBe(1)
		expect(reader.issuer).toBe(ISSUER)
	})

	it('lists all pages, and gives up after as many as are allowed', async () => {
		const secrets = Array.from({ length: 60 }, (_, i) => ({ name: `s${i}`, value: 'v' }))
		await emulator.control.setSecrets({ vault: 'payments', secrets })
		const reader = open()
		const whole = await reader.list(5, signal)
		expect(whole).toMatchObject({ complete: true, pages: 3 })
		expect(whole.complete && whole.items.size).toBe(60)
		expect(await reader.list(1, signal)).toMatchObject({ complete: false })
	})

	it('lists versions by pages, gives up after as many as are allowed, and knows none of an unknown name', async () => {
		for (let i = 0; i < 30; i++) await emulator.control.setSecret({ vault: 'payments', name: 'db', value: `${i}` })
		const reader = open()
		const whole = await reader.versions('db', 20, signal)
		expect(whole.complete && whole.versions.length).toBe(30)
		expect(await reader.versions('db', 1, signal)).toEqual({ complete: false })
		expect(await reader.versions('nothing', 20, signal)).toEqual({ complete: true, versions: [] })
	})

	it('answers the bindings of one identity once: asked at the same time, or since then', async () => {
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const shared = session()
		const since = systemClock.monotonic()
		const ask = (): Ask => ({ since, lane: 'refresh', signal: new AbortController().signal })
		await Promise.all(Array.from({ length: 20 }, () => shared.read('db', undefined, ask())))
		await shared.read('DB', undefined, ask())
		await shared.list(4, ask())
		await shared.list(2, ask())
		const count = async (of: string) =>
			(await emulator.control.requests()).filter(({ route, status }) => route === of && status === 200).length
		expect([await count('getSecret'), await count('listSecrets')]).toEqual([1, 1])
		await shared.read('db', undefined, { ...ask(), since: systemClock.monotonic() })
		expect(await count('getSecret')).toBe(2)
	})

	it('goes on for the others when one of them stops waiting, and shares a fault as it shares an answer', async () => {
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const shared = session()
		const since = systemClock.monotonic()
		const stop = new AbortController()
		const [one, two] = [stop.signal, new AbortController().signal].map((own) =>
			shared.read('db', undefined, { since, lane: 'refresh', signal: own }),
		)
		stop.abort(new Error('stopped'))
		await expect(one).rejects.toThrow('stopped')
		expect((await two)?.value()).toBe('v')
		await emulator.control.addFault({ match: { vault: 'payments' }, action: 'reset' })
		const later = systemClock.monotonic()
		const before = (await emulator.control.requests()).length
		for (const name of ['db', 'other', 'third'])
			expect(await faultOf(shared.read(name, undefined, { since: later, lane: 'refresh', signal }))).toBe('unreachable')
		expect((await emulator.control.requests()).length - before).toBe(1)
	})

	it('lists an empty vault as complete', async () => {
		expect(await open().list(1, signal)).toMatchObject({ complete: true, items: new Map() })
	})

	it('tells absent, disabled and forbidden apart', async () => {
		await emulator.control.setSecret({ vault: 'payments', name: 'off', value: 'v', enabled: false })
		const reader = open()
		expect(await faultOf(reader.read('nothing', undefined, signal))).toBe('absent')
		expect(await faultOf(reader.read('off', undefined, signal))).toBe('disabled')
		await emulator.control.revoke({ clientId: key.clientId, role: ROLE, vault: 'payments' })
		expect(await faultOf(reader.read('off', undefined, signal))).toBe('forbiddenRbac')
		key = { ...key, vaultUrl: emulator.vaultUrl('policies') }
		expect(await faultOf(open().read('x', undefined, signal))).toBe('accessDenied')
	})

	it('tells a firewall and a private vault from a missing permission', async () => {
		const reader = open()
		await emulator.control.setNetwork({ vault: 'payments', network: 'firewall' })
		expect(await faultOf(reader.read('db', undefined, signal))).toBe('firewall')
		await emulator.control.setNetwork({ vault: 'payments', network: 'private' })
		expect(await faultOf(reader.read('db', undefined, signal))).toBe('connection')
	})

	const faults: [string, object, FaultKind][] = [
		['a bare 429 is throttling, not retried here', { action: 'status', status: 429 }, 'throttled'],
		[
			'a 429 with Retry-After is throttling, not waited for here',
			{ action: 'status', status: 429, retryAfter: 1 },
			'throttled',
		],
		['a 503 is a server error', { action: 'status', status: 503 }, 'server'],
		['a reset is unreachable', { action: 'reset' }, 'unreachable'],
		['a hang ends at the deadline', { action: 'hang' }, 'timeout'],
		['a page of a proxy is garbage, whatever its status', { action: 'html' }, 'garbage'],
		["a proxy's 404 is not absence", { action: 'html', status: 404 }, 'garbage'],
		['a body that is no JSON is garbage', { action: 'garbage' }, 'garbage'],
	]
	it.each(faults)('%s', async (_, fault, kind) => {
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const reader = open({ timeoutMs: 400 })
		await reader.read('db', undefined, signal)
		const { id } = await emulator.control.addFault({ match: { route: 'getSecret' }, ...fault } as never)
		const started = Date.now()
		expect(await faultOf(reader.read('db', undefined, signal))).toBe(kind)
		expect(Date.now() - started).toBeLessThan(3_000)
		await emulator.control.removeFault(id)
		expect((await reader.read('db', undefined, signal)).value()).toBe('v')
	})

	it.each([
		['no role', 'forbiddenRbac'],
		['a firewall', 'firewall'],
		['throttling', 'throttled'],
		['a proxy', 'garbage'],
	])('a list is refused for the same causes as a read: %s', async (cause, kind) => {
		const reader = open()
		expect(await reader.list(1, signal)).toMatchObject({ complete: true })
		const { control } = emulator
		if (cause === 'no role') await control.revoke({ clientId: key.clientId, role: ROLE, vault: 'payments' })
		if (cause === 'a firewall') await control.setNetwork({ vault: 'payments', network: 'firewall' })
		if (cause === 'throttling')
			await control.addFault({ match: { route: 'listSecrets' }, action: 'status', status: 429 })
		if (cause === 'a proxy') await control.addFault({ match: { route: 'listSecrets' }, action: 'html', status: 403 })
		expect(await faultOf(reader.list(1, signal))).toBe(kind)
	})

	it('a time that is none is garbage, in a read and in a list', async () => {
		// Seconds that no date can hold (a Date ends at 8.64e12 s): what the client makes of them is an invalid date.
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v', expires: 9e13 })
		const reader = open()
		expect(await faultOf(reader.read('db', undefined, signal))).toBe('garbage')
		expect(await faultOf(reader.list(1, signal))).toBe('garbage')
	})

	it('a list that hangs on its second page ends at the deadline', async () => {
		const secrets = Array.from({ length: 30 }, (_, i) => ({ name: `s${i}`, value: 'v' }))
		await emulator.control.setSecrets({ vault: 'payments', secrets })
		const reader = open({ timeoutMs: 400 })
		await emulator.control.addFault({ match: { route: 'listSecrets' }, action: 'hang', after: 1 })
		expect(await faultOf(reader.list(5, signal))).toBe('timeout')
	})

	it('a missing federated credential is a federation fault, and is found as soon as it is there', async () => {
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		await emulator.control.removeFederatedCredential({ clientId: key.clientId, name: 'cluster' })
		const reader = open()
		expect(await faultOf(reader.read('db', undefined, signal))).toBe('federation')
		await emulator.control.addFederatedCredential({
			clientId: key.clientId,
			name: 'cluster',
			issuer: ISSUER,
			subject: 'system:serviceaccount:team:app',
			audience: AUDIENCE,
		})
		expect((await reader.read('db', undefined, signal)).value()).toBe('v')
	})

	it('Entra answering 500 is Entra being away, and is not remembered for a minute', async () => {
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		await emulator.control.addFault({ match: { route: 'token' }, action: 'status', status: 500, times: 1 })
		const reader = open()
		expect(await faultOf(reader.read('db', undefined, signal))).toBe('entraUnavailable')
		expect((await reader.read('db', undefined, signal)).value()).toBe('v')
	})

	it('a token endpoint that hangs ends at the deadline of the credential', async () => {
		// The library ignores signals and timeouts there; time passes fifty times faster so that the test need not wait.
		const fast: Clock = { ...systemClock, sleep: (ms, aborted) => systemClock.sleep(ms / 50, aborted) }
		await emulator.control.addFault({ match: { route: 'token' }, action: 'hang' })
		expect(await faultOf(open({ clock: fast }).read('db', undefined, signal))).toBe('entraUnavailable')
	})

	it('a 401 is answered with a new client and credential', async () => {
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const reader = open()
		await reader.read('db', undefined, signal)
		// Twice: the client itself sends the same token once more.
		await emulator.control.addFault({ match: { route: 'getSecret' }, action: 'unauthorized', times: 2 })
		expect(await faultOf(reader.read('db', undefined, signal))).toBe('unauthorized')
		expect((await reader.read('db', undefined, signal)).value()).toBe('v')
		expect((await emulator.control.requests()).filter(({ route }) => route === 'token')).toHaveLength(2)
	})

	it('ends with the reason of the caller when the caller aborts', async () => {
		await emulator.control.addFault({ match: { route: 'getSecret' }, action: 'hang' })
		const stop = new AbortController()
		const reading = open().read('db', undefined, stop.signal)
		stop.abort(new Error('stopped'))
		await expect(reading).rejects.toThrow('stopped')
	})

	it('no error carries a token or a header', async () => {
		await emulator.control.addFault({ match: { route: 'getSecret' }, action: 'status', status: 503 })
		const error = await open()
			.read('db', undefined, signal)
			.catch((thrown: unknown) => thrown)
		const { inspect } = await import('node:util')
		expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/eyJ|authorization/i)
	})
})
