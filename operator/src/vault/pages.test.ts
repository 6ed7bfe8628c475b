import type { SecretProperties } from '@azure/keyvault-secrets'
import { describe, expect, it } from 'vitest'
import { listedOf, versionOf } from './facts.ts'
import { readPages } from './pages.ts'

const item = (given: Partial<SecretProperties>) => ({ name: 'db', ...given }) as SecretProperties
const garbage = expect.objectContaining({ fault: { kind: 'garbage' } }) as Error

describe('pages of a list', () => {
	const source = (pages: number) => {
		let calls = 0
		const next = async (): Promise<IteratorResult<string[]>> =>
			calls++ < pages ? { done: false, value: ['x'] } : { done: true, value: undefined }
		return { next, calls: () => calls }
	}

	it('are read until the last one, or one more than allowed', async () => {
		expect(await readPages({ pages: 3 }, source(3).next)).toEqual({ complete: true, pages: 3, items: ['x', 'x', 'x'] })
		expect(await readPages({ pages: 2 }, source(3).next)).toMatchObject({ complete: false, pages: 3 })
		expect(await readPages({ pages: 1 }, source(0).next)).toEqual({ complete: true, pages: 1, items: [] })
	})

	it('end at 100,000 secrets, for whom so many are allowed and the last page never comes', async () => {
		expect(await readPages({ pages: Number.POSITIVE_INFINITY }, source(4_000).next)).toMatchObject({
			complete: true,
			pages: 4_000,
		})
		const endless = source(Number.POSITIVE_INFINITY)
		await expect(readPages({ pages: Number.POSITIVE_INFINITY }, endless.next)).rejects.toThrow(garbage)
		expect(endless.calls()).toBe(4_001)
	})
})

it.each(['', 'my_secret', 'a/b', 'x'.repeat(128), '$(id)', 'a\n'])('a list with the name %j is garbage', (name) => {
	expect(() => listedOf(item({ name }), undefined)).toThrow(garbage)
})

it.each([undefined, '', '0123', 'g'.repeat(32), `${'0'.repeat(32)}\n`])(
	'a version list with the id %j is garbage',
	(version) => {
		expect(() => versionOf(item(version === undefined ? {} : { version }), 'db', undefined)).toThrow(garbage)
	},
)

it('names and ids of the form that the service gives are taken, and only true is managed', () => {
	expect(listedOf(item({ name: 'db-Password-1', managed: true }), undefined)).toMatchObject({
		objectName: 'db-Password-1',
		managed: true,
	})
	expect(listedOf(item({ managed: false }), undefined)).not.toHaveProperty('managed')
	expect(versionOf(item({ version: '0123456789abcdefABCDEF0123456789' }), 'DB', undefined)).toMatchObject({
		enabled: true,
	})
})
