import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { AzureSecretStore } from '@purista/azure-secret-store'
import { initLogger } from '@purista/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestVault, type TestVault } from '../test/vault.ts'
import { AzureMountedSecretStore } from './index.ts'

// The same scenario on the same vault with PURISTA's own store and with ours as its drop-in, without a mount.
type Store = AzureSecretStore | AzureMountedSecretStore
const logger = initLogger('fatal')
const STORES = ['AzureSecretStore', 'AzureMountedSecretStore'] as const
type StoreName = (typeof STORES)[number]

let vault: TestVault
let prefix = 0

beforeAll(async () => {
	vault = await startTestVault()
})
afterAll(() => vault[Symbol.asyncDispose]())

function make(name: StoreName, options: { enableCache?: boolean; cacheTtl?: number } = {}): Store {
	const common = { vaultUrl: vault.url, enableSet: true, enableRemove: true, logger, ...options }
	const store =
		name === 'AzureSecretStore'
			? new AzureSecretStore(common)
			: new AzureMountedSecretStore({ ...common, mountPath: [] })
	// The way that upstream's tests take: its credential cannot be given.
	store.client = vault.client()
	return store
}

describe.each(STORES)('%s', (name) => {
	it('passes the four steps of upstream: set, get; update, get; remove, get undefined', async () => {
		const store = make(name)
		const secret = `four-steps-${name}`
		await store.setSecret(secret, 'first')
		expect(await store.getSecret(secret)).toStrictEqual({ [secret]: 'first' })
		await store.setSecret(secret, 'second')
		expect(await store.getSecret(secret)).toStrictEqual({ [secret]: 'second' })
		await store.removeSecret(secret)
		expect(await store.getSecret(secret)).toStrictEqual({ [secret]: undefined })
	})

	it('answers a missing secret with its key and undefined', async () => {
		expect(await make(name).getSecret('missing')).toStrictEqual({ missing: undefined })
	})

	it('takes another client in its place, and wraps its failures', async () => {
		const store = make(name)
		store.client = { getSecret: () => Promise.reject(new Error('no')) } as unknown as NonNullable<Store['client']>
		await expect(store.getSecret('a')).rejects.toMatchObject({ name: 'UnhandledError' })
	})

	it('refuses what is switched off with the texts of the base class', async () => {
		const config = { vaultUrl: vault.url, logger, enableGet: false }
		const store =
			name === 'AzureSecretStore'
				? new AzureSecretStore(config)
				: new AzureMountedSecretStore({ ...config, mountPath: [] })
		await expect(store.getSecret('a')).rejects.toMatchObject({
			errorCode: 401,
			message: 'get secret from store is disabled by config',
		})
		await expect(store.setSecret('a', 'b')).rejects.toMatchObject({
			errorCode: 401,
			message: 'set secret at store is disabled by config',
		})
		await expect(store.removeSecret('a')).rejects.toMatchObject({
			errorCode: 401,
			message: 'remove secret from store is disabled by config',
		})
	})
})

/** What a call came to, in a few words. */
async function outcome(call: Promise<unknown>): Promise<string> {
	try {
		const value = await call
		return value === undefined ? 'resolves' : String(Object.values(value as object)[0])
	} catch (error) {
		const { name, errorCode } = error as { name: string; errorCode?: number }
		return errorCode === undefined ? `raw ${name}` : `${name} ${errorCode}`
	}
}

interface Case {
	readonly what: string
	run(name: StoreName, secret: string): Promise<string>
}

async function withFault(
	fault: Parameters<TestVault['emulator']['control']['addFault']>[0],
	call: () => Promise<string>,
): Promise<string> {
	await vault.emulator.control.addFault(fault)
	try {
		return await call()
	} finally {
		await vault.emulator.control.clearFaults()
	}
}

