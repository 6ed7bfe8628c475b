import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initLogger } from '@purista/core'
import { afterEach, describe, expect, it } from 'vitest'
import { AzureMountedSecretStore, type SecretExpiring } from './index.ts'
import { objectNameBySelector } from './names.ts'
import { createTestStore, type TestStore } from './testing/index.ts'

const ends: Array<() => Promise<unknown>> = []
afterEach(async () => {
	for (const end of ends.splice(0)) await end()
})

async function start(
	secrets: Record<string, string | Uint8Array>,
	config: Parameters<typeof createTestStore>[1] = {},
): Promise<TestStore> {
	const test = await createTestStore(secrets, config)
	ends.push(() => test.destroy())
	return test
}

describe('getSecretBytes', () => {
	it('gives the exact bytes, as a copy', async () => {
		const bytes = Buffer.from([0, 255, 10, 13])
		const test = await start({ keystore: bytes, text: 'ä' })
		const found = await test.store.getSecretBytes('keystore', 'text', 'none')
		expect(found).toStrictEqual({ keystore: bytes, text: Buffer.from('ä'), none: undefined })
		found.keystore?.fill(1)
		expect((await test.store.getSecretBytes('keystore')).keystore).toStrictEqual(bytes)
	})

	it('is refused with reading switched off', async () => {
		const test = await start({ a: '1' }, { enableGet: false })
		for (const call of [
			test.store.getSecretBytes('a'),
			test.store.getSecretVersion('a', '1'),
			test.store.describe('a'),
		])
			await expect(call).rejects.toMatchObject({ errorCode: 401 })
	})
})

describe('describe and getSecretVersion', () => {
	it('tell what the mount knows', async () => {
		const test = await start({})
		await test.write(
			{ db: 'one' },
			{ version: 'v1', contentType: 'text/plain', tags: { team: 'a' }, expires: '2030-01-01T00:00:00Z' },
		)
		await test.rotate('db', 'two', { version: 'v2', objectName: 'payments-db' })
		expect(await test.store.describe('db')).toMatchObject({
			source: 'mount',
			objectName: 'payments-db',
			version: 'v2',
			state: 'Current',
			previous: ['v1'],
		})
		expect(await test.store.describe('payments-db')).toMatchObject({ version: 'v2' })
		expect(await test.store.describe('none')).toBeUndefined()
		expect(await test.store.getSecretVersion('db', 'v1')).toBe('one')
		await expect(test.store.getSecretVersion('db', 'v0')).rejects.toMatchObject({
			errorCode: 501,
			data: { reason: 'VersionNotMounted' },
		})
	})
})

describe('onExpiring', () => {
	it('tells once for each version that is near its end', async () => {
		const test = await start({ soon: '1', never: '1' })
		const events: SecretExpiring[] = []
		ends.push(async () => test.store.onExpiring(86_400_000, (event) => void events.push(event))())
		const end = test.store.onExpiring(86_400_000, (event) => void events.push(event))
		const at = new Date(Date.now() + 3_600_000)
		await test.expire('soon', at)
		await expect.poll(() => events.length).toBe(1)
		expect(events[0]).toMatchObject({ name: 'soon', expires: `${at.toISOString().slice(0, 19)}Z` })
		await test.rotate('never', '2')
		const version = await test.rotate('soon', '2', { expires: `${at.toISOString().slice(0, 19)}Z` })
		await expect.poll(() => events.map((event) => event.version)).toStrictEqual([expect.any(String), version])
		end()
	})

	it('comes at the time, not only with a change', async () => {
		const test = await start({ a: '1' })
		const events: SecretExpiring[] = []
		// Whole seconds: between one and two seconds from now.
		await test.expire('a', new Date(Date.now() + 2_000))
		const began = Date.now()
		ends.push(async () => test.store.onExpiring(0, () => {})())
		test.store.onExpiring(500, (event) => void events.push(event))
		await expect.poll(() => events.length, { interval: 20 }).toBe(1)
		expect(Date.now() - began).toBeGreaterThan(300)
	})
})

