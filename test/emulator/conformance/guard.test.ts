// Who may ask the control API. In a real browser: test/integration/emulator/page.test.ts.
import { describe, expect, it } from 'vitest'
import { createControl } from '../src/control/control.ts'
import { TEST_NAMES } from '../src/names.ts'
import { refusalOf } from '../src/page/guard.ts'
import { createState } from '../src/state.ts'

const open = { loopbackOnly: false, navigation: false }
const get = (host: string, more: Record<string, string> = {}) => ({ method: 'GET', headers: { host, ...more } })
const post = (host: string, more: Record<string, string> = {}) => ({ method: 'POST', headers: { host, ...more } })

describe('the control API on every address', () => {
	it.each([
		...['127.0.0.1:8081', '10.96.0.44', '[::1]:8081', '[fd00::1]', 'localhost:8081', 'emulator:8081'],
		...['emulator.azure-key-vault-emulator.svc:8081', 'emulator.ns.svc.cluster.local', 'host.docker.internal:8081'],
	])('answers a browser at %s, which nobody can register', (host) => {
		expect(refusalOf(get(host), open)).toBeUndefined()
		expect(refusalOf(post(host, { origin: `http://${host}` }), open)).toBeUndefined()
	})

	it.each(['attacker.example:8081', '127.0.0.1.attacker.example', 'svc.attacker.com', 'x.local.evil.com', '', 'a b'])(
		'refuses a browser at "%s", which may be rebound to us',
		(host) => {
			expect(refusalOf(get(host), open)).toContain('anybody could own')
			expect(refusalOf(post(host, { origin: `http://${host}` }), open)).toContain('anybody could own')
		},
	)

	it('answers a program at any name: it sends a POST without an Origin, which no browser does', () => {
		expect(refusalOf(post('emulator.example.com'), open)).toBeUndefined()
	})
})

describe('the control API', () => {
	const host = '127.0.0.1:8081'
	it.each([
		['another port', { origin: 'http://127.0.0.1:8082' }],
		['another name of loopback', { origin: 'http://localhost:8081' }],
		['https', { origin: 'https://127.0.0.1:8081' }],
		['an opaque origin', { origin: 'null' }],
		['another site, by what the browser says', { 'sec-fetch-site': 'cross-site' }],
		['another port, by what the browser says', { 'sec-fetch-site': 'same-site' }],
	])('refuses pages from %s', (_what, headers) => {
		for (const loopbackOnly of [true, false])
			expect(refusalOf(post(host, headers), { loopbackOnly, navigation: false })).toContain('from elsewhere')
	})

	it('lets a link from elsewhere open the page, and answers the page', () => {
		const link = get(host, { 'sec-fetch-site': 'cross-site' })
		expect(refusalOf(link, { loopbackOnly: true, navigation: true })).toBeUndefined()
		const own = post(host, { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })
		expect(refusalOf(own, { loopbackOnly: true, navigation: false })).toBeUndefined()
	})

	it('on loopback answers to names of loopback only, programs too', () => {
		expect(refusalOf(post('emulator:8081'), { loopbackOnly: true, navigation: false })).toContain('loopback')
	})

	it('does not take a look for a change: a page that looks every second writes no state file', async () => {
		const settings = { tenantId: 't', names: TEST_NAMES, visibilityDelayMs: 0, tokenLifetimeSeconds: 3600 }
		const pages = { pages: 'full', startPages: 'full' } as const
		const state = await createState({
			settings: { ...settings, ...pages, refreshInSeconds: undefined, region: 'r', subscriptionId: 's' },
			source: { now: () => Date.now() },
			seed: 1,
			propagationDelayMs: 0,
		})
		const control = createControl(state, { vaultUrl: (vault) => `https://${vault}`, configure: () => {} })
		await control.createVault({ name: 'payments' })
		await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		let changes = 0
		state.changed = () => {
			changes += 1
		}
		await control.overview()
		await control.listSecrets({ vault: 'payments' })
		await control.getSecret({ vault: 'payments', name: 'db' })
		await control.listVaults()
		await control.requests()
		await control.requestCounts()
		await control.listFaults()
		expect(changes).toBe(0)
		await control.revokeTokens({ clientId: 'x' }).catch(() => {})
		await control.deleteSecret({ vault: 'payments', name: 'db' })
		expect(changes).toBe(1)
	})
})
