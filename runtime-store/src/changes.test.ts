import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initLogger } from '@purista/core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startTestVault, type TestVault } from '../test/vault.ts'
import { AzureMountedSecretStore, rotating, type SecretChange } from './index.ts'
import { AtomicWriter, createTestStore } from './testing/index.ts'

let vault: TestVault
const ends: Array<() => Promise<unknown>> = []
beforeAll(async () => {
	vault = await startTestVault()
})
afterAll(() => vault[Symbol.asyncDispose]())
afterEach(async () => {
	for (const end of ends.splice(0).toReversed()) await end()
})

async function start(config: Parameters<typeof createTestStore>[1] = {}) {
	const test = await createTestStore({}, { client: vault.client(), cacheTtl: 20, enableSet: true, ...config })
	ends.push(() => test.destroy())
	const told: SecretChange[] = []
	return { test, told, listener: ({ changes }: { changes: readonly SecretChange[] }) => void told.push(...changes) }
}
const put = (name: string, value: string) => vault.emulator.control.setSecret({ vault: 'payments', name, value })

describe('a change is told', () => {
	it('under the file name, the vault name, the alias, and the case that was asked for', async () => {
		const { test, told, listener } = await start({ aliases: { 'payments:db': 'db', vaultAlias: 'payments-db' } })
		await test.rotate('db', 'one', { objectName: 'payments-db', version: 'v1' })
		const { store } = test
		expect(await store.getSecret('PAYMENTS-DB', 'payments-db', 'payments:db', 'vaultAlias')).toStrictEqual({
			'PAYMENTS-DB': 'one',
			'payments-db': 'one',
			'payments:db': 'one',
			vaultAlias: 'one',
		})
		ends.push(async () => store.onChange(listener)())
		store.onChange(listener)
		await test.rotate('db', 'two', { objectName: 'payments-db', version: 'v2' })
		const names = ['PAYMENTS-DB', 'db', 'payments-db', 'payments:db', 'vaultAlias']
		await expect.poll(() => told.map(({ name }) => name).toSorted()).toStrictEqual(names)
		expect(told.every(({ version, previousVersion }) => version === 'v2' && previousVersion === 'v1')).toBe(true)
	})

	it('only for the names that a listener wants', async () => {
		const { test, told, listener } = await start()
		await test.write({ a: '1', b: '1' })
		await expect.poll(() => test.store.getSecret('a', 'b')).toStrictEqual({ a: '1', b: '1' })
		test.store.onChange(listener, ['B'])
		test.store.onChange(listener, ['b'])
		await test.rotate('a', '2')
		await test.rotate('b', '2')
		await expect.poll(() => told.map(({ name }) => name).toSorted()).toStrictEqual(['B', 'b'])
	})

	it('of names beyond the mount: when they come, change and go, with one GET for each poll', async () => {
		const { test, told, listener } = await start()
		const { store } = test
		await store.getSecret('beyond-read')
		const end = store.onChange(listener)
		store.onChange(listener, ['beyond-wanted'])
		await expect.poll(() => vault.calls()).toContain('getSecret beyond-wanted')
		const first = await put('beyond-read', '1')
		await expect.poll(() => told.length).toBe(1)
		const second = await put('beyond-read', '2')
		await expect.poll(() => told.length).toBe(2)
		await vault.emulator.control.deleteSecret({ vault: 'payments', name: 'beyond-read' })
		await expect.poll(() => told.length).toBe(3)
		expect(told).toStrictEqual([
			{ name: 'beyond-read', kind: 'added', version: first.version, previousVersion: undefined },
			{ name: 'beyond-read', kind: 'changed', version: second.version, previousVersion: first.version },
			{ name: 'beyond-read', kind: 'removed', version: undefined, previousVersion: second.version },
		])
		end()
		await put('beyond-wanted', '1')
		await expect.poll(() => told.at(-1)).toMatchObject({ name: 'beyond-wanted', kind: 'added' })
	})

	it('of an own write beyond the mount once, and not as a removal when it is not pending any more', async () => {
		const { test, told, listener } = await start({ refreshIntervalMs: 1 })
		await put('own', '1')
		await test.store.getSecret('own')
		test.store.onChange(listener)
		await test.store.setSecret('own', '2')
		await expect.poll(() => told.map(({ name, kind }) => `${name} ${kind}`)).toStrictEqual(['own changed'])
	})

	it('to listeners of other mounts although one never loads', async () => {
		const folder = await mkdtemp(join(tmpdir(), 'asb-changes-'))
		ends.push(() => rm(folder, { recursive: true }))
		const writer = new AtomicWriter(join(folder, 'good'))
		await writer.write({ a: '1' })
		const store = new AzureMountedSecretStore({
			mountPath: [writer.directory, join(folder, 'never')],
			readyTimeoutMs: 100,
			logger: initLogger('fatal'),
		})
		ends.push(() => store.destroy())
		await store.isReady()
		await expect.poll(() => store.status().mounts[0]?.loaded).toBe(true)
		const pool = rotating(
			store,
			['a'],
			({ a }) => a,
			() => {},
		)
		ends.push(() => pool.destroy())
		expect(await pool.use((value) => value)).toBe('1')
		const told: SecretChange[] = []
		store.onChange(({ changes }) => void told.push(...changes))
		await writer.write({ a: '2' })
		await expect.poll(() => told.map(({ name }) => name)).toStrictEqual(['a'])
		await expect.poll(() => pool.use((value) => value)).toBe('2')
	})
})

describe('rotating', () => {
	it('follows a vault name, another case, and a name beyond the mount', async () => {
		const { test } = await start()
		await test.rotate('db', 'one', { objectName: 'payments-db' })
		await put('beyond-pool', 'one')
		const pools = [
			rotating(
				test.store,
				['Payments-DB'],
				(secrets) => secrets['Payments-DB'],
				() => {},
			),
			rotating(
				test.store,
				['beyond-pool'],
				(secrets) => secrets['beyond-pool'],
				() => {},
			),
		]
		for (const pool of pools) {
			ends.push(() => pool.destroy())
			expect(await pool.use((value) => value)).toBe('one')
		}
		await test.rotate('db', 'two', { objectName: 'payments-db' })
		await put('beyond-pool', 'two')
		for (const pool of pools) await expect.poll(() => pool.use((value) => value)).toBe('two')
	})

	it('has the names in its types, and the code of an error', async () => {
		const { test } = await start()
		await test.rotate('user', 'one')
		const pool = rotating(
			test.store,
			['user'],
			(secrets) => {
				// @ts-expect-error a typo
				void secrets.usr
				const text: string = secrets.user
				return text
			},
			() => {},
			{ outdated: ({ code }) => code === '28P01' },
		)
		ends.push(() => pool.destroy())
		expect(await pool.use((value) => value)).toBe('one')
	})
})
