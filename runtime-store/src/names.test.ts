import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initLogger } from '@purista/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startTestVault, type TestVault } from '../test/vault.ts'
import { AzureMountedSecretStore, type AzureMountedSecretStoreConfig } from './index.ts'
import { MANIFEST_FILE, type Manifest, serializeManifest } from './manifest/index.ts'
import type { StoreBaseConfig } from './purista.ts'
import { AtomicWriter } from './testing/atomic-writer.ts'

// A vault that has other secrets under the file names: whoever takes a file name for a vault name reads or harms them.
const FOREIGN = 'another team owns this'
let vault: TestVault
let folder: string
let path: string
const stores: AzureMountedSecretStore[] = []

beforeAll(async () => {
	vault = await startTestVault()
})
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'asb-names-'))
	path = join(folder, 'mount')
	for (const name of ['db', 'second'])
		await vault.emulator.control.setSecret({ vault: 'payments', name, value: FOREIGN })
})
afterEach(async () => {
	await Promise.all(stores.splice(0).map((store) => store.destroy()))
	await rm(folder, { recursive: true })
})

function storeOf(config: Partial<StoreBaseConfig<AzureMountedSecretStoreConfig>> = {}): AzureMountedSecretStore {
	const store = new AzureMountedSecretStore({
		mountPath: path,
		client: vault.client(),
		enableSet: true,
		enableRemove: true,
		readyTimeoutMs: 10_000,
		pollMs: 20,
		logger: initLogger('fatal'),
		...config,
	})
	stores.push(store)
	return store
}

/** The store once it has looked at each mount, however long this machine takes for that. */
async function looked(store: AzureMountedSecretStore): Promise<AzureMountedSecretStore> {
	await store.isReady()
	const seen = () => store.status().mounts.every(({ loaded, problem }) => loaded || problem !== undefined)
	await expect.poll(seen, { timeout: 10_000 }).toBe(true)
	return store
}

let revision = 0
const manifestOf = (change: Partial<Manifest>): string =>
	serializeManifest({
		schema: 1,
		revision: ++revision,
		binding: { namespace: 'payments', name: 'shop', uid: 'u' },
		vault: vault.url,
		selectors: [],
		secrets: {},
		...change,
	})
const db = {
	objectName: 'payments-db',
	version: 'v1',
	state: 'Current',
	pinned: false,
	tags: {},
	previous: [],
} as const
const described = () => ({ ...db, tags: {}, previous: [] })
const inVault = async (name: string) =>
	(await vault.emulator.control.getSecret({ vault: 'payments', name }).catch(() => undefined))?.value

/** Every way to touch a secret fails with 503, and the vault was not asked. */
async function touchesNothing(store: AzureMountedSecretStore, name: string, message: RegExp): Promise<void> {
	const mark = await vault.mark()
	const calls = [
		() => store.getSecret(name),
		() => store.getSecretBytes(name),
		() => store.getSecretVersion(name, 'f'.repeat(32)),
		() => store.describe(name),
		() => store.setSecret(name, 'mine'),
		() => store.removeSecret(name),
	]
	for (const call of calls)
		await expect(call()).rejects.toMatchObject({
			errorCode: 503,
			data: { reason: 'NotReady' },
			message: expect.stringMatching(message) as string,
		})
	expect(await vault.calls(mark)).toStrictEqual([])
	expect(await inVault(name)).toBe(FOREIGN)
}

