import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import {
	MANIFEST_SCHEMA,
	type Manifest,
	parseManifest,
	serializeManifest,
} from 'purista-azure-mounted-secret-store/manifest'
import { describe, expect, it, vi } from 'vitest'
import { parseTime } from '../api/time.ts'
import { decideEntry } from '../engine/entry.ts'
import type { FaultKind } from '../engine/fault.ts'
import { agrees } from '../engine/probe.ts'
import { contextOf } from '../engine/testing/samples.ts'
import type { SessionKey } from '../ports/vault.ts'
import { type Clock, systemClock } from '../process/clock.ts'
import { userAgent } from './session.ts'
import { ask, faultOf, ISSUER, ROLE, useTenant } from './testing/tenant.ts'

describe('a session', () => {
	const tenant = useTenant()
	const open = (options: { clock?: Clock; timeoutMs?: number } = {}, key: SessionKey = tenant.key) =>
		tenant.vaults(options).session(key)

	it('reads a value with its facts and the clock of the server', async () => {
		const written = await tenant.emulator.control.setSecret({
			vault: 'payments',
			name: 'db',
			value: 'v',
			tags: { team: 'a' },
			contentType: 'text/plain',
			expires: 4_000_000_000,
		})
		const secret = await open().read('db', undefined, ask())
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

	it.each([
		[2_208_992_461, '2040-01-01T01:01:01Z'],
		[253_402_300_799, '9999-12-31T23:59:59Z'],
	])('reads and lists a time beyond 2038, and the manifest carries it to its readers: %d', async (time, text) => {
		const { control } = tenant.emulator
		const dates = { notBefore: time - 1, expires: time }
		const { version } = await control.setSecret({ vault: 'payments', name: 'far', value: 'v', ...dates })
		const { facts } = await open().read('far', undefined, ask())
		expect(facts).toMatchObject(dates)
		const listing = await open().list({ pages: 1 }, ask())
		expect(listing.complete && listing.items.get('far')).toMatchObject(dates)
		const wanted = { name: 'far', objectName: 'far', optional: false }
		const finding = { kind: 'value', version, value: 'v', facts, settled: true } as const
		const { inManifest } = decideEntry(wanted, finding, undefined, contextOf({}))
		if (inManifest === undefined) throw new Error('it is delivered')
		expect([inManifest.expires, parseTime(inManifest.expires)]).toEqual([text, time * 1000])
		const manifest: Manifest = {
			schema: MANIFEST_SCHEMA,
			revision: 1,
			binding: { namespace: 'team', name: 'app', uid: 'u' },
			vault: 'https://payments.vault.azure.net',
			selectors: [],
			secrets: { far: inManifest },
		}
		expect(parseManifest(serializeManifest(manifest))).toEqual({ kind: 'ok', manifest })
		expect(agrees(inManifest, facts)).toBe(true)
	})

	it('meets one 401 and asks for one token for 40 cold reads at once, and for none on later ones', async () => {
		await tenant.emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const reader = open()
		await Promise.all(Array.from({ length: 40 }, () => reader.read('db', undefined, ask())))
		await reader.read('db', undefined, ask())
		const requests = await tenant.emulator.control.requests()
		expect(requests.filter(({ route }) => route === 'token')).toHaveLength(1)
		expect(requests.filter(({ status }) => status === 401)).toHaveLength(1)
		expect(tenant.tokens.issued).toBe(1)
		expect(reader.issuer).toBe(ISSUER)
	})

	it('cold reads that wait for the first one fail with it; when it is taken back the next one goes first', async () => {
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const reader = open()
		const { id } = await control.addFault({ match: { route: 'getSecret' }, action: 'status', status: 503 })
		const faults = Array.from({ length: 10 }, () => faultOf(reader.read('db', undefined, ask())))
		expect(new Set(await Promise.all(faults))).toEqual(new Set(['server']))
		expect(await control.requests()).toHaveLength(1)
		await control.removeFault(id)
		await control.addFault({ match: { route: 'getSecret' }, action: 'hang', times: 1 })
		const [first, waits] = [new AbortController(), new AbortController()]
		const taken = reader.read('db', undefined, ask({ signal: first.signal }))
		const left = reader.read('db', undefined, ask({ signal: waits.signal }))
		const stays = reader.read('db', undefined, ask())
		await vi.waitFor(async () => expect(await control.requests()).toHaveLength(2))
		waits.abort(new Error('left'))
		await expect(left).rejects.toThrow('left')
		first.abort(new Error('taken back'))
		await expect(taken).rejects.toThrow('taken back')
		expect((await stays).value()).toBe('v')
	})

	it('lists all pages, and gives up after as many as are allowed', async () => {
		const secrets = Array.from({ length: 60 }, (_, i) => ({ name: `s${i}`, value: 'v' }))
		await tenant.emulator.control.configure({ pages: 'full' })
		await tenant.emulator.control.setSecrets({ vault: 'payments', secrets })
		const reader = open()
		const whole = await reader.list({ pages: 5 }, ask())
		expect(whole).toMatchObject({ complete: true, pages: 3 })
		expect(whole.complete && whole.items.size).toBe(60)
		expect(await reader.list({ pages: 1 }, ask())).toMatchObject({ complete: false })
	})

	it.each([
		['empty at the start', [0, 0, 25, 25, 25], 5],
		['empty in the middle', [25, 0, 0, 24, 11], 5],
		['short, and empty behind a last one', [21, 24, 15, 0], 4],
	])('an empty page with a next one is not the end of a list: %s', async (_where, pages, count) => {
		const { control } = tenant.emulator
		await control.configure({ pages })
		await control.setSecrets({
			vault: 'payments',
			secrets: Array.from({ length: 60 }, (_, i) => ({ name: `s${i}`, value: 'v' })),
		})
		for (let i = 0; i < 60; i++) await control.setSecret({ vault: 'payments', name: 's0', value: `${i}` })
		const whole = await open().list({ pages: count }, ask())
		expect(whole).toMatchObject({ complete: true, pages: count })
		expect(whole.complete && whole.items.size).toBe(60)
		expect(await tenant.count('listSecrets')).toBe(count)
		const history = await open().versions('s0', { pages: count + 1 }, ask())
		const { versions } = await control.getSecret({ vault: 'payments', name: 's0' })
		expect(history.complete && new Set(history.versions.map(({ version }) => version))).toEqual(new Set(versions))
		// With fewer pages than there are, it is incomplete, however empty they were: nothing is taken as gone.
		expect(await open().list({ pages: 1 }, ask())).toMatchObject({ complete: false })
	})

	it('a list tells names as the vault writes them, its own clock, and what belongs to a certificate', async () => {
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'dbPassword', value: 'v' })
		await control.addCertificate({ vault: 'payments', name: 'shop' })
		const listing = await open().list({ pages: 1 }, ask())
		if (!listing.complete) throw new Error('one page')
		expect(listing.items.get('dbpassword')).toMatchObject({ objectName: 'dbPassword' })
		expect(listing.items.get('dbpassword')).not.toHaveProperty('managed')
		expect(listing.items.get('shop')).toMatchObject({ objectName: 'shop', managed: true })
		expect(Math.abs((listing.serverTime ?? 0) - Date.now())).toBeLessThan(5_000)
	})

	it('lists versions by pages, gives up after as many as are allowed, and finds none of an unknown name', async () => {
		const { control } = tenant.emulator
		await control.configure({ pages: 'full' })
		for (let i = 0; i < 60; i++) await control.setSecret({ vault: 'payments', name: 'db', value: `${i}` })
		const calls: string[] = []
		const reader = tenant
			.vaults({ observeVault: (_, kind, result) => calls.push(`${kind} ${result}`) })
			.session(tenant.key)
		const listing = await reader.versions('DB', { pages: 3 }, ask())
		const { versions } = await control.getSecret({ vault: 'payments', name: 'db' })
		expect(listing.complete && listing.versions.map(({ version }) => version).sort()).toEqual([...versions].sort())
		expect(listing.complete && listing.versions[0]).toMatchObject({
			enabled: true,
			updated: expect.any(Number) as number,
		})
		expect(await tenant.count('listVersions')).toBe(3)
		expect(calls).toEqual(Array.from({ length: 3 }, () => 'versions ok'))
		expect(await reader.versions('db', { pages: 2 }, ask())).toMatchObject({ complete: false, pages: 3 })
		expect(await reader.versions('nothing', { pages: 1 }, ask())).toMatchObject({ complete: true, versions: [] })
	})

	it('a list of versions that hangs on its second page ends at the deadline', async () => {
		const { control } = tenant.emulator
		for (let i = 0; i < 30; i++) await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		await control.addFault({ match: { route: 'listVersions' }, action: 'hang', after: 1 })
		expect(await faultOf(open({ timeoutMs: 1_500 }).versions('db', { pages: 5 }, ask()))).toBe('timeout')
	})

	it("says whose read it is in the vault's log", async () => {
		expect(userAgent('prod/eu', tenant.key)).toBe('azure-secret-binding/0.1 (prod-eu/team/app)')
	})

	it('lists an empty vault as complete', async () => {
		expect(await open().list({ pages: 1 }, ask())).toMatchObject({ complete: true, items: new Map() })
	})

	it('tells absent, disabled and forbidden apart', async () => {
		await tenant.emulator.control.setSecret({ vault: 'payments', name: 'off', value: 'v', enabled: false })
		const reader = open()
		expect(await faultOf(reader.read('nothing', undefined, ask()))).toBe('absent')
		expect(await faultOf(reader.read('off', undefined, ask()))).toBe('disabled')
		await tenant.emulator.control.revoke({ clientId: tenant.key.clientId, role: ROLE, vault: 'payments' })
		expect(await faultOf(reader.read('off', undefined, ask()))).toBe('forbiddenRbac')
		const key = { ...tenant.key, vaultUrl: tenant.emulator.vaultUrl('policies') }
		expect(await faultOf(open({}, key).read('x', undefined, ask()))).toBe('accessDenied')
	})

	it('tells a firewall and a private vault from a missing permission', async () => {
		const reader = open()
		await tenant.emulator.control.setNetwork({ vault: 'payments', network: 'firewall' })
		expect(await faultOf(reader.read('db', undefined, ask()))).toBe('firewall')
		await tenant.emulator.control.setNetwork({ vault: 'payments', network: 'private' })
		expect(await faultOf(reader.read('db', undefined, ask()))).toBe('connection')
	})

	const faults: [string, object, FaultKind][] = [
		['a bare 429 is throttling, not retried here', { action: 'status', status: 429 }, 'throttled'],
		['a 503 is a server error', { action: 'status', status: 503 }, 'server'],
		['a reset is unreachable', { action: 'reset' }, 'unreachable'],
		['a hang ends at the deadline', { action: 'hang' }, 'timeout'],
		['a page of a proxy is garbage, whatever its status', { action: 'html' }, 'garbage'],
		["a proxy's 404 is not absence", { action: 'html', status: 404 }, 'garbage'],
		['a body that is no JSON is garbage', { action: 'garbage' }, 'garbage'],
	]
	it.each(faults)('%s', async (_, fault, kind) => {
		await tenant.emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const reader = open({ timeoutMs: 1_500 })
		await reader.read('db', undefined, ask())
		const { id } = await tenant.emulator.control.addFault({ match: { route: 'getSecret' }, ...fault } as never)
		const started = Date.now()
		expect(await faultOf(reader.read('db', undefined, ask()))).toBe(kind)
		expect(Date.now() - started).toBeLessThan(3_000)
		await tenant.emulator.control.removeFault(id)
		expect((await reader.read('db', undefined, ask())).value()).toBe('v')
	})

	it('a 429 with Retry-After stops all calls to that vault, of other identities too, until then', async () => {
		const { control } = tenant.emulator
		const clientId = randomUUID()
		await control.addClient({ clientId })
		await tenant.federate(clientId, 'other')
		const vaults = tenant.vaults()
		const reader = vaults.session(tenant.key)
		const fault = { action: 'status', status: 429, retryAfter: 60, times: 1 } as const
		await control.addFault({ match: { route: 'getSecret', clientId: tenant.key.clientId }, ...fault })
		await expect(reader.read('db', undefined, ask())).rejects.toMatchObject({ fault: { retryAfterMs: 60_000 } })
		const other = vaults.session({ ...tenant.key, clientId, serviceAccount: 'other' })
		const error = await other.read('db', undefined, ask()).catch((thrown: unknown) => thrown)
		expect(error).toMatchObject({ fault: { kind: 'throttled', retryAfterMs: expect.any(Number) as number } })
		expect(await tenant.count('getSecret')).toBe(1)
		expect([...vaults.rates()]).toEqual([[new URL(tenant.key.vaultUrl).hostname, 20]])
	})

	it('a tenant whose Entra hangs holds up nobody else on the vault', async () => {
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const clientId = randomUUID()
		await control.addClient({ clientId })
		await tenant.federate(clientId, 'other')
		await control.addFault({ match: { route: 'token', clientId }, action: 'hang' })
		const vaults = tenant.vaults()
		const stuck = vaults.session({ ...tenant.key, clientId, serviceAccount: 'other' })
		const stop = new AbortController()
		const reads = Array.from({ length: 20 }, (_, i) => stuck.read(`s${i}`, undefined, ask({ signal: stop.signal })))
		const ended = Promise.allSettled(reads)
		await vi.waitFor(async () =>
			expect((await control.requests()).some(({ kind, clientId: id }) => kind === 'token' && id === clientId)).toBe(
				true,
			),
		)
		expect((await vaults.session(tenant.key).read('db', undefined, ask())).value()).toBe('v')
		stop.abort(new Error('enough'))
		expect((await ended).every(({ status }) => status === 'rejected')).toBe(true)
	})

	it.each([
		['no role', 'forbiddenRbac'],
		['a firewall', 'firewall'],
		['throttling', 'throttled'],
		['a proxy', 'garbage'],
	])('a list is refused for the same causes as a read: %s', async (cause, kind) => {
		const reader = open()
		expect(await reader.list({ pages: 1 }, ask())).toMatchObject({ complete: true })
		const { control } = tenant.emulator
		if (cause === 'no role') await control.revoke({ clientId: tenant.key.clientId, role: ROLE, vault: 'payments' })
		if (cause === 'a firewall') await control.setNetwork({ vault: 'payments', network: 'firewall' })
		if (cause === 'throttling')
			await control.addFault({ match: { route: 'listSecrets' }, action: 'status', status: 429 })
		if (cause === 'a proxy') await control.addFault({ match: { route: 'listSecrets' }, action: 'html', status: 403 })
		expect(await faultOf(reader.list({ pages: 1 }, ask()))).toBe(kind)
	})

	it('a time that is none is garbage, in a read and in a list', async () => {
		// Seconds that no date can hold (a Date ends at 8.64e12 s): what the client makes of them is an invalid date.
		await tenant.emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v', expires: 9e13 })
		const reader = open()
		expect(await faultOf(reader.read('db', undefined, ask()))).toBe('garbage')
		expect(await faultOf(reader.list({ pages: 1 }, ask()))).toBe('garbage')
	})

	it('a list that hangs on its second page ends at the deadline', async () => {
		const secrets = Array.from({ length: 30 }, (_, i) => ({ name: `s${i}`, value: 'v' }))
		await tenant.emulator.control.setSecrets({ vault: 'payments', secrets })
		const reader = open({ timeoutMs: 1_500 })
		await tenant.emulator.control.addFault({ match: { route: 'listSecrets' }, action: 'hang', after: 1 })
		expect(await faultOf(reader.list({ pages: 5 }, ask()))).toBe('timeout')
	})

	it('a missing federated credential is a federation fault, and is found as soon as it is there', async () => {
		await tenant.emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		await tenant.emulator.control.removeFederatedCredential({ clientId: tenant.key.clientId, name: 'cluster' })
		const reader = open()
		expect(await faultOf(reader.read('db', undefined, ask()))).toBe('federation')
		await tenant.federate(tenant.key.clientId)
		expect((await reader.read('db', undefined, ask())).value()).toBe('v')
	})

	it('Entra answering 500 is Entra being away, and is not remembered for a minute', async () => {
		await tenant.emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		await tenant.emulator.control.addFault({ match: { route: 'token' }, action: 'status', status: 500, times: 1 })
		const reader = open()
		expect(await faultOf(reader.read('db', undefined, ask()))).toBe('entraUnavailable')
		expect((await reader.read('db', undefined, ask())).value()).toBe('v')
	})

	it('a token endpoint that hangs ends at the deadline of the credential', async () => {
		// The library ignores signals and timeouts there; time passes fifty times faster so that the test need not wait.
		const fast: Clock = { ...systemClock, sleep: (ms, aborted) => systemClock.sleep(ms / 50, aborted) }
		await tenant.emulator.control.addFault({ match: { route: 'token' }, action: 'hang' })
		expect(await faultOf(open({ clock: fast }).read('db', undefined, ask()))).toBe('entraUnavailable')
	})

	it('a 401 is answered with a new client and credential', async () => {
		await tenant.emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const reader = open()
		await reader.read('db', undefined, ask())
		// Twice: the client itself sends the same token once more.
		await tenant.emulator.control.addFault({ match: { route: 'getSecret' }, action: 'unauthorized', times: 2 })
		expect(await faultOf(reader.read('db', undefined, ask()))).toBe('unauthorized')
		expect((await reader.read('db', undefined, ask())).value()).toBe('v')
		expect((await tenant.emulator.control.requests()).filter(({ route }) => route === 'token')).toHaveLength(2)
	})

	it('ends with the reason of the caller when the caller aborts', async () => {
		await tenant.emulator.control.addFault({ match: { route: 'getSecret' }, action: 'hang' })
		const stop = new AbortController()
		const reading = open().read('db', undefined, ask({ signal: stop.signal }))
		stop.abort(new Error('stopped'))
		await expect(reading).rejects.toThrow('stopped')
	})

	it('no error carries a token or a header', async () => {
		await tenant.emulator.control.addFault({ match: { route: 'getSecret' }, action: 'status', status: 503 })
		const error = await open()
			.read('db', undefined, ask())
			.catch((thrown: unknown) => thrown)
		expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/eyJ|authorization/i)
	})
})
