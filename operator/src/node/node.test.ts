import { mkdir, readdir, readFile, readlink, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { Code } from '@connectrpc/connect'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import { NodePublishVolumeRequestSchema } from './proto/csi_pb.ts'
import { readRequest } from './request.ts'
import { dial, publishRequest } from './testing/kubelet.ts'
import { usePlugin, VALUE } from './testing/use-plugin.ts'

describe('a plugin as the kubelet meets it', () => {
	const world = usePlugin()
	const { tenant, spec, set, token, targetOf, publish, refusal, statusOf } = world

	it('registers, says what it is, and answers what it does not have with UNIMPLEMENTED', async () => {
		const { registration } = dial(world.plugin.registration)
		expect(await registration.getInfo({})).toMatchObject({ type: 'CSIPlugin', endpoint: world.plugin.csi })
		await registration.notifyRegistrationStatus({ pluginRegistered: true })
		expect(world.plugin.serving.registered).toBe(true)
		expect(await world.kubelet.identity.getPluginInfo({})).toMatchObject({ name: 'secrets.purista.dev' })
		expect(await world.kubelet.node.nodeGetInfo({})).toMatchObject({ nodeId: 'node-1' })
		expect((await stat(world.plugin.csi)).mode & 0o777).toBe(0o700)
	})

	it('publishes the files, again without a change, and leaves nothing when the pod is gone', async () => {
		const target = await publish('csi-1')
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
		const generation = await readlink(join(target, '..data'))
		await publish('csi-1')
		expect(await readlink(join(target, '..data'))).toBe(generation)
		await world.kubelet.node.nodeUnpublishVolume({ volumeId: 'csi-1', targetPath: target })
		expect(await world.plugin.inMemory()).toEqual([])
		expect(await readdir(join(world.plugin.root, 'pods', 'csi-1'))).toEqual([])
	})

	it('reads at once what the status says is new, and never lists', { timeout: 20_000 }, async () => {
		const target = await publish('csi-1')
		await set('second')
		world.bindings.writeStatus('payments', statusOf(new Date(Date.now() + 1_000)))
		await until('the new value', async () => (await readFile(join(target, 'db'), 'utf8')) === 'second')
		expect((await tenant.emulator.control.requests()).filter(({ route }) => route === 'listSecrets')).toEqual([])
	})

	it('fifty pods of one identity cost one read and one token', async () => {
		await Promise.all(Array.from({ length: 50 }, (_, i) => publish(`csi-${i}`)))
		const requests = await tenant.emulator.control.requests()
		expect(requests.filter(({ kind }) => kind === 'token')).toHaveLength(1)
		expect(requests.filter(({ route, status }) => route === 'getSecret' && status === 200)).toHaveLength(1)
	})

	it('fifty pods read a new version once, and once more when no write can hide behind it any more', {
		timeout: 240_000,
	}, async () => {
		const reads = async () =>
			(await tenant.emulator.control.requests()).filter(({ route, status }) => route === 'getSecret' && status === 200)
		const targets = await Promise.all(Array.from({ length: 50 }, (_, i) => publish(`csi-${i}`, {}, 120_000)))
		let version = Number.POSITIVE_INFINITY
		/** Reads, once the version that counts is certain: what was read in the first second of it is read again. */
		const certain = async () => {
			const isOf = ({ at }: { at: number }) => at >= version
			const isCertain = async () => {
				const [first, second] = (await reads()).filter(isOf)
				return first === undefined || second !== undefined || first.at >= version + 1_000
			}
			await until('the read that makes certain', isCertain)
			return (await reads()).length
		}
		const inAll = (value: string) =>
			until(`${value} in all`, async () => {
				const values = await Promise.all(targets.map((target) => readFile(join(target, 'db'), 'utf8')))
				return values.every((each) => each === value)
			})
		for (const value of ['second', 'third']) {
			const before = await certain()
			const { updated } = await set(value)
			version = updated * 1000
			world.bindings.writeStatus('payments', statusOf(new Date(version)))
			await inAll(value)
			// One, the one that makes it certain, and one that may have been on its way for the version before.
			expect(await certain()).toBeLessThanOrEqual(before + 3)
		}
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
			const error = await world.kubelet.node.nodePublishVolume(request).catch((thrown: unknown) => thrown)
			expect(error).toMatchObject({ code: Code.InvalidArgument, rawMessage: expect.stringContaining(text) as string })
		}
		expect(await world.plugin.inMemory()).toEqual([])
	})

	it('takes tokens where a kubelet before 1.35 puts them', async () => {
		expect(await readFile(join(await publish('csi-1', { tokensIn: 'volumeContext' }), 'db'), 'utf8')).toBe(VALUE)
	})

	it.each([
		['of another ServiceAccount', { serviceAccount: 'other' }, 'Write serviceAccountName: app into the pod'],
		['of no binding', { binding: 'nothing' }, 'has no AzureSecretBinding nothing'],
	])('a pod %s gets nothing, and the call ends in time with the reason', async (_, more, text) => {
		const error = await refusal('csi-1', more)
		expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: expect.stringContaining(text) as string })
		expect(world.plugin.news).toMatchObject([{ kind: 'waits' }])
	})

	it('what happens to a running pod is told and takes nothing away: each republish answers OK', async () => {
		const target = await publish('csi-1')
		world.bindings.apply('payments', spec({ identity: { serviceAccountName: 'other' } }))
		await until('the news', async () => world.plugin.news.some(({ kind }) => kind === 'stale'))
		await publish('csi-1')
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
	})

	it('a volume that would be too large is refused with the sizes', async () => {
		await world.restart({ nodeMemory: 100 })
		const error = await refusal('csi-1')
		expect(error).toMatchObject({ rawMessage: expect.stringContaining('--node-memory') as string })
	})

	it.each([
		['the vault', { vault: 'payments' }],
		['Entra', { route: 'token' as const }],
	])('while %s is away, a pod starts from memory if the binding allows it', async (_, match) => {
		world.bindings.apply('payments', spec({ delivery: { type: 'Volume', volume: { offlineFor: '1h' } } }))
		await publish('csi-1')
		const target = await targetOf('csi-1')
		await world.kubelet.node.nodeUnpublishVolume({ volumeId: 'csi-1', targetPath: target })
		await tenant.emulator.control.addFault({ match, action: 'reset' })
		// The token of before would hide that Entra is away.
		await tenant.emulator.control.revokeTokens({ clientId: tenant.key.clientId })
		// What was answered before this says nothing of now.
		world.bindings.writeStatus('payments', statusOf(new Date(Date.now() + 1_000)))
		const again = await publish('csi-2')
		expect(await readFile(join(again, 'db'), 'utf8')).toBe(VALUE)
		expect(world.plugin.news).toContainEqual({ kind: 'offline' })
	})

	it('what was left behind is swept, and what pods have, or what is not ours, is not', async () => {
		const [id, dead] = [`csi-${'1'.repeat(64)}`, `csi-${'d'.repeat(64)}`]
		const target = await publish(id)
		const old = new Date(Date.now() - 3_600_000)
		for (const name of [dead, 'systemd']) {
			await mkdir(join(world.plugin.memoryRoot, name, 'data'), { recursive: true })
			await utimes(join(world.plugin.memoryRoot, name), old, old)
		}
		await utimes(join(world.plugin.memoryRoot, id, 'volume.json'), old, old)
		await world.plugin.volumes.sweep()
		expect(await world.plugin.inMemory()).toEqual([id, 'systemd'])
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
	})

	it('an unpublish that comes while a volume is opened leaves nothing of it', async () => {
		const target = await targetOf('csi-1')
		const message = create(
			NodePublishVolumeRequestSchema,
			publishRequest({ volumeId: 'csi-1', target, token: await token() }),
		)
		const request = readRequest(message, join(world.plugin.root, 'pods'))
		const publishing = world.plugin.volumes.publish(request, AbortSignal.timeout(3_000)).catch(() => {})
		await world.plugin.volumes.unpublish('csi-1', target)
		await publishing
		expect(world.plugin.volumes.size).toBe(0)
	})

	it('no line that it prints holds a value or a token', async () => {
		await publish('csi-1')
		const given = await token()
		await publish('csi-2', { token: given, tokensIn: 'volumeContext' })
		await publish('csi-3', { binding: 'nothing', token: given }, 3_500).catch(() => {})
		expect(world.printed).toContain('csi-3')
		for (const secret of [VALUE, given, given.split('.')[1] ?? '']) expect(world.printed).not.toContain(secret)
	})
})
