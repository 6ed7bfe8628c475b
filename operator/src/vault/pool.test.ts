import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { VAULT_SUFFIXES } from '../api/constants.ts'
import type { SessionKey } from '../ports/vault.ts'
import { FakeClock } from '../process/testing/fake-clock.ts'
import { createVaults, isAllowedVault } from './pool.ts'
import { ask, faultOf, useTenant } from './testing/tenant.ts'

describe('vaults that may be talked to', () => {
	it.each([
		['https://payments.vault.azure.net', true],
		['https://payments.vault.azure.cn/', true],
		['https://payments.vault.usgovcloudapi.net', true],
		['http://payments.vault.azure.net', false],
		['https://vault.azure.net', false],
		['https://a.b.vault.azure.net', false],
		['https://payments.vault.azure.net.evil.example', false],
		['https://user:pass@payments.vault.azure.net', false],
		['https://payments.vault.azure.net/path', false],
		['https://payments.vault.azure.net?x=1', false],
		['https://evil.example#.vault.azure.net', false],
		['https://127.0.0.1', false],
		['https://Payments.Vault.azure.net', true],
		['https://payments.vault.azure.net:443', false],
		['https://payments.vault.azure.net:', false],
		['https://@payments.vault.azure.net', false],
		['https:payments.vault.azure.net', false],
		['https:/payments.vault.azure.net', false],
		['https:\\\\payments.vault.azure.net', false],
		['https://pay\tments.vault.azure.net', false],
		[' https://payments.vault.azure.net', false],
		['https://payments.vault.azure.net\n', false],
		['https://payments.vault.azure.net.', false],
		['https://payments.vault.azure.net?', false],
		['https://payments.vault.azure.net//', false],
		['https://ab.vault.azure.net', false],
		['not a url', false],
	])('%s: %s', (url, allowed) => {
		expect(isAllowedVault(url, VAULT_SUFFIXES)).toBe(allowed)
	})

	it('a cloud that was not named is not allowed, and one that was is', () => {
		expect(isAllowedVault('https://payments.vault.azure.cn', ['vault.azure.net'])).toBe(false)
		expect(isAllowedVault('https://payments.vault.cloud.example', ['vault.cloud.example'])).toBe(true)
	})
})

describe('the Entra that gets the token of a ServiceAccount', () => {
	const tenant = useTenant()
	it('is the one that the operator was started with, whatever the vault names in its challenge', async () => {
		// Answers nobody: that somebody called is enough.
		let called = 0
		const authority = createServer((socket) => {
			called++
			socket.destroy()
		}).listen(0, '127.0.0.1')
		await once(authority, 'listening')
		const { port } = authority.address() as AddressInfo
		try {
			const named = new URL(tenant.emulator.authorityHost)
			const vaults = tenant.vaults({ authorityHost: `https://${named.hostname}:${port}` })
			// Of two clouds: the challenge of this vault names the emulator's own authority.
			expect(await faultOf(vaults.session(tenant.key).read('db', undefined, ask()))).toBe('entraUnavailable')
			expect(called).toBeGreaterThan(0)
			expect((await tenant.emulator.control.requests()).some(({ kind }) => kind === 'token')).toBe(false)
		} finally {
			authority.close()
		}
	})
})

describe('the sessions of a process', () => {
	const key: SessionKey = {
		vaultUrl: 'https://payments.vault.azure.net',
		tenantId: '11111111-1111-1111-1111-111111111111',
		clientId: '22222222-2222-2222-2222-222222222222',
		audience: 'api://AzureADTokenExchange',
		namespace: 'team',
		serviceAccount: 'app',
		serviceAccountUid: 'uid',
	}
	const open = () => {
		const clock = new FakeClock()
		const tokens = { request: () => Promise.reject(new Error('nobody asks here')) }
		const vaults = createVaults({ clock, random: () => 0, tokens, clusterName: 'unit', vaultSuffixes: VAULT_SUFFIXES })
		return { clock, vaults }
	}
	const demand = (...objects: string[]) => ({ objects: new Set(objects), interval: 60_000 })

	it('one for each identity and vault, whatever the case of the URL and the ids', () => {
		const { vaults } = open()
		const session = vaults.session(key)
		expect(vaults.session({ ...key, vaultUrl: 'https://Payments.vault.azure.net' })).toBe(session)
		const ids = { tenantId: 'ABCDEF00-1111-1111-1111-111111111111', clientId: 'ABCDEF00-2222-2222-2222-222222222222' }
		expect(vaults.session({ ...key, ...ids })).toBe(
			vaults.session({ ...key, tenantId: ids.tenantId.toLowerCase(), clientId: ids.clientId.toLowerCase() }),
		)
		const others: Partial<SessionKey>[] = [
			{ vaultUrl: 'https://orders.vault.azure.net' },
			{ tenantId: '33333333-3333-3333-3333-333333333333' },
			{ clientId: '33333333-3333-3333-3333-333333333333' },
			{ audience: 'api://AKSIdentityBinding' },
			{ namespace: 'other' },
			{ serviceAccount: 'other' },
			{ serviceAccountUid: 'recreated' },
		]
		for (const other of others) expect(vaults.session({ ...key, ...other })).not.toBe(session)
		expect([...vaults.rates()]).toEqual([
			['payments.vault.azure.net', 40],
			['orders.vault.azure.net', 40],
		])
	})

	it('a binding follows in one session at most', () => {
		const { vaults } = open()
		const [one, two] = [vaults.session(key), vaults.session({ ...key, serviceAccount: 'other' })]
		one.follow('team/a', demand('x', 'y'))
		one.follow('team/b', demand('x'))
		two.follow('team/a', demand('x', 'y', 'z'))
		expect([one.followed(60_000), two.followed(60_000)]).toEqual([1, 3])
		vaults.leave('team/a')
		vaults.leave('team/never')
		expect([one.followed(60_000), two.followed(60_000)]).toEqual([1, 0])
	})

	it('those without followers are closed after a minute without use, and their vaults forgotten', async () => {
		const { clock, vaults } = open()
		const session = vaults.session(key)
		session.follow('team/a', demand('x'))
		await clock.advance(3_600_000)
		vaults.prune()
		expect(vaults.session(key)).toBe(session)
		vaults.leave('team/a')
		await clock.advance(60_000)
		vaults.prune()
		expect(vaults.session(key)).toBe(session)
		await clock.advance(60_001)
		vaults.prune()
		expect([...vaults.rates()]).toEqual([])
		expect(vaults.session(key)).not.toBe(session)
	})
})
