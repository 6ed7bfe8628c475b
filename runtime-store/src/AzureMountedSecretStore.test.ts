import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect, promisify } from 'node:util'
import { DefaultSecretStore, initLogger } from '@purista/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AzureMountedSecretStore, type AzureMountedSecretStoreConfig, type SecretsChanged } from './index.ts'
import { MANIFEST_FILE, type Manifest, type ManifestSecret, serializeManifest } from './manifest/index.ts'
import { AtomicWriter } from './testing/atomic-writer.ts'

let directory: string
let writer: AtomicWriter
const stores: AzureMountedSecretStore[] = []

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), 'asb-store-'))
	writer = new AtomicWriter(join(directory, 'mount'))
})

afterEach(async () => {
	await Promise.all(stores.splice(0).map((store) => store.destroy()))
	await rm(directory, { recursive: true, force: true })
})

const quiet = initLogger('fatal')

function storeOf(config: Partial<AzureMountedSecretStoreConfig> & { enableSet?: boolean; enableGet?: boolean } = {}) {
	const store = new AzureMountedSecretStore({ mountPath: writer.directory, logger: quiet, ...config })
	stores.push(store)
	return store
}

function manifestOf(revision: number, versions: Record<string, string | Partial<ManifestSecret>>): string {
	const secrets: Manifest['secrets'] = {}
	for (const [name, item] of Object.entries(versions)) {
		const some = typeof item === 'string' ? { version: item } : item
		secrets[name] = { objectName: name, version: '1', state: 'Current', pinned: false, tags: {}, previous: [], ...some }
	}
	const binding = { namespace: 'payments', name: 'payments', uid: 'u1' }
	return serializeManifest({
		schema: 1,
		revision,
		binding,
		vault: 'https://payments.vault.azure.net',
		selectors: [],
		secrets,
	})
}

describe('reading', () => {
	it('answers with an own key for every name, undefined for what is not there, as DefaultSecretStore does', async () => {
		await writer.write({ a: 'one', empty: '' })
		const names = ['a', 'empty', 'constructor', 'none'] as const
		const upstream = new DefaultSecretStore({ logger: quiet, config: { a: 'one', empty: '' } })
		const store = storeOf()
		expect(await store.getSecret(...names)).toStrictEqual({
			a: 'one',
			empty: '',
			constructor: undefined,
			none: undefined,
		})
		expect(await store.getSecret('a', 'none')).toStrictEqual(await upstream.getSecret('a', 'none'))
		expect(await store.getSecret()).toStrictEqual({})
		expect(Object.keys(await store.getSecret('__proto__'))).toStrictEqual(['__proto__'])
	})

	it('gives the exact text and refuses to give bytes as text', async () => {
		await writer.write({ text: '\ufeffä\n', binary: Buffer.from([0xff, 0x00, 0xfe]) })
		const store = storeOf()
		expect(await store.getSecret('text')).toStrictEqual({ text: '\ufeffä\n' })
		await expect(store.getSecret('text', 'binary')).rejects.toMatchObject({
			errorCode: 415,
			data: { reason: 'Binary' },
		})
	})

	it('waits for a mount that comes later', async () => {
		const store = storeOf({ pollMs: 20 })
		const reading = store.getSecret('a')
		await writer.write({ a: 'one' })
		expect(await reading).toStrictEqual({ a: 'one' })
	})

	it('fails with 503 when no mount comes in time, and works when it comes at last', async () => {
		const store = storeOf({ readyTimeoutMs: 30, pollMs: 20 })
		await expect(store.getSecret('a')).rejects.toMatchObject({ errorCode: 503, data: { reason: 'NotReady' } })
		await writer.write({ a: 'one' })
		await store.ready(5_000)
		expect(await store.getSecret('a')).toStrictEqual({ a: 'one' })
	})

	it('lets the first of several mounts win', async () => {
		const second = new AtomicWriter(join(directory, 'second'))
		await writer.write({ a: 'one' })
		await second.write({ a: 'two', b: 'two' })
		const store = storeOf({ mountPath: [writer.directory, second.directory] })
		expect(await store.getSecret('a', 'b')).toStrictEqual({ a: 'one', b: 'two' })
	})

	it('finds a secret by alias and by its vault name', async () => {
		await writer.write({ [MANIFEST_FILE]: manifestOf(1, { db: { objectName: 'payments-db' } }), db: 'pw' })
		const store = storeOf({ aliases: { 'payments:database': 'db' } })
		expect(await store.getSecret('db', 'payments-db', 'payments:database', MANIFEST_FILE)).toStrictEqual({
			db: 'pw',
			'payments-db': 'pw',
			'payments:database': 'pw',
			[MANIFEST_FILE]: undefined,
		})
	})

	it('refuses with 401 what is switched off, and takes undefined options as not given', async () => {
		await writer.write({ a: 'one' })
		const off = storeOf({ enableGet: false })
		await expect(off.getSecret('a')).rejects.toMatchObject({
			errorCode: 401,
			message: 'get secret from store is disabled by config',
		})
		await expect(off.setSecret('a', 'x')).rejects.toMatchObject({ errorCode: 401 })
		await expect(off.removeSecret('a')).rejects.toMatchObject({ errorCode: 401 })
		const config = { enableGet: undefined } as unknown as { enableGet: boolean }
		expect(await storeOf(config).getSecret('a')).toStrictEqual({ a: 'one' })
	})
})