describe("writeTo: 'folder'", () => {
	const folders = async () => {
		const folder = await mkdtemp(join(tmpdir(), 'asb-folder-'))
		ends.push(() => rm(folder, { recursive: true, force: true }))
		return join(folder, 'secrets')
	}
	const open = (mountPath: string) => {
		const store = new AzureMountedSecretStore({
			mountPath,
			writeTo: 'folder',
			enableSet: true,
			enableRemove: true,
			logger: initLogger('fatal'),
		})
		ends.push(() => store.destroy())
		return store
	}

	it('writes files that only their owner reads, reads them back, removes them, and begins without a folder', async () => {
		const path = await folders()
		const store = open(path)
		expect(await store.getSecret('a')).toStrictEqual({ a: undefined })
		await store.setSecret('a', 'one')
		expect(await store.getSecret('a')).toStrictEqual({ a: 'one' })
		expect(await readFile(join(path, 'a'), 'utf8')).toBe('one')
		expect((await stat(join(path, 'a'))).mode & 0o777).toBe(0o600)
		await store.removeSecret('a')
		await store.removeSecret('a')
		expect(await store.getSecret('a')).toStrictEqual({ a: undefined })
		expect(await readdir(path)).toStrictEqual([])
	})

	it.each(['../a', '..data', 'a/b', '.', '__proto__', '.binding.json', ''])('refuses the name %j', async (name) => {
		const store = open(await folders())
		await expect(store.setSecret(name, 'x')).rejects.toMatchObject({
			errorCode: 400,
			data: { reason: 'InvalidFileName' },
		})
	})

	it('is refused where a kubelet or a driver writes', async () => {
		const test = await start({ a: 'one' }, { writeTo: 'folder', enableSet: true, enableRemove: true })
		await expect(test.store.setSecret('a', 'two')).rejects.toMatchObject({
			errorCode: 501,
			data: { reason: 'Mounted' },
		})
		await expect(test.store.removeSecret('a')).rejects.toMatchObject({ errorCode: 501 })
	})

	it('says that the folder could not be written', async () => {
		const path = await folders()
		const store = open(path)
		await store.ready()
		await mkdir(join(path, 'taken', 'x'), { recursive: true })
		await expect(store.setSecret('taken', 'x')).rejects.toMatchObject({ errorCode: 500, data: { reason: 'Folder' } })
	})
})

describe('the test store', () => {
	it('rotates, removes, vanishes and comes back', async () => {
		const test = await start({ a: '1', b: '1' })
		await test.rotate('a', '2')
		expect(await test.store.getSecret('a')).toStrictEqual({ a: '2' })
		await test.remove('b')
		expect(await test.store.getSecret('b')).toStrictEqual({ b: undefined })
		await test.vanish()
		expect(await test.store.getSecret('a')).toStrictEqual({ a: '2' })
		await test.restore()
		expect(test.store.status().mounts[0]?.problem).toBeUndefined()
	})
})

describe('names that selectors cover', () => {
	const selector = { stripPrefix: false, nameStyle: 'AsIs', managed: false } as const
	it.each([
		['db', { ...selector, prefix: 'payments-', stripPrefix: true }, 'payments-db'],
		['Payments-db', { ...selector, prefix: 'payments-' }, 'Payments-db'],
		['other-db', { ...selector, prefix: 'payments-' }, undefined],
		['PAYMENTS_DB', { ...selector, prefix: 'payments-', nameStyle: 'UpperSnake' as const }, 'payments-db'],
		[
			'DB_URL',
			{ ...selector, prefix: 'payments-', nameStyle: 'UpperSnake' as const, stripPrefix: true },
			'payments-db-url',
		],
		['db_url', { ...selector, prefix: 'payments-', nameStyle: 'UpperSnake' as const }, undefined],
		['anything', { ...selector, tags: { team: 'a' } }, undefined],
	])('%s', (name, by, objectName) => {
		expect(objectNameBySelector(by, name)).toBe(objectName)
	})
})
