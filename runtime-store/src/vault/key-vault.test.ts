import type { SecretClient } from '@azure/keyvault-secrets'
import { initLogger } from '@purista/core'
import { afterEach, describe, expect, it } from 'vitest'
import { AzureMountedSecretStore, type AzureMountedSecretStoreConfig } from '../index.ts'
import type { StoreBaseConfig } from '../purista.ts'
import { keyVault } from './key-vault.ts'

const stores: AzureMountedSecretStore[] = []
afterEach(async () => {
	await Promise.all(stores.splice(0).map((store) => store.destroy()))
})

const never = () => new Promise<never>(() => {})

function open(client: object, config: Partial<StoreBaseConfig<AzureMountedSecretStoreConfig>> = {}) {
	const store = new AzureMountedSecretStore({
		mountPath: [],
		client: client as SecretClient,
		enableSet: true,
		enableRemove: true,
		logger: initLogger('fatal'),
		...config,
	})
	stores.push(store)
	return store
}

describe('a vault that never answers', () => {
	/** A clock that is turned by hand. */
	function clock() {
		let now = 0
		const timers = new Set<{ at: number; call: () => void }>()
		return {
			now: () => now,
			monotonic: () => now,
			after: (ms: number, call: () => void) => {
				const timer = { at: now + ms, call }
				timers.add(timer)
				return () => void timers.delete(timer)
			},
			turn(ms: number) {
				now += ms
				for (const timer of timers) if (timer.at <= now && timers.delete(timer)) timer.call()
			},
		}
	}
	const hung = { getSecret: never, setSecret: never, beginDeleteSecret: never, beginRecoverDeletedSecret: never }
	const healthy = {
		...hung,
		getSecret: async () => ({ value: 'here' }),
		setSecret: async () => ({ value: 'here' }),
	}
	const address = (vault: string) => ({ vault, objectName: 'a' })

	it('holds up no other vault, and its reads no writes', async () => {
		const half = { ...hung, setSecret: healthy.setSecret }
		const clients: Record<string, object> = { 'https://hung': hung, 'https://half': half, 'https://healthy': healthy }
		const vault = keyVault({
			clientOf: async (url = '') => clients[url] as SecretClient,
			clock: clock(),
			concurrency: 2,
			requestTimeoutMs: 10_000,
		})
		for (const url of ['https://hung', 'https://half'])
			for (let i = 0; i < 5; i++) vault.get(address(url)).catch(() => {})
		expect(await vault.get(address('https://healthy'))).toMatchObject({ value: 'here' })
		expect(await vault.set(address('https://half'), 'x', {})).toMatchObject({ value: 'x' })
	})

	it('fails each call at its deadline, those that wait for a turn too, and frees the places', async () => {
		const time = clock()
		let client: object = hung
		const vault = keyVault({
			clientOf: async () => client as SecretClient,
			clock: time,
			concurrency: 2,
			requestTimeoutMs: 10_000,
		})
		const calls = [
			...Array.from({ length: 5 }, () => vault.get(address('https://v'))),
			vault.set(address('https://v'), 'x', {}),
			vault.remove(address('https://v'), false),
		].map((call) => call.catch((error: unknown) => error))
		await new Promise((resolve) => setImmediate(resolve))
		time.turn(10_000)
		for (const call of calls) expect(await call).toMatchObject({ reason: 'Unavailable' })
		client = healthy
		expect(await vault.get(address('https://v'))).toMatchObject({ value: 'here' })
	})

	it('is told to stop', async () => {
		const time = clock()
		let stopped = false
		const listening = Promise.withResolvers<void>()
		const client = {
			...hung,
			getSecret: (_name: string, { abortSignal }: { abortSignal: AbortSignal }) => {
				abortSignal.addEventListener('abort', () => {
					stopped = true
				})
				listening.resolve()
				return never()
			},
		}
		const options = { clock: time, concurrency: 2, requestTimeoutMs: 10_000 }
		const vault = keyVault({ clientOf: async () => client as unknown as SecretClient, ...options })
		const call = vault.get(address('https://v')).catch(() => {})
		await listening.promise
		time.turn(10_000)
		await call
		expect(stopped).toBe(true)
	})

	it('leaves the value that was read before', async () => {
		let answer: () => Promise<object> = async () => ({ value: 'before' })
		const store = open({ getSecret: () => answer() }, { cacheTtl: 1, requestTimeoutMs: 50 })
		expect(await store.getSecret('a')).toStrictEqual({ a: 'before' })
		answer = never
		await expect.poll(() => store.getSecret('a').then(() => store.status().fallback.staleReads)).toBeGreaterThan(0)
		expect(await store.getSecret('a')).toStrictEqual({ a: 'before' })
		await expect(store.getSecret('b')).rejects.toMatchObject({ errorCode: 503, data: { reason: 'Unavailable' } })
	})
})

describe('clients of tests', () => {
	it('may answer with a value and nothing else, as AzureSecretStore takes them', async () => {
		const held = new Map<string, string>()
		const store = open({
			getSecret: async (name: string) => ({ value: held.get(name) }),
			setSecret: async (name: string, value: string) => void held.set(name, value),
			beginDeleteSecret: async (name: string) => void held.delete(name),
		})
		expect(await store.getSecret('a')).toStrictEqual({ a: undefined })
		await store.setSecret('a', '1')
		expect(await store.getSecret('a')).toStrictEqual({ a: '1' })
		await store.setSecret('a', '2')
		expect(await store.getSecret('a')).toStrictEqual({ a: '2' })
		await store.removeSecret('a')
		expect(await store.getSecret('a')).toStrictEqual({ a: undefined })
	})

	it.each([
		['no such method', {}],
		['a value that is no string', { getSecret: async () => ({ value: 5 }) }],
	])('are refused with what is wrong: %s', async (_what, client) => {
		await expect(open(client).getSecret('a')).rejects.toMatchObject({
			errorCode: 500,
			data: { reason: 'Client' },
			message: expect.stringContaining('like a SecretClient') as string,
		})
	})
})

it('answers a hit beyond the mounts without asking again until its time is over', async () => {
	let calls = 0
	const store = open({ getSecret: async () => ({ value: `${++calls}` }) }, { cacheTtl: 30 })
	expect(await store.getSecret('a')).toStrictEqual({ a: '1' })
	expect(await store.getSecret('a', 'a')).toStrictEqual({ a: '1' })
	expect(store.status().fallback).toMatchObject({ vaultReads: 1, hits: 2 })
	await expect.poll(() => store.getSecret('a')).toStrictEqual({ a: '2' })
})

it('tells whether it is ready and healthy, as event bridges do', async () => {
	const store = open({})
	expect([await store.isReady(), await store.isHealthy()]).toStrictEqual([true, true])
	await store.destroy()
	expect([await store.isReady(), await store.isHealthy()]).toStrictEqual([false, false])
	const waiting = open({}, { mountPath: '/no/such/mount' })
	expect([await waiting.isReady(), await waiting.isHealthy()]).toStrictEqual([false, true])
})