describe('following', () => {
	it('shows a swap and tells names and versions of what changed', async () => {
		await writer.write({ [MANIFEST_FILE]: manifestOf(1, { a: 'v1', b: 'v1', c: 'v1' }), a: '1', b: '1', c: '1' })
		const store = storeOf()
		await store.ready()
		const events: SecretsChanged[] = []
		store.onChange((event) => {
			events.push(event)
		})
		await writer.write({ [MANIFEST_FILE]: manifestOf(2, { a: 'v2', b: 'v1', d: 'v1' }), a: '2', b: '1', d: '4' })
		await expect.poll(() => events.length).toBe(1)
		expect(events[0]?.changes).toStrictEqual([
			{ name: 'a', kind: 'changed', version: 'v2', previousVersion: 'v1' },
			{ name: 'd', kind: 'added', version: 'v1', previousVersion: undefined },
			{ name: 'c', kind: 'removed', version: undefined, previousVersion: 'v1' },
		])
		expect(await store.getSecret('a', 'b', 'c', 'd')).toStrictEqual({ a: '2', b: '1', c: undefined, d: '4' })
	})

	it('tells nothing when only the manifest changed', async () => {
		await writer.write({ [MANIFEST_FILE]: manifestOf(1, { a: 'v1' }), a: '1' })
		const store = storeOf()
		await store.ready()
		const events: SecretsChanged[] = []
		store.onChange((event) => {
			events.push(event)
		})
		await writer.write({ [MANIFEST_FILE]: manifestOf(2, { a: { version: 'v1', state: 'Absent' } }), a: '1' })
		await expect.poll(() => store.status().mounts[0]?.revision).toBe(2)
		await writer.write({ [MANIFEST_FILE]: manifestOf(3, { a: 'v3' }), a: '3' })
		await expect.poll(() => events.length).toBe(1)
		expect(events[0]?.changes).toStrictEqual([{ name: 'a', kind: 'changed', version: 'v3', previousVersion: 'v1' }])
	})

	it('ignores a lower revision of the same binding', async () => {
		await writer.write({ [MANIFEST_FILE]: manifestOf(5, { a: 'v5' }), a: '5' })
		const store = storeOf()
		await store.ready()
		await writer.write({ [MANIFEST_FILE]: manifestOf(4, { a: 'v4' }), a: '4' })
		await expect.poll(() => store.status().mounts[0]?.problem).toBe('older')
		expect(await store.getSecret('a')).toStrictEqual({ a: '5' })
	})

	it('keeps the last good secrets when the mount goes away, says so, and comes back', async () => {
		await writer.write({ a: 'one' })
		const store = storeOf({ pollMs: 20 })
		await store.ready()
		await rm(writer.directory, { recursive: true })
		await expect.poll(() => store.status().mounts[0]?.problem).toBe('missing')
		expect(await store.getSecret('a')).toStrictEqual({ a: 'one' })
		await writer.write({ a: 'two' })
		await expect.poll(() => store.getSecret('a')).toStrictEqual({ a: 'two' })
		expect(store.status().mounts[0]?.problem).toBeUndefined()
	})

	it('does not let a failing listener harm the others or later events', async () => {
		await writer.write({ a: '1' })
		const store = storeOf()
		await store.ready()
		let calls = 0
		const seen: number[] = []
		store.onChange(() => {
			calls += 1
			throw new Error('no')
		})
		store.onChange(async () => {
			seen.push(seen.length)
		})
		await writer.write({ a: '2' })
		await expect.poll(() => seen.length).toBe(1)
		await writer.write({ a: '3' })
		await expect.poll(() => seen.length).toBe(2)
		expect(calls).toBe(2)
	})
})

describe('ending', () => {
	it('can be destroyed twice and answers 503 from then on', async () => {
		await writer.write({ a: 'one' })
		const store = storeOf()
		await store.ready()
		await store.destroy()
		await store.destroy()
		await expect(store.getSecret('a')).rejects.toMatchObject({ errorCode: 503, data: { reason: 'Destroyed' } })
	})

	it('ends a read that waits', async () => {
		const store = storeOf()
		const reading = expect(store.getSecret('a')).rejects.toMatchObject({
			errorCode: 503,
			data: { reason: 'Destroyed' },
		})
		await store.destroy()
		await reading
	})

	it('keeps a process alive that waits for it, until the deadline', async () => {
		const script = `
			const { AzureMountedSecretStore } = await import(${JSON.stringify(join(import.meta.dirname, 'index.ts'))})
			const store = new AzureMountedSecretStore({ mountPath: '/none', logLevel: 'fatal' })
			await store.ready(200).catch((error) => console.log(error.data.reason))`
		const run = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
		expect(run.stdout).toBe('NotReady\n')
	})

	it('does not keep the process alive, and loads no Azure SDK to read', async () => {
		await writer.write({ a: 'one' })
		const script = `
			import { registerHooks } from 'node:module'
			const loaded = []
			registerHooks({ resolve(specifier, context, next) { loaded.push(specifier); return next(specifier, context) } })
			const { AzureMountedSecretStore } = await import(${JSON.stringify(join(import.meta.dirname, 'index.ts'))})
			const store = new AzureMountedSecretStore({ mountPath: ${JSON.stringify(writer.directory)}, logLevel: 'fatal' })
			const { a } = await store.getSecret('a')
			const has = (text) => loaded.some((specifier) => specifier.startsWith(text))
			console.log(a, has('chokidar'), has('@azure/'), store.status().mounts[0].watching)`
		const run = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
		expect(run.stdout).toBe('one true false true\n')
	})
})

it('prints status and no values', async () => {
	const canary = 'pw-7Hq2x-canary'
	await writer.write({ [MANIFEST_FILE]: manifestOf(1, { db: 'v1' }), db: canary })
	const store = storeOf()
	await store.getSecret('db')
	const printed = [
		inspect(store, { depth: 20, showHidden: true }),
		JSON.stringify(store),
		`${JSON.stringify(store.status())}`,
	].join()
	expect(printed).toContain('AzureMountedSecretStore')
	expect(printed).not.toContain(canary)
})