const DENIED = { action: 'status', status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' } as const

const CASES: readonly Case[] = [
	{
		what: 'reading five names at 50 ms each: calls at once',
		async run(name, secret) {
			const names = [1, 2, 3, 4, 5].map((i) => `${secret}-${i}`)
			for (const each of names) await vault.emulator.control.setSecret({ vault: 'payments', name: each, value: 'x' })
			const store = make(name)
			await store.getSecret('warm-up')
			const mark = await vault.mark()
			return withFault({ match: { route: 'getSecret' }, action: 'delay', delayMs: 50 }, async () => {
				await store.getSecret(...names)
				const at = (await vault.emulator.control.requests())
					.slice(mark)
					.filter((r) => r.secret?.startsWith(secret))
					.map((r) => r.at)
				return at.every((time) => time - (at[0] ?? 0) < 50) ? '5' : '1'
			})
		},
	},
	{
		what: '100 reads of one name at once: calls to the vault',
		async run(name, secret) {
			await vault.emulator.control.setSecret({ vault: 'payments', name: secret, value: 'x' })
			const store = make(name)
			await store.getSecret('warm-up')
			const mark = await vault.mark()
			await Promise.all(Array.from({ length: 100 }, () => store.getSecret(secret)))
			return String((await vault.calls(mark)).filter((call) => call.endsWith(secret)).length)
		},
	},
	{
		what: 'a read that was under way during a write: later reads give',
		async run(name, secret) {
			await vault.emulator.control.setSecret({ vault: 'payments', name: secret, value: 'old' })
			const store = make(name)
			// The read gets its answer before the write, and it arrives after it.
			const client = vault.client()
			let deliver = () => {}
			const arrived = new Promise<void>((resolve) => {
				deliver = resolve
			})
			const getSecret = client.getSecret.bind(client)
			let answered = () => {}
			const held = new Promise<void>((resolve) => {
				answered = resolve
			})
			client.getSecret = async (...args) => {
				const found = await getSecret(...args)
				answered()
				await arrived
				return found
			}
			store.client = client
			const reading = store.getSecret(secret)
			await held
			await store.setSecret(secret, 'new')
			deliver()
			await reading
			return outcome(store.getSecret(secret))
		},
	},
	{
		what: 'reading what the identity may not read',
		run: (name, secret) =>
			withFault({ ...DENIED, match: { route: 'getSecret' } }, () => outcome(make(name).getSecret(secret))),
	},
	{
		what: 'reading a disabled secret',
		async run(name, secret) {
			await vault.emulator.control.setSecret({ vault: 'payments', name: secret, value: 'x', enabled: false })
			return outcome(make(name).getSecret(secret))
		},
	},
	{
		what: 'reading while the vault throttles',
		run: (name, secret) =>
			withFault({ match: { route: 'getSecret' }, action: 'status', status: 429 }, () =>
				outcome(make(name).getSecret(secret)),
			),
	},
	{
		what: 'reading a known secret when its cache time is over and the vault is away',
		async run(name, secret) {
			await vault.emulator.control.setSecret({ vault: 'payments', name: secret, value: 'kept' })
			const store = make(name, { cacheTtl: 1 })
			await store.getSecret(secret)
			await new Promise((resolve) => setTimeout(resolve, 5)) // the time is one millisecond, and the base class counts whole ones
			return withFault({ match: { route: 'getSecret' }, action: 'status', status: 503 }, () =>
				outcome(store.getSecret(secret)),
			)
		},
	},
	{
		what: 'reading the name `a/b`: calls to the vault',
		async run(name) {
			const store = make(name)
			await store.getSecret('warm-up')
			const mark = await vault.mark()
			const result = await outcome(store.getSecret('a/b'))
			const calls = (await vault.calls(mark)).filter((call) => !call.endsWith('warm-up'))
			return `${calls.length}, ${result}`
		},
	},
	{
		what: 'writing what the identity may not write',
		run: (name, secret) =>
			withFault({ ...DENIED, match: { route: 'setSecret' } }, () => outcome(make(name).setSecret(secret, 'x'))),
	},
	{
		what: 'writing the name of a deleted secret',
		async run(name, secret) {
			const store = make(name)
			await store.setSecret(secret, 'x')
			await store.removeSecret(secret)
			let result = ''
			// For some moments after the delete the answer is another one.
			await expect.poll(async () => (result = await outcome(store.setSecret(secret, 'y')))).not.toBe('resolves')
			return result
		},
	},
	{
		what: 'removing a secret that is not there',
		run: (name, secret) => outcome(make(name).removeSecret(secret)),
	},
	{
		what: '`util.inspect` of the store shows values',
		async run(name, secret) {
			const store = make(name)
			await store.setSecret(secret, 'canary-value')
			await store.getSecret(secret)
			return inspect(store, { depth: 6 }).includes('canary-value') ? 'yes' : 'no'
		},
	},
	{
		what: 'reading after `destroy()`',
		async run(name, secret) {
			const store = make(name)
			await store.setSecret(secret, 'value')
			await store.destroy()
			return outcome(store.getSecret(secret))
		},
	},
]

it('differs from AzureSecretStore as the README says', async () => {
	const rows: string[] = []
	for (const { what, run } of CASES) {
		const cells: string[] = []
		for (const name of STORES) {
			prefix += 1
			cells.push(await run(name, `diff-${prefix}`))
		}
		rows.push(`| ${what} | ${cells.join(' | ')} |`)
	}
	const table = ['| | `AzureSecretStore` 3.2.4 | `AzureMountedSecretStore` |', '|---|---|---|', ...rows].join('\n')
	const readme = await readFile(join(import.meta.dirname, '..', 'README.md'), 'utf8')
	const printed = readme.match(/<!-- differences -->\n\n([\s\S]*?)\n\n<!-- \/differences -->/)?.[1]
	// The formatter pads the columns of the README.
	const cells = (text = '') => text.replace(/ *\| */g, '|').replace(/-{3,}/g, '---')
	expect(cells(printed)).toBe(cells(table))
}, 60_000)
