// Many volumes on one node: takes minutes, so only with ASB_LONG=1.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseMetrics, sumOf } from '../bench/prometheus.ts'
import { applyBinding } from '../kit/binding.ts'
import { applyObjects, getObject, kubectl } from '../kit/kubectl.ts'
import {
	eventsOf,
	filesOf,
	inNodeRole,
	installNodeRole,
	metricsOfNodeRole,
	NODE_NAMESPACE,
	sha256,
	volumePod,
} from '../kit/node-role.ts'
import type { Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { createVolumeTenant, ensureNodeRole, removeVolumeTenant, volume } from '../kit/volume-stage.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume-many'
const PODS = 50
const NAMES = ['one', 'two', 'three', 'four', 'five']
/** Of the largest that a volume may be so many are all that a node takes (--node-memory): each value is seven pages and 2 KiB. */
const LARGE_VOLUMES = 13
/** A value has at most 25 KiB in Key Vault, and a volume 4 MiB with its manifest. */
const LARGE_VALUES = 160
const VALUE_BYTES = 25 * 1024

// The sha256 of each file of each volume, as the node has them in memory: the pods' mounts show these files.
const HASHES = `
const { readdirSync, readFileSync } = require('node:fs'), { createHash } = require('node:crypto')
const root = '/run/secrets.purista.dev'
const hash = (path) => createHash('sha256').update(readFileSync(path)).digest('hex')
const all = readdirSync(root).filter((name) => name !== '.lock').map((volume) => {
	const data = root + '/' + volume + '/data/..data'
	const names = readdirSync(data).filter((name) => !name.startsWith('.'))
	return Object.fromEntries(names.map((name) => [name, hash(data + '/' + name)]))
})
console.log(JSON.stringify(all))`

// Of the container, by the kernel, in version 2 of control groups or in version 1.
const MEMORY = `
const { existsSync, readFileSync } = require('node:fs'), root = '/sys/fs/cgroup/'
const [peak, limit, kills] = existsSync(root + 'memory.peak')
	? ['memory.peak', 'memory.max', 'memory.events']
	: ['memory/memory.max_usage_in_bytes', 'memory/memory.limit_in_bytes', 'memory/memory.oom_control']
const of = (name) => readFileSync(root + name, 'utf8').trim()
console.log(JSON.stringify({ peak: +of(peak), limit: +of(limit), kills: +/^oom_kill (\\d+)$/m.exec(of(kills))[1] }))`

describe.skipIf(process.env['ASB_LONG'] === undefined)('many volumes on one node', { timeout: 900_000 }, () => {
	let world: World
	const hashes = async () => JSON.parse(await inNodeRole(world, HASHES)) as Record<string, string>[]
	const samples = async () => parseMetrics(await metricsOfNodeRole(world))
	const start = async (pods: readonly object[], namespaces: readonly string[]) => {
		await applyObjects(world.target, pods)
		for (const namespace of namespaces)
			await kubectl(
				world.target,
				['-n', namespace, 'wait', 'pods', '--all', '--for=condition=Ready', '--timeout=600s'],
				{
					timeoutMs: 610_000,
				},
			)
	}
	const readsSince = async (since: number, { clientId }: Tenant) =>
		(await world.control.requests({ since })).filter(
			(each) => each.clientId === clientId && each.route === 'getSecret' && each.status === 200,
		)
	beforeAll(async () => {
		world = await connectWorld()
		await ensureNodeRole(world)
	})
	// What a test changed of it.
	afterAll(() => installNodeRole(world))

	describe(`${PODS} pods of one binding`, () => {
		let tenant: Tenant
		const values = new Map<string, string>()
		const set = async (name: string) => {
			const value = world.canary(`volume-many-${name}`)
			values.set(name, sha256(value))
			await world.control.setSecret({ vault: VAULT, name, value })
		}
		/** A busy machine starts some of fifty containers twice. */
		const starts = async () => {
			const { items } = await getObject<{ items: { metadata: { name: string }; status: PodStatus }[] }>(world.target, [
				...['-n', tenant.namespace, 'pods'],
			])
			return items.map(({ metadata, status }) => [
				metadata.name,
				status.containerStatuses.map(({ ready, restartCount }) => ({ ready, restartCount })),
			])
		}
		const haveAll = async () => {
			const all = await hashes()
			return all.length === PODS && all.every((files) => NAMES.every((name) => files[name] === values.get(name)))
		}
		beforeAll(async () => {
			tenant = await createVolumeTenant(world, { name: 'volume-many', vault: VAULT })
			for (const name of NAMES) await set(name)
			await applyBinding(world, tenant, { secrets: NAMES.map((name) => ({ name })), spec: volume() })
			const pods = Array.from({ length: PODS }, (_, i) => volumePod(world, tenant, { name: `app-${i}` }))
			await start(pods, [tenant.namespace])
		}, 900_000)
		afterAll(() => removeVolumeTenant(world, tenant), 300_000)

		it('the node role is upgraded under them: none is broken, no secret is read twice, and all follow the vault', async () => {
			expect(await haveAll()).toBe(true)
			const before = await starts()
			const since = Date.now()
			await installNodeRole(world)
			// The kubelet hands a volume over with its next call for it, within a minute and a half.
			const taken = async () => sumOf(await samples(), 'asb_node_volumes') === PODS
			await until('all volumes at the new process', taken, { timeoutMs: 300_000, everyMs: 2_000 })
			const took = Date.now() - since
			expect(await haveAll()).toBe(true)
			const reads = await readsSince(since, tenant)
			expect(new Set(reads.map(({ secret }) => secret)).size).toBe(reads.length)

			await set('three')
			const rotated = Date.now()
			await until('the rotation in all', haveAll, { timeoutMs: 60_000 })
			process.stdout.write(
				`${PODS} volumes at the new process after ${took} ms, ${reads.length} reads meanwhile; a rotation in all after ${Date.now() - rotated} ms\n`,
			)
			expect((await filesOf(world, tenant, 'app-0')).files['three']?.sha256).toBe(values.get('three'))
			expect(await starts()).toEqual(before)
			const told = await eventsOf(world, tenant, 'app-0')
			expect(told.filter(({ reason }) => reason.startsWith('Secrets'))).toEqual([])
		})
	})

	describe(`${LARGE_VOLUMES} volumes that are as large as they may be, each of a namespace of its own`, () => {
		const tenants: Tenant[] = []
		const names = Array.from({ length: LARGE_VALUES }, (_, i) => `large-${i}`)
		const largeValue = (name: string, revision: number) => `${name} ${revision} `.padEnd(VALUE_BYTES, 'x')
		const setAll = async (revision: number) => {
			for (const name of names) await world.control.setSecret({ vault: VAULT, name, value: largeValue(name, revision) })
		}
		const suspend = (isSuspended: boolean) =>
			Promise.all(
				tenants.map(({ namespace }) =>
					kubectl(world.target, [
						...['-n', namespace, 'patch', 'asb/payments', '--type=merge'],
						...['-p', JSON.stringify({ spec: { suspend: isSuspended } })],
					]),
				),
			)
		const have = async (revision: number) => {
			const wanted = new Map(names.map((name) => [name, sha256(largeValue(name, revision))]))
			const all = await hashes()
			return (
				all.length === LARGE_VOLUMES && all.every((files) => names.every((name) => files[name] === wanted.get(name)))
			)
		}
		beforeAll(async () => {
			// A node's small share of a vault would make this last for minutes.
			const rate = [{ op: 'add', path: '/spec/template/spec/containers/0/args/-', value: '--vault-rate=400' }]
			const set = ['-n', NODE_NAMESPACE, 'daemonset/azure-secret-binding-node']
			await kubectl(world.target, ['patch', ...set, '--type=json', '-p', JSON.stringify(rate)])
			await kubectl(world.target, ['rollout', 'status', ...set, '--timeout=180s'], { timeoutMs: 190_000 })
			await setAll(1)
			for (let i = 0; i < LARGE_VOLUMES; i++)
				tenants.push(await createVolumeTenant(world, { name: 'volume-large', vault: VAULT }))
			const secrets = names.map((name) => ({ name }))
			for (const tenant of tenants) await applyBinding(world, tenant, { secrets, spec: volume() })
			await start(
				tenants.map((tenant) => volumePod(world, tenant, { name: 'app' })),
				tenants.map(({ namespace }) => namespace),
			)
		}, 900_000)
		afterAll(async () => {
			for (const tenant of tenants) await removeVolumeTenant(world, tenant)
		}, 600_000)

		it('all their values rotate together: all arrive, and the memory limit is kept', async () => {
			expect(await have(1)).toBe(true)
			await suspend(true)
			await setAll(2)
			const rotated = Date.now()
			await suspend(false)
			await until('all values in all volumes', () => have(2), { timeoutMs: 300_000, everyMs: 2_000 })
			const took = Date.now() - rotated
			const { peak, limit, kills } = JSON.parse(await inNodeRole(world, MEMORY)) as Record<string, number>
			const mib = (bytes = 0) => (bytes / 2 ** 20).toFixed(0)
			process.stdout.write(
				`${LARGE_VOLUMES} x ${LARGE_VALUES} values rotated after ${took} ms; memory at most ${mib(peak)} of ${mib(limit)} MiB\n`,
			)
			expect(kills).toBe(0)
			expect(peak).toBeLessThan(limit ?? 0)
			await until('no pass that waits', async () => sumOf(await samples(), 'asb_node_reading_waiting') === 0)
			expect(sumOf(await samples(), 'asb_node_failures_total')).toBe(0)
		})
	})
})

interface PodStatus {
	readonly containerStatuses: readonly { readonly ready: boolean; readonly restartCount: number }[]
}