describe('while a mount is not loaded', () => {
	it('reads and writes nothing, and names the path that is missing and what to do without one', async () => {
		await touchesNothing(
			await looked(storeOf({ readyTimeoutMs: 50 })),
			'db',
			/mount is not there.*set mountPath to \[\]/,
		)
	})

	it('does so for a directory that cannot be read', async () => {
		await writeFile(path, 'a file')
		await touchesNothing(await looked(storeOf({ readyTimeoutMs: 50 })), 'db', /mount cannot be read \(ENOTDIR\)/)
	})

	it('answers what a mount before it has, and nothing that it might have itself', async () => {
		const late = join(folder, 'late')
		await new AtomicWriter(path).write({ first: 'one', db: 'of the first' })
		const store = await looked(storeOf({ mountPath: [path, late], readyTimeoutMs: 50 }))
		expect(await store.getSecret('db')).toStrictEqual({ db: 'of the first' })
		await touchesNothing(store, 'second', /late is not there/)
		const behind = await looked(storeOf({ mountPath: [late, path], readyTimeoutMs: 50 }))
		await expect(behind.getSecret('db')).rejects.toMatchObject({ data: { reason: 'NotReady' } })
		await new AtomicWriter(late).write({ db: 'of the late' })
		await behind.ready(5_000)
		expect(await behind.getSecret('db', 'first')).toStrictEqual({ db: 'of the late', first: 'one' })
	})

	it('is the same code without any mount: names are the vault’s', async () => {
		expect(await storeOf({ mountPath: [] }).getSecret('db')).toStrictEqual({ db: FOREIGN })
	})
})

describe('a wanted name without a file', () => {
	it('leads to its object in every call, and never to the secret of its own name', async () => {
		await new AtomicWriter(path).write({
			[MANIFEST_FILE]: manifestOf({
				secrets: { other: described() },
				wanted: { db: { objectName: 'wanted-db' } },
			}),
			other: 'here',
		})
		const store = storeOf()
		expect(await store.getSecret('db', 'other')).toStrictEqual({ db: undefined, other: 'here' })
		await store.setSecret('db', 'mine')
		expect(await store.getSecret('db', 'wanted-db')).toStrictEqual({ db: 'mine', 'wanted-db': 'mine' })
		expect(await inVault('wanted-db')).toBe('mine')
		expect(await storeOf().getSecret('db')).toStrictEqual({ db: 'mine' })
		expect(await store.describe('db')).toMatchObject({ objectName: 'wanted-db' })
		await store.removeSecret('db')
		expect(await store.getSecret('db')).toStrictEqual({ db: undefined })
		expect(await inVault('wanted-db')).toBeUndefined()
		expect(await inVault('db')).toBe(FOREIGN)
	})

	it('is written to the vault of the manifest without a vault of its own, and hides a later mount’s file of that name', async () => {
		const second = join(folder, 'second')
		await new AtomicWriter(path).write({
			[MANIFEST_FILE]: manifestOf({ secrets: { other: described() }, wanted: { db: { objectName: 'wanted-two' } } }),
			other: 'here',
		})
		await new AtomicWriter(second).write({ db: 'of the second' })
		const store = storeOf({ mountPath: [path, second], readFallback: false })
		expect(await store.getSecret('db')).toStrictEqual({ db: undefined })
		await store.setSecret('db', 'mine')
		expect(await inVault('wanted-two')).toBe('mine')
	})

	it('reads the version that the binding pins, and gives no whole value for a part', async () => {
		const { control } = vault.emulator
		const { version } = await control.setSecret({ vault: 'payments', name: 'pinned', value: 'first' })
		await control.setSecret({ vault: 'payments', name: 'pinned', value: 'second' })
		await new AtomicWriter(path).write({
			[MANIFEST_FILE]: manifestOf({
				secrets: { other: described() },
				wanted: {
					pin: { objectName: 'pinned', version },
					part: { objectName: 'pinned', form: 'property=/a' },
				},
			}),
			other: 'here',
		})
		const store = storeOf()
		expect(await store.getSecret('pin')).toStrictEqual({ pin: 'first' })
		await store.setSecret('pin', 'third')
		expect(await store.getSecret('pin')).toStrictEqual({ pin: 'first' })
		await expect(store.getSecret('part')).rejects.toMatchObject({ data: { reason: 'NotReady' } })
		await expect(store.setSecret('part', 'x')).rejects.toMatchObject({ data: { reason: 'Derived' } })
	})
})

