import { describe, expect, it } from 'vitest'
import { VAULT_SUFFIXES } from '../../api/constants.ts'
import { FakeClock } from '../../runtime/testing/fake-clock.ts'
import { createVaults, isAllowedVault } from './pool.ts'

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
		['not a url', false],
	])('%s: %s', (url, allowed) => {
		expect(isAllowedVault(url, VAULT_SUFFIXES)).toBe(allowed)
	})
})

describe('an operator for another cloud', () => {
	it('talks to the vaults of its own list alone', () => {
		const china = ['vault.azure.cn']
		expect(isAllowedVault('https://payments.vault.azure.cn', china)).toBe(true)
		expect(isAllowedVault('https://payments.vault.azure.net', china)).toBe(false)
	})
})

describe('sessions', () => {
	const key = {
		vaultUrl: 'https://payments.vault.azure.net',
		tenantId: 't',
		clientId: 'c',
		audience: 'a',
		namespace: 'n',
		serviceAccount: 's',
		serviceAccountUid: 'u',
	}
	const open = () => {
		const clock = new FakeClock()
		const tokens = { request: () => Promise.reject(new Error('not asked here')) }
		const vaults = createVaults({
			clock,
			tokens,
			random: () => 0.5,
			clusterName: 'unit',
			vaultSuffixes: VAULT_SUFFIXES,
		})
		return { clock, vaults }
	}
	const demand = { objects: new Set(['db/']), interval: 60_000 }

	it.each([
		['vault', { vaultUrl: 'https://other.vault.azure.net' }],
		['tenant', { tenantId: 'x' }],
		['client', { clientId: 'x' }],
		['audience', { audience: 'x' }],
		['namespace', { namespace: 'x' }],
		['ServiceAccount', { serviceAccount: 'x' }],
		['UID of a ServiceAccount made anew', { serviceAccountUid: 'x' }],
	])('are not shared with another %s', (_, other) => {
		const { vaults } = open()
		expect(vaults.session({ ...key, ...other })).not.toBe(vaults.session(key))
		expect(vaults.session({ ...key })).toBe(vaults.session(key))
	})
	it('are followed by a binding in one place', () => {
		const { vaults } = open()
		const [one, two] = [vaults.session(key), vaults.session({ ...key, clientId: 'x' })]
		one.follow('n/b', demand)
		expect(one.followed(60_000)).toBe(1)
		two.follow('n/b', demand)
		expect([one.followed(60_000), two.followed(60_000)]).toEqual([0, 1])
		vaults.leave('n/b')
		expect(two.followed(60_000)).toBe(0)
	})
	it('count what is followed at least as often', () => {
		const session = open().vaults.session(key)
		session.follow('n/a', { objects: new Set(['x/', 'y/']), interval: 30_000 })
		session.follow('n/b', { objects: new Set(['y/', 'z/']), interval: 60_000 })
		expect([session.followed(10_000), session.followed(30_000), session.followed(60_000)]).toEqual([0, 2, 3])
	})
	it('are closed when nobody follows anything in them any more', async () => {
		const { clock, vaults } = open()
		const session = vaults.session(key)
		session.follow('n/b', demand)
		await clock.advance(120_000)
		vaults.prune()
		expect(vaults.session(key)).toBe(session)
		vaults.leave('n/b')
		await clock.advance(120_000)
		vaults.prune()
		expect(vaults.session(key)).not.toBe(session)
	})
	it('have common times that lie after now, the longer interval among the shorter', async () => {
		const { clock, vaults } = open()
		const session = vaults.session(key)
		for (let i = 0; i < 5; i++) {
			const [short, long] = [session.nextTick(30_000), session.nextTick(60_000)]
			expect(short).toBeGreaterThan(clock.monotonic())
			expect(short).toBeLessThanOrEqual(clock.monotonic() + 30_000)
			expect((long - short) % 30_000).toBe(0)
			await clock.advance(17_000)
		}
	})
})
