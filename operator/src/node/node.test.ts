import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { Code } from '@connectrpc/connect'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import { useTenant } from '../vault/testing/tenant.ts'
import { NodePublishVolumeRequestSchema } from './proto/csi_pb.ts'
import { readRequest } from './request.ts'
import { dial, type PodOptions, publishRequest } from './testing/kubelet.ts'
import { createTestBindings, type PluginOptions, startPlugin } from './testing/plugin.ts'

const VALUE = 'canary-5f1c-of-the-node'
const AUDIENCE = 'api://AzureADTokenExchange'

describe('a plugin as the kubelet meets it', () => {
	const tenant = useTenant()
	let plugin: Awaited<ReturnType<typeof startPlugin>>
	let bindings: ReturnType<typeof createTestBindings>
	let kubelet: ReturnType<typeof dial>
	let printed: string
	const spec = (more: object = {}) => ({
		vault: { url: tenant.key.vaultUrl },
		identity: { serviceAccountName: 'app' },
		secrets: [{ name: 'db' }],
		delivery: { type: 'Volume' },
		...more,
	})
	const start = async (more: Partial<PluginOptions> = {}) => {
		plugin = await startPlugin({
			bindings: bindings.watches,
			clientId: tenant.key.clientId,
			tenantId: tenant.key.tenantId,
			vaults: (tokens) => tenant.vaults({ tokens }),
			print: (text) => {
				printed += text
			},
			...more,
		})
		kubelet = dial(plugin.csi)
	}
	const set = (value: string) => tenant.emulator.control.setSecret({ vault: 'payments', name: 'db', value })
	const token = async (serviceAccount = 'app') => (await tenant.tokens.request('team', serviceAccount, AUDIENCE)).token
	const targetOf = async (volumeId: string) => {
		const parent = join(plugin.root, 'pods', volumeId)
		await mkdir(parent, { recursive: true })
		return join(parent, 'mount')
	}
	const publish = async (volumeId: string, more: Partial<PodOptions> = {}, timeoutMs = 20_000) => {
		const target = await targetOf(volumeId)
		const request = publishRequest({ volumeId, target, token: await token(more.serviceAccount), ...more })
		await kubelet.node.nodePublishVolume(request, { timeoutMs })
		return target
	}
	beforeEach(async () => {
		printed = ''
		bindings = createTestBindings()
		bindings.apply('payments', spec())
		await set(VALUE)
		await start()
	})
	afterEach(() => plugin.close())

	it('registers, says what it is, and answers what it does not have with UNIMPLEMENTED', async () => {
		const { registration } = dial(plugin.registration)
		expect(await registration.getInfo({})).toMatchObject({ type: 'CSIPlugin', endpoint: plugin.csi })
		await registration.notifyRegistrationStatus({ pluginRegistered: true })
		expect(plugin.registered).toEqual([undefined])
		expect(await kubelet.identity.getPluginInfo({})).toMatchObject({ name: 'secrets.purista.dev' })
		expect(await kubelet.node.nodeGetInfo({})).toMatchObject({ nodeId: 'node-1' })
		expect((await stat(plugin.csi)).mode & 0o777).toBe(0o700)
	})

	it('publishes the files, again without a change, and leaves nothing when the pod is gone', async () => {
		const target = await publish('csi-1')
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
		const generation = await readlink(join(target, '..data'))
		await publish('csi-1')
		expect(await readlink(join(target, '..data'))).toBe(generation)
		await kubelet.node.nodeUnpublishVolume({ volumeId: 'csi-1', targetPath: target })
		expect(await readdir(plugin.memoryRoot)).toEqual([])
		expect(await readdir(join(plugin.root, 'pods', 'csi-1'))).toEqual([])
	})

	/** What the operator would write of a vault that it looked at now. */
	const statusOf = (updated: Date) => ({
		observedGeneration: 1,
		vault: tenant.key.vaultUrl,
		lastCheckTime: new Date().toISOString(),
		conditions: [
			{ type: 'Fresh', status: 'True', reason: 'Current', message: '', lastTransitionTime: updated.toISOString() },
		],
		secrets: [{ name: 'db', objectName: 'db', state: 'Current', updated: updated.toISOString() }],
	})
	it('reads at once what the status says is new, and never lists', { timeout: 20_000 }, async () => {
		const target = await publish('csi-1')
		await set('second')
		bindings.told('payments', statusOf(new Date(Date.now() + 1_000)))
		await until('the new value', async () => (await readFile(join(target, 'db'), 'utf8')) === 'second')
		expect((await tenant.emulator.control.requests()).filter(({ route }) => route === 'listSecrets')).toEqual([])
	})

	it('fifty pods of one identity cost one read and one token', async () => {
		await Promise.all(Array.from({ length: 50 }, (_, i) => publish(`csi-${i}`)))
		const requests = await tenant.emulator.control.requests()
		expect(requests.filter(({ kind }) => kind === 'token')).toHaveLength(1)
		expect(requests.filter(({ route, status }) => route === 'getSecret' && status === 200)).toHaveLength(1)
	})

	it('refuses what a kubelet does not send, and a token of somebody else', async () => {
		const target = await targetOf('csi-1')
		const whole = publishRequest({ volumeId: 'csi-1', target, token: await token() })
		const context = (more: Record<string, string>) => ({ ...whole, volumeContext: { ...whole.volumeContext, ...more } })
		const tokens = { 'csi.storage.k8s.io/serviceAccount.tokens': '{}' }
		for (const [request, text] of [
			[{ ...whole, readonly: false }, 'readOnly: true'],
			[context({ 'csi.storage.k8s.io/ephemeral': 'false' }), 'ephemeral'],
			[context(tokens), 'take it out of volumeAttributes'],
			[context({ binding: '../x' }), 'volumeAttributes'],
			[{ ...whole, targetPath: '/etc/cron.d/x' }, 'lies outside'],
			[{ ...whole, volumeId: '../../etc' }, 'volume_id'],
			[{ ...whole, secrets: {} }, 'no token'],
			[publishRequest({ volumeId: 'csi-1', target, token: await token('other') }), 'of another pod or ServiceAccount'],
			[publishRequest({ volumeId: 'csi-1', target, token: await token(), podUid: 'pod-2' }), 'of another pod'],
		] as const) {
			const error = await kubelet.node.nodePublishVolume(request).catch((thrown: unknown) => thrown)
			expect(error).toMatchObject({ code: Code.InvalidArgument, rawMessage: expect.stringContaining(text) as string })
		}
		expect(await readdir(plugin.memoryRoot)).toEqual([])
	})

	it('takes tokens where a kubelet before 1.35 puts them', async () => {
		expect(await readFile(join(await publish('csi-1', { tokensIn: 'volumeContext' }), 'db'), 'utf8')).toBe(VALUE)
	})

	it.each([
		['of another ServiceAccount', { serviceAccount: 'other' }, 'Write serviceAccountName: app into the pod'],
		['of no binding', { binding: 'nothing' }, 'has no AzureSecretBinding nothing'],
	])('a pod %s gets nothing, and the call ends in time with the reason', async (_, more, text) => {
		const error = await publish('csi-1', more, 3_500).catch((thrown: unknown) => thrown)
		expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: expect.stringContaining(text) as string })
		expect(plugin.news).toMatchObject([{ kind: 'waits' }])
	})

	it('what happens to a running pod is told and takes nothing away: each republish answers OK', async () => {
		const target = await publish('csi-1')
		bindings.apply('payments', spec({ identity: { serviceAccountName: 'other' } }))
		await until('the news', async () => plugin.news.some(({ kind }) => kind === 'stale'))
		await publish('csi-1')
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
	})

	it('a volume that would be too large is refused with the sizes', async () => {
		await plugin.close()
		await start({ nodeMemory: 100 })
		const error = await publish('csi-1', {}, 3_500).catch((thrown: unknown) => thrown)
		expect(error).toMatchObject({ rawMessage: expect.stringContaining('--node-memory') as string })
	})

	it('offline, a pod starts from memory if the binding allows it, and one of another identity does not', async () => {
		bindings.apply('payments', spec({ delivery: { type: 'Volume', volume: { offlineFor: '1h' } } }))
		await publish('csi-1')
		const target = await targetOf('csi-1')
		await kubelet.node.nodeUnpublishVolume({ volumeId: 'csi-1', targetPath: target })
		await tenant.emulator.control.addFault({ match: { vault: 'payments' }, action: 'reset' })
		// What was answered before this says nothing of now.
		bindings.told('payments', statusOf(new Date(Date.now() + 1_000)))
		const again = await publish('csi-2')
		expect(await readFile(join(again, 'db'), 'utf8')).toBe(VALUE)
		expect(plugin.news).toContainEqual({ kind: 'offline' })
	})

	it('what was left behind is swept, and what pods have, or what is not ours, is not', async () => {
		const [id, dead] = [`csi-${'1'.repeat(64)}`, `csi-${'d'.repeat(64)}`]
		const target = await publish(id)
		const old = new Date(Date.now() - 3_600_000)
		for (const name of [dead, 'systemd']) {
			await mkdir(join(plugin.memoryRoot, name, 'data'), { recursive: true })
			await utimes(join(plugin.memoryRoot, name), old, old)
		}
		await utimes(join(plugin.memoryRoot, id, 'volume.json'), old, old)
		await plugin.volumes.sweep()
		expect((await readdir(plugin.memoryRoot)).toSorted()).toEqual([id, 'systemd'])
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
	})

	it('an unpublish that comes while a volume is opened leaves nothing of it', async () => {
		const target = await targetOf('csi-1')
		const message = create(
			NodePublishVolumeRequestSchema,
			publishRequest({ volumeId: 'csi-1', target, token: await token() }),
		)
		const request = readRequest(message, join(plugin.root, 'pods'))
		const publishing = plugin.volumes.publish(request, AbortSignal.timeout(3_000)).catch(() => {})
		await plugin.volumes.unpublish('csi-1', target)
		await publishing
		expect(plugin.volumes.size).toBe(0)
	})

	it('an older process that ends leaves the socket of its successor', async () => {
		const root = await mkdtemp('/dev/shm/asb-node-')
		const [older] = plugin.sockets
		const next = await startPlugin({
			bindings: bindings.watches,
			clientId: tenant.key.clientId,
			tenantId: tenant.key.tenantId,
			vaults: (tokens) => tenant.vaults({ tokens }),
			root: plugin.root,
		})
		await older?.withdraw()
		expect((await dial(plugin.csi).identity.getPluginInfo({})).name).toBe('secrets.purista.dev')
		await next.close()
		await rm(root, { recursive: true })
	})

	it('no line that it prints holds a value or a token', async () => {
		await publish('csi-1')
		const given = await token()
		await publish('csi-2', { token: given, tokensIn: 'volumeContext' })
		await publish('csi-3', { binding: 'nothing', token: given }, 3_500).catch(() => {})
		expect(printed).toContain('csi-3')
		for (const secret of [VALUE, given, given.split('.')[1] ?? '']) expect(printed).not.toContain(secret)
	})
})
