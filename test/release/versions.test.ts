// The operator and the store are upgraded at different times. Each has to live with what the version before the other one left:
// previous/delivered.json is a Secret and a status, and previous/*.tgz a store, as they were; a release replaces them with its own.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BindingStatus } from '../../operator/src/api/schema.ts'
import { openBinding } from '../../operator/src/run/testing/one-binding.ts'
import { AzureMountedSecretStore } from '../../runtime-store/src/index.ts'
import { AtomicWriter } from '../../runtime-store/src/testing/index.ts'
import { run } from '../cluster/run.ts'
import { ROOT } from './release.ts'
import { DELIVERED, SPEC, vaultOf } from './scenario.ts'

interface Delivered {
	readonly status: BindingStatus
	readonly metadata: { readonly name: string }
	readonly files: Readonly<Record<string, string>>
}
const delivered = JSON.parse(readFileSync(DELIVERED, 'utf8')) as Delivered
const folder = mkdtempSync(join(tmpdir(), 'asb-versions-'))
// Inside of the repository: the packages that the store needs are found from there.
const unpacked = join(ROOT, 'dist/previous-store')
let Previous: typeof AzureMountedSecretStore

beforeAll(async () => {
	rmSync(unpacked, { recursive: true, force: true })
	mkdirSync(unpacked, { recursive: true })
	const archive = join(import.meta.dirname, 'previous/purista-azure-mounted-secret-store-0.1.0.tgz')
	await run('tar', ['-xzf', archive, '-C', unpacked])
	const entry = pathToFileURL(join(unpacked, 'package/dist/index.js')).href
	Previous = ((await import(entry)) as { AzureMountedSecretStore: typeof AzureMountedSecretStore })
		.AzureMountedSecretStore
})
afterAll(() => {
	rmSync(folder, { recursive: true, force: true })
	rmSync(unpacked, { recursive: true, force: true })
})

/** What a store of this version says of a directory with these files. */
async function readBy(Store: typeof AzureMountedSecretStore, name: string, files: Readonly<Record<string, string>>) {
	const mountPath = join(folder, name)
	const writer = new AtomicWriter(mountPath)
	await writer.write(files)
	const store = new Store({ mountPath, readFallback: false })
	try {
		await store.ready()
		const values = await store.getSecret('db', 'bytag', 'pin', 'gone')
		const db = await store.describe('db')
		return { values, version: db?.version, older: await store.getSecretVersion('db', '1'.padStart(32, '0')) }
	} finally {
		await store.destroy()
	}
}
const EXPECTED = {
	values: { db: 'second', bytag: 'tagged', pin: 'pinned', gone: 'kept' },
	version: '2'.padStart(32, '0'),
	older: 'first',
}

/** What an operator of this version writes in the same place. */
async function writtenNow(): Promise<Record<string, string>> {
	const one = openBinding(SPEC)
	await vaultOf(one)
	return one.secrets.text('mine') ?? {}
}

describe('a store', () => {
	it('reads what the operator before it wrote', async () => {
		expect(await readBy(AzureMountedSecretStore, 'old-files', delivered.files)).toEqual(EXPECTED)
	})
	it('of the version before reads what this operator writes', async () => {
		expect(await readBy(Previous, 'new-files', await writtenNow())).toEqual(EXPECTED)
	})
	it('of the version before reads a manifest with fields that it does not know', async () => {
		const files = await writtenNow()
		const manifest = JSON.parse(files['.binding.json'] ?? '') as { secrets: Record<string, object> }
		const added = {
			...manifest,
			later: { a: 1 },
			secrets: { ...manifest.secrets, db: { ...manifest.secrets['db'], later: [1] } },
		}
		expect(await readBy(Previous, 'later-fields', { ...files, '.binding.json': JSON.stringify(added) })).toEqual(
			EXPECTED,
		)
	})
})

/** The operator of now, over what the one before delivered. */
async function takenOver() {
	const one = openBinding(SPEC, { status: structuredClone(delivered.status) })
	const data = Object.entries(delivered.files).map(([key, text]) => [key, Buffer.from(text).toString('base64')])
	await one.secrets.create('ns', { metadata: delivered.metadata, data: Object.fromEntries(data) })
	return one
}

describe('an operator', () => {
	it('takes over the Secret and the status of the version before without reading a value or writing one', async () => {
		const one = await takenOver()
		const written = one.secrets.writes
		await vaultOf(one, { reconcile: false })
		await one.reconcile()
		expect(one.vault('a').reads.filter((name) => name !== 'gone')).toEqual([])
		expect(one.secrets.writes).toBe(written)
		expect(one.secrets.text('mine')).toEqual(delivered.files)
		const conditions = (status: BindingStatus) => status.conditions?.map(({ type, status }) => [type, status])
		expect(conditions(one.status)).toEqual(conditions(delivered.status))
	})
	it('follows a rotation from there', async () => {
		const one = await takenOver()
		await vaultOf(one, { reconcile: false })
		await one.reconcile()
		one.vault('a').set('payments-db', 'third')
		await one.pass(130_000)
		expect(one.files()['db']).toBe('third')
		expect(one.files()['db.previous']).toBe('second')
	})
})
