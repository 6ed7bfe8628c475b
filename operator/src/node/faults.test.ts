import { chmod, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Code } from '@connectrpc/connect'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import { KubeError } from '../ports/kube-error.ts'
import { ROLE } from '../vault/testing/tenant.ts'
import { dial, publishRequest } from './testing/kubelet.ts'
import { usePlugin, VALUE } from './testing/use-plugin.ts'

const OFFLINE = { delivery: { type: 'Volume', volume: { offlineFor: '1h' } } }
const caught = (work: Promise<unknown>) => work.catch((thrown: unknown) => thrown)
const saying = (text: string): string => expect.stringContaining(text) as string

describe('what goes wrong with volumes', { timeout: 30_000 }, () => {
	const world = usePlugin()
	const { tenant, spec, set, token, targetOf, publish, refusal, unpublish, statusOf } = world
	const news = (kind: string) => world.plugin.news.filter((each) => each.kind === kind)
	/** What was answered before this says nothing of now. */
	const tellAnew = () => world.bindings.writeStatus('payments', statusOf(new Date(Date.now() + 1_000)))
	const vaultIsAway = () => tenant.emulator.control.addFault({ match: { vault: 'payments' }, action: 'reset' })

	it.each([
		['no token', 'the CSIDriver object needs tokenRequests'],
		['no pod', 'the CSIDriver object needs podInfoOnMount: true'],
	])(
		'a republish of a running pod with %s is answered OK and told once; a first one is refused',
		async (what, text) => {
			const target = await publish('csi-1')
			const whole = publishRequest({ volumeId: 'csi-1', target, token: await token() })
			const without =
				what === 'no token' ? { ...whole, secrets: {} } : { ...whole, volumeContext: { binding: 'payments' } }
			await world.kubelet.node.nodePublishVolume(without)
			await world.kubelet.node.nodePublishVolume(without)
			expect(news('stale')).toMatchObject([{ reason: 'PublishRefused', message: saying(text) }])
			expect(world.plugin.results).toEqual(['ok', 'kept', 'kept'])
			expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
			// Also by a process that has never seen it.
			await world.restart({ root: world.plugin.root })
			await world.kubelet.node.nodePublishVolume(without)
			const first = { ...without, volumeId: 'csi-2', targetPath: await targetOf('csi-2') }
			expect(await caught(world.kubelet.node.nodePublishVolume(first))).toMatchObject({ code: Code.InvalidArgument })
		},
	)

	it('an unpublish of another target removes nothing, and one of a volume that is not ours leaves what lies there', async () => {
		const target = await publish('csi-1')
		const other = await publish('csi-2')
		expect(await caught(unpublish('csi-1', other))).toMatchObject({ code: Code.InvalidArgument })
		for (const path of [target, other]) expect(await readFile(join(path, 'db'), 'utf8')).toBe(VALUE)
		// Nobody published csi-3: what lies at its target is of somebody else.
		const foreign = await targetOf('csi-3')
		await writeFile(foreign, 'of somebody')
		await unpublish('csi-3', foreign)
		expect(await readFile(foreign, 'utf8')).toBe('of somebody')
		await rm(foreign)
		await symlink(await readlink(other), foreign)
		await unpublish('csi-3', foreign)
		expect(await readlink(foreign)).toBe(await readlink(other))
	})

	it('two volumes that would pass the cap of the node together: one gets its files, the other waits and is told so once', async () => {
		const size = (await measured()).bytes
		await world.restart({ nodeMemory: Math.floor(size * 1.5) })
		const both = await Promise.all(['csi-1', 'csi-2'].map((id) => caught(publish(id, {}, 12_000))))
		expect(both.filter((each) => typeof each === 'string')).toHaveLength(1)
		expect(world.plugin.memory.bytes).toBeLessThanOrEqual(world.plugin.memory.limit)
		expect(news('waits')).toMatchObject([{ reason: 'SecretTooLarge', message: saying('--node-memory') }])
	})

	/** What one volume takes. */
	async function measured() {
		const target = await publish('csi-0')
		const bytes = world.plugin.memory.bytes
		await unpublish('csi-0', target)
		return { bytes }
	}

	it('what volumes of an earlier process take is counted from the start', async () => {
		const id = `csi-${'a'.repeat(64)}`
		await publish(id)
		const { bytes } = world.plugin.memory
		expect(bytes).toBeGreaterThan(VALUE.length)
		await world.restart({ root: world.plugin.root, nodeMemory: Math.floor(bytes * 1.5) })
		expect(world.plugin.memory.bytes).toBe(bytes)
		expect(await refusal('csi-2')).toMatchObject({ rawMessage: saying('--node-memory') })
	})

	it('what offlineFor keeps yields to volumes', async () => {
		world.bindings.apply('payments', spec(OFFLINE))
		await publish('csi-1')
		await until('something kept', async () => world.plugin.offline.bytes > 0)
		const { bytes } = world.plugin.memory
		await world.restart({ nodeMemory: bytes + 10 })
		await publish('csi-1')
		await until('the poll', async () => news('delivered').length > 0)
		expect(world.plugin.memory.bytes + world.plugin.offline.bytes).toBeLessThanOrEqual(bytes + 10)
	})

	it('a ServiceAccount that was made anew is another: tokens of the former one do not speak for it', async () => {
		let uid = 'sa-1'
		await world.restart({ serviceAccountUid: () => uid })
		const target = await publish('csi-1', { token: await token('app', 'sa-1') })
		uid = 'sa-2'
		await set('second')
		tellAnew()
		await until('the news', async () => news('stale').some((each) => JSON.stringify(each).includes('made anew')))
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
		await publish('csi-1', { token: await token('app', 'sa-2') })
		await until('the new value', async () => (await readFile(join(target, 'db'), 'utf8')) === 'second')
	})

	it('offline, another hold is another delivery: what was kept is not what is asked for', async () => {
		world.bindings.apply('payments', spec(OFFLINE))
		await unpublish('csi-1', await publish('csi-1'))
		await vaultIsAway()
		const annotatedPins = `db=${'0'.repeat(32)}; until=${new Date(Date.now() + 3_600_000).toISOString()}`
		world.bindings.annotate('payments', { 'secrets.purista.dev/hold': annotatedPins })
		tellAnew()
		expect(await caught(publish('csi-2', {}, 5_000))).toMatchObject({ code: Code.Unavailable })
		expect(news('offline')).toEqual([])
	})

	it('a pod that waits for a vault that is away starts within seconds after it is back', async () => {
		await vaultIsAway()
		tellAnew()
		const publishing = publish('csi-1', {}, 20_000)
		await until('the news', async () => news('waits').length > 0)
		await tenant.emulator.control.clearFaults()
		expect(await readFile(join(await publishing, 'db'), 'utf8')).toBe(VALUE)
	})

	/** As the operator writes it, whose lists are denied: it tells nothing of secrets. */
	const tellDenied = () => {
		const { conditions, ...status } = statusOf(new Date())
		const [fresh] = conditions
		const denied = { ...fresh, status: 'False', reason: 'ForbiddenByRbac' }
		world.bindings.writeStatus('payments', { ...status, conditions: [denied], secrets: [] })
	}

	it('a pod that waits for a role on the vault is told of the role alone, and starts within seconds after it is given', async () => {
		const role = { clientId: tenant.key.clientId, role: ROLE, vault: 'payments' }
		await tenant.emulator.control.revoke(role)
		tellDenied()
		const publishing = publish('csi-1', {}, 20_000)
		await until('the news', async () => news('waits').length > 0)
		const message = expect.stringMatching(/^The identity \S+ has no role/) as string
		expect(news('waits')).toMatchObject([{ reason: 'ForbiddenByRbac', message }])
		await tenant.emulator.control.grant(role)
		expect(await readFile(join(await publishing, 'db'), 'utf8')).toBe(VALUE)
	})

	it('a pod starts without an optional secret that its identity may not read, where it may not list either', async () => {
		const role = { clientId: tenant.key.clientId, role: ROLE, vault: 'payments' }
		await tenant.emulator.control.revoke(role)
		await tenant.emulator.control.grant({ ...role, secret: 'db' })
		await set('hidden', 'hidden')
		world.bindings.apply('payments', spec({ secrets: [{ name: 'db' }, { name: 'hidden', optional: true }] }))
		tellDenied()
		expect(await readFile(join(await publish('csi-1'), 'db'), 'utf8')).toBe(VALUE)
		await until('the news', async () => news('stale').some((each) => JSON.stringify(each).includes('(hidden)')))
	})

	it('what is kept for offline starts is forgotten when the vault denies it', async () => {
		world.bindings.apply('payments', spec(OFFLINE))
		await publish('csi-1')
		await until('something kept', async () => world.plugin.offline.size === 1)
		await tenant.emulator.control.revoke({ clientId: tenant.key.clientId, role: ROLE, vault: 'payments' })
		tellAnew()
		await until('the news', async () => news('stale').length > 0)
		expect(world.plugin.offline.size).toBe(0)
	})

	it('an API server that is away is asked less and less often for a pod that runs', {
		timeout: 120_000,
	}, async () => {
		const asked: number[] = []
		let isAway = false
		await world.restart({
			onServiceAccount() {
				if (!isAway) return
				asked.push(performance.now())
				throw new KubeError('server', 'too busy')
			},
		})
		const target = await publish('csi-1')
		isAway = true
		await set('second')
		tellAnew()
		await until('four tries', async () => asked.length >= 4)
		// Each wait is at least as long as it was said to be: 1, 2 and 4 s.
		const waits = asked.slice(1).map((at, i) => at - (asked[i] ?? 0))
		expect(waits[2]).toBeGreaterThan(3_900)
		expect(news('stale')).toMatchObject([{ reason: 'ApiServerAway' }])
		isAway = false
		// Whatever is told of the binding is a reason to poll at once.
		tellAnew()
		await until('the new value', async () => (await readFile(join(target, 'db'), 'utf8')) === 'second')
	})

	it('what throws while a volume is followed is counted, told, and does not end it', async () => {
		const target = await publish('csi-1')
		const data = join(target, '..')
		// The volume is lost in a way that no pass expects: its data is a file.
		const folder = await readlink(target)
		await rm(folder, { recursive: true })
		await writeFile(folder, 'x')
		await set('second')
		tellAnew()
		await until('a failure', async () => world.plugin.failures.length > 0)
		await until('the news', async () => news('stale').length > 0)
		await rm(folder)
		await until(
			'the files again',
			async () => (await readFile(join(target, 'db'), 'utf8').catch(() => '')) === 'second',
		)
		expect(data).toBeDefined()
	})

	it('of two processes one writes, and the younger one; when it is gone, the older one serves again', {
		timeout: 30_000,
	}, async () => {
		const target = await publish('csi-1')
		const older = world.plugin
		const { registration } = dial(older.registration)
		await registration.notifyRegistrationStatus({ pluginRegistered: true })
		expect(older.serving.notReady()).toBeUndefined()
		const younger = await world.start({ root: older.root })
		await older.serving.check()
		expect(older.serving.notReady()).toBe('another process serves this node')
		expect(older.serving.registered).toBe(false)
		expect(await younger.serving.isServing()).toBe(true)
		// Killed: its sockets stay, and nobody answers.
		await younger.close()
		await until('the sockets taken back', async () => {
			await older.serving.check()
			return older.serving.isServing()
		})
		const again = dial(older.registration).registration
		expect(await again.getInfo({})).toMatchObject({ endpoint: older.csi })
		expect(older.serving.notReady()).toBe('the kubelet has not registered the driver')
		await again.notifyRegistrationStatus({ pluginRegistered: true })
		expect(older.serving.notReady()).toBeUndefined()
		expect(older.serving.notAlive()).toBeUndefined()
		await set('second')
		tellAnew()
		await until('the new value', async () => (await readFile(join(target, 'db'), 'utf8')) === 'second')
	})

	it('a volume that the other process has removed does not come back', { timeout: 30_000 }, async () => {
		const target = await publish('csi-1')
		const older = world.plugin
		const younger = await world.start({ root: older.root })
		// By a connection of its own, as a kubelet does it: the one of before still leads to the older process.
		await dial(younger.csi).node.nodeUnpublishVolume({ volumeId: 'csi-1', targetPath: target })
		expect(older.volumes.size).toBe(1)
		await younger.serving.withdraw()
		await younger.close()
		await until('the sockets taken back', async () => {
			await older.serving.check()
			return older.serving.isServing()
		})
		const since = Date.now()
		await set('second')
		tellAnew()
		// What it would write is read by then.
		await until('the read', async () =>
			(await tenant.emulator.control.requests()).some(
				({ route, at, status }) => route === 'getSecret' && status === 200 && at >= since,
			),
		)
		await until('the end of it', async () => {
			await older.volumes.sweep()
			return older.volumes.size === 0
		})
		expect(await older.inMemory()).toEqual([])
	})

	it.each(['4294967295', '9999999999'])('a group %s, which no kernel has, is refused', async (group) => {
		expect(await caught(publish('csi-1', { group }))).toMatchObject({
			code: Code.InvalidArgument,
			rawMessage: saying('fsGroup'),
		})
	})

	it('a target that is full of somebody else is not emptied', async () => {
		const target = await targetOf('csi-1')
		await mkdir(join(target, 'x'), { recursive: true })
		await chmod(target, 0o755)
		await unpublish('csi-1', target)
		expect(await readdir(target)).toEqual(['x'])
	})
})
