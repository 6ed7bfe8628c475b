import { describe, expect, it } from 'vitest'
import { VAULT_SUFFIXES } from '../../api/constants.ts'
import { createLimit } from './limit.ts'
import { isAllowedVault } from './pool.ts'

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

describe('a limit', () => {
	it('lets so many run, and the next when one ends', async () => {
		const limit = createLimit(2)
		const { signal } = new AbortController()
		const releases = [await limit.acquire(signal), await limit.acquire(signal)]
		let third = false
		const waiting = limit.acquire(signal).then((release) => {
			third = true
			return release
		})
		await Promise.resolve()
		expect(third).toBe(false)
		releases[0]?.()
		releases[0]?.() // Twice is once.
		await waiting
		let fourth = false
		void limit.acquire(signal).then(() => {
			fourth = true
		})
		await new Promise(setImmediate)
		expect(fourth).toBe(false)
		releases[1]?.()
		await new Promise(setImmediate)
		expect(fourth).toBe(true)
	})

	it('whoever gives up waiting takes no place', async () => {
		const limit = createLimit(1)
		const release = await limit.acquire(new AbortController().signal)
		const stop = new AbortController()
		const waiting = limit.acquire(stop.signal)
		stop.abort(new Error('gave up'))
		await expect(waiting).rejects.toThrow('gave up')
		release()
		await limit.acquire(new AbortController().signal)
	})
})
