import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecretClient } from '@azure/keyvault-secrets'
import { afterEach, describe, expect, it } from 'vitest'
import { ChangeListeners } from './changes.ts'
import { systemClock } from './clock.ts'
import { Followed } from './followed.ts'
import { AzureMountedSecretStore } from './index.ts'
import { initLogger } from './purista.ts'
import { createTestStore } from './testing/index.ts'

const ends: Array<() => Promise<unknown>> = []
afterEach(async () => {
	for (const end of ends.splice(0).toReversed()) await end()
})

/** A vault in memory whose answers wait until they are let go. */
class HeldVault {
	readonly calls: string[] = []
	readonly values = new Map<string, string>()
	#held: Array<() => void> = []
	hold = false

	readonly client = {
		getSecret: (name: string) => this.#answer(`get ${name}`, () => this.#found(name)),
		setSecret: (name: string, value: string) =>
			this.#answer(`set ${name}`, () => {
				this.values.set(name, value)
				return this.#found(name)
			}),
	} as unknown as SecretClient

	release(): void {
		this.hold = false
		for (const go of this.#held.splice(0)) go()
	}

	#found(name: string) {
		const value = this.values.get(name)
		if (value === undefined) throw Object.assign(new Error('not found'), { statusCode: 404 })
		return { name, value, properties: { version: value } }
	}

	async #answer<T>(call: string, work: () => T): Promise<T> {
		this.calls.push(call)
		if (this.hold) await new Promise<void>((resolve) => this.#held.push(resolve))
		return work()
	}
}

function vaultStore(vault: HeldVault, more: object = {}) {
	const store = new AzureMountedSecretStore({
		mountPath: [],
		client: vault.client,
		enableSet: true,
		enableRemove: true,
		logger: initLogger('fatal'),
		...more,
	})
	ends.push(() => store.destroy())
	return store
}

describe('after destroy()', () => {
	it('a write that waited for its turn is not made', async () => {
		const vault = new HeldVault()
		vault.hold = true
		const store = vaultStore(vault)
		const first = store.setSecret('a', '1')
		await expect.poll(() => vault.calls).toHaveLength(1)
		const second = expect(store.setSecret('a', '2')).rejects.toHaveProperty('data.reason', 'Destroyed')
		await store.destroy()
		vault.release()
		await first
		await second
		expect(vault.values.get('a')).toBe('1')
	})

	it('nobody asks the vault, not for a listener that comes late either', async () => {
		const asked: string[] = []
		const credential = {
			getToken: async () => {
				asked.push('token')
				throw new Error('no')
			},
		}
		const store = new AzureMountedSecretStore({
			mountPath: [],
			vaultUrl: 'https://nowhere.vault.azure.net',
			credential,
			cacheTtl: 5,
			logger: initLogger('fatal'),
			options: { retryOptions: { maxRetries: 0 } },
		})
		await store.destroy()
		store.onChange(() => {}, ['a'])
		store.onExpiring(1, () => {})
		await expect(store.getSecret('a')).rejects.toHaveProperty('data.reason', 'Destroyed')
		expect(store.status().fallback.vaultReads).toBe(0)
		expect(asked).toStrictEqual([])
	})

	it('each call of destroy waits for the end', async () => {
		const test = await createTestStore({ a: '1' })
		ends.push(() => test.destroy())
		await test.store.ready()
		let done = false
		const first = test.store.destroy().then(() => {
			done = true
		})
		await test.store.destroy()
		await Promise.resolve()
		expect(done).toBe(true)
		await first
	})
})

it('a listener that was ended is not called for what changed before', async () => {
	const listeners = new ChangeListeners(() => initLogger('fatal'))
	const told: string[] = []
	const change = { name: 'a', kind: 'changed', version: '2', previousVersion: '1' } as const
	const end = listeners.add(() => void told.push('ended'))
	listeners.add(() => void told.push('stays'))
	listeners.emit([change])
	end()
	await expect.poll(() => told).toStrictEqual(['stays'])
})

it('names that are no strings are refused where they are given', () => {
	const store = vaultStore(new HeldVault())
	expect(() => store.onChange(() => {}, [1 as unknown as string])).toThrow(
		expect.objectContaining({ data: { reason: 'NotAString' } }),
	)
})