it('a name that a selector will deliver is not asked of the vault, and is written to its object with the tags of the selector', async () => {
	const selector = { prefix: 'chosen-', stripPrefix: true, nameStyle: 'AsIs', managed: false } as const
	await new AtomicWriter(path).write({
		[MANIFEST_FILE]: manifestOf({
			secrets: { other: described() },
			selectors: [{ ...selector, tags: { team: 'payments' } }],
		}),
		other: 'here',
	})
	const store = storeOf()
	await store.ready()
	const mark = await vault.mark()
	expect(await store.getSecret('db')).toStrictEqual({ db: undefined })
	expect(await vault.calls(mark)).toStrictEqual([])
	await store.setSecret('db', 'mine')
	const written = await vault.emulator.control.getSecret({ vault: 'payments', name: 'chosen-db' })
	expect(written).toMatchObject({ value: 'mine', tags: { team: 'payments' } })
	expect(await store.getSecret('db')).toStrictEqual({ db: 'mine' })
	expect(await inVault('db')).toBe(FOREIGN)
})

describe('a manifest that cannot be used', () => {
	it.each([
		['invalid', '{"schema":1,"revision":2}', 'binding is not an object'],
		['unknownSchema', '{"schema":2}', 'its schema is not 1'],
		['invalid', 'no json', 'it is not JSON'],
		['none', undefined, 'it is not there any more'],
	])('that turns %s keeps the names of before, warns once and says why', async (state, text, problem) => {
		const writer = new AtomicWriter(path)
		await writer.write({ [MANIFEST_FILE]: manifestOf({ secrets: { db: described() } }), db: 'one' })
		const warnings: unknown[] = []
		const store = storeOf()
		Object.assign(store.logger, { warn: (fields: unknown) => void warnings.push(fields) })
		expect(await store.getSecret('db', 'payments-db')).toStrictEqual({ db: 'one', 'payments-db': 'one' })
		for (const value of ['two', 'three']) {
			await writer.write({ ...(text === undefined ? {} : { [MANIFEST_FILE]: text }), db: value })
			await expect.poll(() => store.getSecret('db')).toStrictEqual({ db: value })
		}
		expect(await store.getSecret('payments-db')).toStrictEqual({ 'payments-db': 'three' })
		await store.setSecret('db', 'mine')
		expect(await inVault('payments-db')).toBe('mine')
		expect(await inVault('db')).toBe(FOREIGN)
		expect(store.status().mounts[0]).toMatchObject({ manifest: state, manifestProblem: problem, mapping: 'kept' })
		expect(warnings).toStrictEqual([{ mountPath: path, manifest: state, problem }])
	})

	it('leads nowhere from a file that it may be the first to name, whose text is served all the same', async () => {
		const writer = new AtomicWriter(path)
		await writer.write({ [MANIFEST_FILE]: manifestOf({ secrets: { other: described() } }), other: 'here' })
		const store = storeOf()
		await store.ready()
		await writer.write({ [MANIFEST_FILE]: '{"schema":2}', other: 'here', db: 'of another secret' })
		await expect.poll(() => store.getSecret('db')).toStrictEqual({ db: 'of another secret' })
		const mark = await vault.mark()
		for (const call of [() => store.setSecret('db', 'mine'), () => store.removeSecret('db')])
			await expect(call()).rejects.toMatchObject({
				data: { reason: 'NotReady' },
				message: expect.stringContaining(`${path} (its schema is not 1)`) as string,
			})
		await expect(store.getSecretVersion('db', 'f'.repeat(32))).rejects.toMatchObject({ data: { reason: 'NotReady' } })
		expect(await vault.calls(mark)).toStrictEqual([])
		expect(await inVault('db')).toBe(FOREIGN)
	})

	it('keeps no names of another directory that was there before', async () => {
		const one = new AtomicWriter(join(folder, 'one'))
		const two = new AtomicWriter(join(folder, 'two'))
		await one.write({ [MANIFEST_FILE]: manifestOf({ secrets: { db: described() } }), db: 'one' })
		await two.write({ [MANIFEST_FILE]: '{"schema":2}', db: 'two' })
		await symlink(one.directory, path)
		const store = storeOf()
		expect(await store.getSecret('payments-db')).toStrictEqual({ 'payments-db': 'one' })
		await symlink(two.directory, join(folder, 'next'))
		await rename(join(folder, 'next'), path)
		await expect.poll(() => store.getSecret('db')).toStrictEqual({ db: 'two' })
		await expect(store.setSecret('db', 'mine')).rejects.toMatchObject({ data: { reason: 'NotReady' } })
		expect(store.status().mounts[0]).toMatchObject({ mapping: 'unknown' })
	})

	it('from the start serves its files, and the vault is not asked by their names', async () => {
		await new AtomicWriter(path).write({ [MANIFEST_FILE]: '{"schema":2}', db: 'one' })
		const store = storeOf()
		expect(await store.getSecret('db')).toStrictEqual({ db: 'one' })
		await expect(store.setSecret('db', 'mine')).rejects.toMatchObject({
			errorCode: 503,
			message: expect.stringContaining('its schema is not 1') as string,
		})
		await expect(store.getSecret('second')).rejects.toMatchObject({ data: { reason: 'NotReady' } })
		expect(await inVault('db')).toBe(FOREIGN)
	})

	it('of 200,000 entries is refused by its size, and not read', async () => {
		const entry = JSON.stringify(described())
		const secrets = Array.from({ length: 200_000 }, (_, i) => `"s-${i}":${entry}`).join()
		const text = manifestOf({}).replace('"secrets":{}', `"secrets":{${secrets}}`)
		await new AtomicWriter(path).write({ [MANIFEST_FILE]: text, db: 'one' })
		const store = storeOf()
		expect(await store.getSecret('db')).toStrictEqual({ db: 'one' })
		expect(store.status().mounts[0]).toMatchObject({
			manifest: 'invalid',
			manifestProblem: 'it cannot be read (tooLarge)',
		})
	})
})

