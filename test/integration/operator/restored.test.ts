import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KubeObject, watchCollection } from '../../../operator/src/cluster/watch.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { until } from '../../kit/until.ts'
import { openRow, type Row } from './fault-case.ts'
import { isTrue, manifest, openStage, type RunningOperator, type SecretView, type Stage, value } from './stage.ts'

// Ownership is the label, never a UID: what a backup tool puts back, and what is made anew under its old name, goes on.

describe('a binding goes on', () => {
	let stage: Stage
	let operator: RunningOperator
	let secrets: string
	let bindings: string
	/** every value of `db` that pods could see, in order, by Secret */
	const seen = new Map<string, (string | undefined)[]>()
	const stopping = new AbortController()
	let watching: Promise<void>
	beforeAll(async () => {
		stage = await openStage({ name: 'restored' })
		secrets = `/api/v1/namespaces/${stage.namespace}/secrets`
		bindings = `/apis/secrets.purista.dev/v1alpha1/namespaces/${stage.namespace}/azuresecretbindings`
		watching = watchValues()
		operator = await stage.start()
	})
	afterAll(async () => {
		stopping.abort()
		await watching
		await stage?.close()
	})
	async function watchValues(): Promise<void> {
		const { api: transport } = stage
		const { signal } = stopping
		const options = { transport, path: secrets, clock: systemClock, random: Math.random, signal }
		for await (const event of watchCollection<KubeObject & SecretView>(options)) {
			if (event.kind === 'synced') continue
			const { name } = event.item.metadata
			const now = event.kind === 'deleted' ? undefined : value(event.item, 'db')
			const before = seen.get(name) ?? []
			if (before.length === 0 || before.at(-1) !== now) seen.set(name, [...before, now])
		}
	}
	/** What a backup tool has of an object and puts back: not its UID, status, owners and managers. */
	const restore = async (path: string, saved: object) => {
		const { metadata, status: _, ...rest } = saved as { metadata: SecretView['metadata']; status?: unknown }
		const { name, labels = {}, annotations } = metadata
		const kept = { name, labels: { ...labels, 'velero.io/restore-name': 'r' }, ...(annotations ? { annotations } : {}) }
		await stage.api.request({
			method: 'POST',
			path,
			query: { fieldManager: 'velero-server' },
			body: { ...rest, metadata: kept },
		})
	}
	const take = async (path: string) => {
		const saved = await stage.api.request<object>({ method: 'GET', path })
		await stage.api.request({ method: 'DELETE', path })
		return saved
	}
	const revision = (secret: SecretView | undefined) => (manifest(secret) as { revision: number }).revision
	/** Expects the Secret to be the binding's, as it is now. */
	const owned = async (row: Row) => {
		const { metadata } = await row.binding()
		await until('the owner', async () => {
			const { ownerReferences = [] } = (await row.secret())?.metadata ?? {}
			return ownerReferences.length === 1 && ownerReferences[0]?.uid === metadata.uid
		})
		expect(manifest(await row.secret())).toMatchObject({ binding: { uid: metadata.uid, name: row.name } })
	}

	it('after Secret and binding were restored while no operator ran', async () => {
		const row = await openRow(stage, 'all')
		await row.deliver()
		const before = await row.secret()
		await operator.stop()
		// The Secret first: with its owner gone the garbage collector would take it.
		const [secret, binding] = [await take(`${secrets}/all-secrets`), await take(`${bindings}/all`)]
		await restore(secrets, secret)
		await restore(bindings, binding)
		operator = await stage.start()
		await row.fresh()
		await owned(row)
		const after = await row.secret()
		expect(after?.metadata.uid).not.toBe(before?.metadata.uid)
		expect(after?.data?.['db']).toBe(before?.data?.['db'])
		expect(revision(after)).toBeGreaterThanOrEqual(revision(before))
		// Gone once, by the hand of the test, and never another value.
		expect(seen.get('all-secrets')).toEqual(['value of all', undefined, 'value of all'])
		// And it follows the vault as before, though the fields were another manager's.
		await stage.emulator.control.setSecret({ vault: row.vault, name: 'db', value: 'rotated' })
		await until('the rotation', async () => value(await row.secret(), 'db') === 'rotated')
		expect(isTrue(await row.fresh(), 'Fresh')).toBe(true)
	})

	it('after both were restored under a running operator', async () => {
		const row = await openRow(stage, 'live')
		await row.deliver()
		const [secret, binding] = [await take(`${secrets}/live-secrets`), await take(`${bindings}/live`)]
		await restore(secrets, secret)
		await restore(bindings, binding)
		await row.fresh()
		await owned(row)
		expect(seen.get('live-secrets')).toEqual(['value of live', undefined, 'value of live'])
	})

	it('after only the Secret was restored, from before a rotation', async () => {
		const row = await openRow(stage, 'old')
		await row.deliver()
		const saved = await stage.api.request<object>({ method: 'GET', path: `${secrets}/old-secrets` })
		await stage.emulator.control.setSecret({ vault: row.vault, name: 'db', value: 'rotated' })
		await until('the rotation', async () => value(await row.secret(), 'db') === 'rotated')
		const before = revision(await row.secret())
		await take(`${secrets}/old-secrets`)
		await restore(secrets, saved)
		// Drift is looked for every five minutes, or when asked.
		await stage.annotate('old', { 'secrets.purista.dev/requested-at': 'now' })
		await until('the value', async () => value(await row.secret(), 'db') === 'rotated')
		await owned(row)
		// A reader of the same binding ignores a lower one.
		expect(revision(await row.secret())).toBeGreaterThan(before)
		expect(seen.get('old-secrets')?.at(-1)).toBe('rotated')
	})

	it('after only the binding was restored', async () => {
		const row = await openRow(stage, 'binding')
		await row.deliver({ delivery: { secret: { name: 'binding-secrets', onDelete: 'Retain' } } })
		await restore(bindings, await take(`${bindings}/binding`))
		await row.fresh()
		expect(manifest(await row.secret())).toMatchObject({ binding: { uid: (await row.binding()).metadata.uid } })
		expect(seen.get('binding-secrets')).toEqual(['value of binding'])
	})

	it('after its ServiceAccount was made anew', async () => {
		const row = await openRow(stage, 'account')
		await row.deliver()
		const accounts = `/api/v1/namespaces/${stage.namespace}/serviceaccounts`
		await restore(accounts, await take(`${accounts}/payments`))
		const since = Date.now()
		await stage.annotate('account', { 'secrets.purista.dev/requested-at': 'now' })
		await stage.wait('account', 'the request', (b) => b.status?.lastHandledRequest === 'now')
		await row.fresh()
		// Another ServiceAccount of the same name is another identity: what was read with the old one's token is not its.
		const asked = (await stage.emulator.control.requests({ since })).filter(({ clientId }) => clientId === row.clientId)
		expect(asked.map(({ route }) => route)).toContain('token')
		await row.untouched()
	})

	it('under a new name of its Secret that was written while no operator ran', async () => {
		const row = await openRow(stage, 'renamed')
		await row.deliver()
		await operator.stop()
		await row.apply({ delivery: { secret: { name: 'renamed-b' } } })
		operator = await stage.start()
		await until('the old Secret to go', async () => (await row.secret()) === undefined)
		await stage.wait('renamed', 'the new name', (b) => b.status?.secretName === 'renamed-b')
		expect(seen.get('renamed-b')).toEqual(['value of renamed'])
		expect(isTrue(await row.fresh(), 'Ready')).toBe(true)
	})

	it('under a new name of its Secret, and leaves the old one under Retain', async () => {
		const row = await openRow(stage, 'retained')
		const delivery = (name: string) => ({ delivery: { secret: { name, onDelete: 'Retain' } } })
		await row.deliver(delivery('retained-secrets'))
		await row.apply(delivery('retained-b'))
		await stage.wait('retained', 'the new name', (b) => b.status?.secretName === 'retained-b')
		await row.untouched()
		// And back.
		await row.apply(delivery('retained-secrets'))
		await stage.wait('retained', 'the old name', (b) => b.status?.secretName === 'retained-secrets')
		await row.fresh()
		expect(seen.get('retained-secrets')).toEqual(['value of retained'])
	})
})