it('ready() without end waits, and does not fail at once', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'asb-ready-'))
	ends.push(() => rm(folder, { recursive: true, force: true }))
	const store = new AzureMountedSecretStore({ mountPath: join(folder, 'absent'), logger: initLogger('fatal') })
	ends.push(() => store.destroy())
	let failed = false
	const ready = store.ready(Number.POSITIVE_INFINITY).catch((error: unknown) => {
		failed = true
		return error
	})
	await expect.poll(() => store.status().mounts[0]?.problem).toBe('missing')
	await new Promise<void>((resolve) => setImmediate(resolve))
	expect(failed).toBe(false)
	await store.destroy()
	expect(await ready).toHaveProperty('data.reason', 'Destroyed')
})

describe('aliases', () => {
	it('lead where a write goes, and never to another secret', async () => {
		const vault = new HeldVault()
		vault.values.set('db-v2', 'of the vault')
		const test = await createTestStore(
			{ db: 'file', c: 'of c' },
			{ client: vault.client, enableSet: true, aliases: { db: 'db-v2', b: 'c', a: 'b' } },
		)
		ends.push(() => test.destroy())
		// "db" is an alias of a secret that no mount has; "a" is one of "b", and an alias of an alias is none.
		expect(await test.store.getSecret('db')).toStrictEqual({ db: 'of the vault' })
		expect(await test.store.getSecret('a', 'b')).toStrictEqual({ a: undefined, b: 'of c' })
		await test.store.setSecret('db', 'new')
		expect(vault.values.get('db-v2')).toBe('new')
		expect(await test.store.getSecret('db')).toStrictEqual({ db: 'new' })
	})
})

describe('onExpiring', () => {
	it('tells of a version once, whatever names lead to it, and nothing after its end', async () => {
		const test = await createTestStore({}, { aliases: { 'payments:db': 'db' } })
		ends.push(() => test.destroy())
		await test.rotate('db', 'one', { objectName: 'payments-db', expires: '2020-01-01T00:00:00Z' })
		const told: string[] = []
		test.store.onExpiring(1_000, ({ name }) => void told.push(name))
		const late: string[] = []
		test.store.onExpiring(1_000, ({ name }) => void late.push(name))()
		await test.rotate('other', 'x', { expires: '2020-01-01T00:00:00Z' })
		await expect.poll(() => told).toContain('other')
		expect(told).toStrictEqual(['db', 'other'])
		expect(late).toStrictEqual([])
	})
})

describe('what a listener is told of is what a read gives', () => {
	it('also when the name is gone from the vault, or was read in another case', async () => {
		const vault = new HeldVault()
		vault.values.set('a', '1')
		const store = vaultStore(vault, { cacheTtl: 60_000, absentTtlMs: 60_000 })
		expect(await store.getSecret('a')).toStrictEqual({ a: '1' })
		expect(await store.getSecret('a')).toStrictEqual({ a: '1' })
		vault.values.delete('a')
		const seen: unknown[] = []
		store.onChange(async () => void seen.push(await store.getSecret('a')), ['a'])
		await expect.poll(() => seen).toStrictEqual([{ a: undefined }])
	})
})

describe('looking at names beyond the mounts', () => {
	it('costs the same however often listeners come and go', async () => {
		const timers = new Set<() => void>()
		const answers: Array<() => void> = []
		const followed = new Followed({
			clock: {
				...systemClock,
				after: (_ms, call) => {
					timers.add(call)
					return () => void timers.delete(call)
				},
			},
			intervalMs: 1_000,
			fileOf: () => undefined,
			read: () => new Promise<void>((resolve) => answers.push(resolve)),
			emit: () => {},
		})
		followed.remember('a')
		let end = followed.listen()
		for (let i = 0; i < 10; i++) {
			for (const call of timers) {
				timers.delete(call)
				call()
			}
			end()
			end = followed.listen()
			for (const answer of answers.splice(0)) answer()
			for (let turn = 0; turn < 20; turn++) await Promise.resolve()
			expect(timers.size).toBe(1)
		}
		end()
		expect(timers.size).toBe(0)
	})

	it('does not lose the names of a listener to names that were read', async () => {
		const vault = new HeldVault()
		vault.values.set('wanted', '1')
		const store = vaultStore(vault, { cacheTtl: 200 })
		const told: string[] = []
		store.onChange(({ changes }) => void told.push(...changes.map(({ name }) => name)), ['wanted'])
		await store.getSecret('wanted')
		for (let i = 0; i < 1_100; i++) await store.getSecret(`n${i}`)
		vault.values.set('wanted', '2')
		await expect.poll(() => told).toStrictEqual(['wanted'])
	})
})