describe('what the texts advise', () => {
	const message = (call: Promise<unknown>) =>
		call.then(
			() => 'nothing',
			(error: unknown) => (error as Error).message,
		)

	it('is never what is already so', async () => {
		await new AtomicWriter(path).write({ [MANIFEST_FILE]: manifestOf({ secrets: { db: described() } }), db: 'one' })
		const alone = storeOf({ client: undefined as never })
		expect(await message(alone.setSecret('x', '1'))).toMatch(
			/spec\.secrets of the AzureSecretBinding payments\/shop, or set vaultUrl/,
		)
		const closed = storeOf({ readFallback: false })
		expect(await message(closed.setSecret('x', '1'))).toMatch(/or leave readFallback of the store on/)
		expect(await message(closed.getSecretVersion('db', 'v0'))).toMatch(/set "previous" .* or leave readFallback/)
		const plain = join(folder, 'plain')
		await mkdir(plain)
		await writeFile(join(plain, 'a'), '1')
		const without = storeOf({ mountPath: plain, client: undefined as never })
		expect(await message(without.setSecret('x', '1'))).toBe('no mount has this secret: set vaultUrl of the store')
		expect(await message(without.setSecret('a', '1'))).toMatch(/set vaultUrl of the store/)
	})
})

it('gives its values to no host that a manifest names and that is no Key Vault', async () => {
	await new AtomicWriter(path).write({
		[MANIFEST_FILE]: manifestOf({ vault: 'https://payments.vault.azure.net.evil.test', secrets: { db: described() } }),
		db: 'one',
	})
	await expect(storeOf().setSecret('db', 'mine')).rejects.toMatchObject({ data: { reason: 'VaultNotAllowed' } })
})
