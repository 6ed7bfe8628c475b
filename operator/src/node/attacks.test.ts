import { lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Code } from '@connectrpc/connect'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import { usePlugin, VALUE } from './testing/use-plugin.ts'

const caught = (work: Promise<unknown>) => work.catch((thrown: unknown) => thrown)
const saying = (text: string): string => expect.stringContaining(text) as string

describe('what a pod or a kubelet may do to others', { timeout: 30_000 }, () => {
	const world = usePlugin()
	const { tenant, publish, refusal, unpublish, targetOf } = world
	const news = (kind: string) => world.plugin.news.filter((each) => each.kind === kind)
	const isAt = (path: string) =>
		lstat(path).then(
			() => true,
			() => false,
		)

	it('an unpublish that comes while the target is made leaves no link to what is gone', async () => {
		const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
		await world.restart({
			strategy: (own) => ({
				...own,
				async attach(...args) {
					begun.resolve()
					await end.promise
					return own.attach(...args)
				},
			}),
		})
		const publishing = caught(publish('csi-1'))
		await begun.promise
		const target = await targetOf('csi-1')
		const unpublishing = unpublish('csi-1', target)
		// As long as a hundred calls take: it is done by then, or waits.
		const others = async () => {
			for (let i = 0; i < 100; i++) await world.kubelet.node.nodeGetInfo({})
		}
		await Promise.race([unpublishing, others()])
		end.resolve()
		await Promise.all([publishing, unpublishing])
		expect(await isAt(target)).toBe(false)
		expect(await world.plugin.inMemory()).toEqual([])
	})

	it('a publish that waits ends when its volume is unpublished, and a target that comes late is none', async () => {
		await tenant.emulator.control.addFault({ match: { vault: 'payments' }, action: 'hang' })
		const publishing = caught(publish('csi-1', {}, 25_000))
		await until('the volume', async () => world.plugin.volumes.size === 1)
		const target = await targetOf('csi-1')
		await unpublish('csi-1', target)
		expect(await publishing).toMatchObject({ code: Code.Unavailable, rawMessage: 'the volume was unpublished' })
		expect(await isAt(target)).toBe(false)
		expect(await world.plugin.inMemory()).toEqual([])
	})

	it('whoever mounts a binding again and again leaves others as much memory as it has', async () => {
		await publish('csi-0')
		const { bytes } = world.plugin.memory
		await world.restart({ nodeMemory: bytes * 6 })
		for (const id of ['csi-1', 'csi-2', 'csi-3']) await publish(id)
		expect(await refusal('csi-4')).toMatchObject({ rawMessage: saying('to other namespaces') })
		expect(news('waits')).toMatchObject([{ reason: 'SecretTooLarge', message: saying('--node-memory') }])
		// What a volume has it keeps, and one more is there for others.
		expect(world.plugin.memory.fits('of-others', bytes)).toBe(true)
		expect(world.plugin.memory.fits('csi-3', bytes)).toBe(true)
	})

	it('where no more bindings are followed a pod waits and is told once, and one that runs keeps its files', async () => {
		const target = await publish('csi-1')
		let n = 0
		const whyNot = () => `this node follows ${n++} bindings`
		await world.restart({ root: world.plugin.root, bindings: { ...world.bindings.watches, whyNot } })
		await publish('csi-1')
		for (let i = 0; i < 2; i++)
			expect(await caught(publish('csi-2'))).toMatchObject({
				code: Code.Unavailable,
				rawMessage: saying('this node follows'),
			})
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
		expect(world.plugin.news).toMatchObject([
			{ kind: 'stale', reason: 'PublishRefused' },
			{ kind: 'waits', reason: 'TooManyBindings' },
		])
	})

	it('volumes of a binding that does not exist are refused as well when a namespace has too many, and those of others are not', async () => {
		const target = await publish('csi-0')
		await world.restart({ root: world.plugin.root, mostVolumes: 6 })
		const waiting = Array.from({ length: 4 }, (_, i) => caught(publish(`csi-${i + 1}`, { binding: 'nothing' })))
		const refused = await Promise.race(waiting)
		expect(refused).toMatchObject({
			code: Code.Unavailable,
			rawMessage: saying('this node has 3 volumes of the namespace'),
		})
		await until('the others', async () => world.plugin.volumes.size === 3)
		expect(news('waits')).toContainEqual({
			kind: 'waits',
			reason: 'TooManyVolumes',
			message: saying('mount a binding once in a pod'),
		})
		// Of a pod that runs the call is answered OK, whatever there is.
		await publish('csi-0')
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
		const { token } = await tenant.tokens.request('other', 'app', 'api://AzureADTokenExchange')
		const more = { 'csi.storage.k8s.io/pod.namespace': 'other' }
		await publish('csi-other', { token, more })
		// One that is gone leaves its place to the next.
		await unpublish('csi-other', await targetOf('csi-other'))
		for (let i = 1; i <= 4; i++) await unpublish(`csi-${i}`, await targetOf(`csi-${i}`))
		await Promise.all(waiting)
		for (const id of ['csi-5', 'csi-6']) await publish(id)
	})

	it('volumes that pods have are followed after a restart, whoever calls first', async () => {
		const idOf = (n: number) => `csi-${String(n).padStart(64, '0')}`
		const publishOther = async (n: number) => {
			const { token } = await tenant.tokens.request('other', 'app', 'api://AzureADTokenExchange')
			await publish(idOf(n), { token, more: { 'csi.storage.k8s.io/pod.namespace': 'other' } })
		}
		const { root } = world.plugin
		await world.restart({ root, mostVolumes: 6 })
		for (const n of [1, 2, 3]) await publish(idOf(n))
		for (const n of [4, 5]) await publishOther(n)
		await world.restart({ root, mostVolumes: 6 })
		await publish(idOf(1))
		const refused = await caught(publishOther(6))
		for (const n of [4, 5]) await publishOther(n)
		for (const n of [2, 3]) await publish(idOf(n))
		expect(news('stale')).toEqual([])
		expect(world.plugin.volumes.size).toBe(5)
		expect(refused).toMatchObject({ rawMessage: saying('2 volumes of the namespace other') })
		// Another process has removed one: its place is free.
		await rm(join(world.plugin.memoryRoot, idOf(5)), { recursive: true })
		await world.plugin.volumes.sweep()
		await publishOther(6)
	})

	it.each<[string, (target: string) => Promise<unknown>]>([
		['a file', (target) => writeFile(target, 'x')],
		['a link', (target) => symlink('/etc', target)],
		['a directory with files', (target) => mkdir(join(target, 'x'), { recursive: true })],
	])('a target that is %s of somebody else stays, and the kubelet is told why', async (_, make) => {
		const target = await targetOf('csi-1')
		await make(target)
		const before = await lstat(target)
		expect(await caught(publish('csi-1'))).toMatchObject({ code: Code.Unavailable, rawMessage: saying('EEXIST') })
		expect((await lstat(target)).ino).toBe(before.ino)
	})

	it('many publishes of one volume at once are one volume', async () => {
		const targets = await Promise.all(Array.from({ length: 20 }, () => publish('csi-1')))
		expect(new Set(targets).size).toBe(1)
		expect(await readdir(targets[0] ?? '')).toContain('db')
		expect(world.plugin.volumes.size).toBe(1)
		expect(await tenant.count('getSecret')).toBe(1)
	})

	it('after a reboot the memory is empty and the targets lead nowhere: pods get their files again, and those that are gone leave nothing', async () => {
		const [stays, goes] = [await publish('csi-1'), await publish('csi-2')]
		const { root, memoryRoot } = world.plugin
		await world.plugin.close(true)
		for (const name of await readdir(memoryRoot)) await rm(join(memoryRoot, name), { recursive: true })
		await world.restart({ root })
		expect(await caught(readFile(join(stays, 'db')))).toMatchObject({ code: 'ENOENT' })
		await unpublish('csi-2', goes)
		expect(await isAt(goes)).toBe(false)
		await publish('csi-1')
		expect(await readFile(join(stays, 'db'), 'utf8')).toBe(VALUE)
		expect(await world.plugin.inMemory()).toEqual(['csi-1'])
	})

	it('a process that ends in the middle of a publish leaves a volume that the next one fills', async () => {
		await tenant.emulator.control.addFault({ match: { vault: 'payments' }, action: 'hang' })
		const publishing = caught(publish('csi-1', {}, 25_000))
		await until('the volume', async () => world.plugin.volumes.size === 1)
		const { root } = world.plugin
		await world.restart({ root })
		expect(await publishing).toMatchObject({ code: Code.Unavailable })
		await tenant.emulator.control.clearFaults()
		expect(await readFile(join(await publish('csi-1'), 'db'), 'utf8')).toBe(VALUE)
	})

	it('two hundred pods of two hundred bindings that start together get their files, and cost a read for each secret', async () => {
		const bindings = Array.from({ length: 200 }, (_, i) => `b${i}`)
		for (const name of bindings) world.bindings.apply(name, world.spec())
		const began = performance.now()
		await Promise.all(bindings.map((binding, i) => publish(`csi-${i}`, { binding, podUid: 'pod-1' })))
		// They share the session, and its answers, which are kept for half a minute: a busy machine may take longer for all of them.
		const times = 1 + Math.floor((performance.now() - began) / 30_000)
		expect(world.plugin.volumes.waiting).toBe(0)
		expect(await tenant.count('getSecret')).toBeLessThan(5 * times)
		await Promise.all(bindings.map(async (_, i) => unpublish(`csi-${i}`, await targetOf(`csi-${i}`))))
		expect(await world.plugin.inMemory()).toEqual([])
		expect(world.plugin.memory.bytes).toBe(0)
	})
})
