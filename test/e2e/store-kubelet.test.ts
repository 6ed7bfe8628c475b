import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { quantile } from '../bench/numbers.ts'
import { bundle } from '../images/bundle.ts'
import { applyObjects, kubectl } from '../kit/kubectl.ts'
import { seededRandom } from '../kit/random.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

const UPDATES = 500
const BURST = 10
/** The readers have to see every so many updates: a fast writer and a slow kubelet must not make it a test of the last one alone. */
const CATCH_UP = 50
const READERS = ['reader-0', 'reader-1', 'reader-2', 'reader-3']
const HOGS = 3
const KEYS = 16
/** A pod that mounts what a binding may hold at most, 500 keys, is updated some times by itself. */
const MANY = 'reader-many'
const MANY_KEYS = 500
const MANY_UPDATES = 10

interface Line {
	update: number
	afterSwapMs?: number
	reads?: number
	torn?: number
	back?: number
	loads?: number
	watching?: boolean
	blockMs?: number
	turnMs?: number
}

const data = (update: number, keys = KEYS) =>
	Object.fromEntries(
		Array.from({ length: keys }, (_, i) => [`key-${i}`, Buffer.from(String(update)).toString('base64')]),
	)

describe('the store behind a real kubelet', () => {
	let world: World
	let folder: string | undefined
	const namespace = `store-kubelet-${randomUUID().slice(0, 8)}`
	const api = (path: string) => `/api/v1/namespaces/${namespace}${path}`
	let startHogs: () => Promise<unknown>
	const allReady = () =>
		kubectl(world.target, ['-n', namespace, 'wait', 'pods', '--all', '--for=condition=Ready', '--timeout=180s'])

	beforeAll(async () => {
		world = await connectWorld()
		folder = await mkdtemp(join(tmpdir(), 'asb-reader-'))
		const script = join(folder, 'reader.mjs')
		await bundle(join(import.meta.dirname, '../../runtime-store/test/kubelet-reader.ts'), script, { split: false })
		const reader = gzipSync(await readFile(script)).toString('base64')
		// A ConfigMap holds 1 MiB, the bundle with @purista/core is larger.
		const start = `import { gunzipSync } from 'node:zlib'; import { readFileSync, writeFileSync } from 'node:fs'
			writeFileSync('/tmp/reader.mjs', gunzipSync(readFileSync('/reader/reader.mjs.gz'))); await import('/tmp/reader.mjs')`
		const node = (name: string, code: string, env: Record<string, string>) => ({
			name,
			image: world.images.service,
			imagePullPolicy: 'IfNotPresent',
			command: ['/usr/local/bin/node', '--input-type=module', '-e', code],
			env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
			resources: { requests: { cpu: '10m', memory: '16Mi' } },
			securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
		})
		const pod = (name: string, spec: object) => ({
			apiVersion: 'v1',
			kind: 'Pod',
			metadata: { namespace, name },
			spec: { terminationGracePeriodSeconds: 1, ...spec },
		})
		const secure = { runAsNonRoot: true, runAsUser: 65532, fsGroup: 2000, seccompProfile: { type: 'RuntimeDefault' } }
		await applyObjects(world.target, [
			{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
			{
				apiVersion: 'v1',
				kind: 'ConfigMap',
				metadata: { namespace, name: 'reader' },
				binaryData: { 'reader.mjs.gz': reader },
			},
			{ apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'numbers' }, data: data(0) },
			{ apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'many' }, data: data(0, MANY_KEYS) },
			...[...READERS, MANY].map((name) =>
				pod(name, {
					securityContext: secure,
					containers: [
						{
							...node('reader', start, {
								MOUNT_PATH: '/secrets',
								KEYS: String(name === MANY ? MANY_KEYS : KEYS),
								LAST: String(name === MANY ? MANY_UPDATES : UPDATES),
							}),
							volumeMounts: [
								{ name: 'secrets', mountPath: '/secrets', readOnly: true },
								{ name: 'reader', mountPath: '/reader', readOnly: true },
								{ name: 'tmp', mountPath: '/tmp' },
							],
						},
					],
					volumes: [
						{ name: 'secrets', secret: { secretName: name === MANY ? 'many' : 'numbers', defaultMode: 0o440 } },
						{ name: 'reader', configMap: { name: 'reader' } },
						{ name: 'tmp', emptyDir: {} },
					],
				}),
			),
		])
		// Later: what a swap costs the event loop is not what neighbours take of the cores.
		startHogs = () =>
			applyObjects(world.target, [
				pod('hogs', {
					securityContext: { ...secure, fsGroup: undefined },
					containers: Array.from({ length: HOGS }, (_, i) => node(`hog-${i}`, 'for (;;);', {})),
				}),
			])
		await allReady()
	})
	afterAll(async () => {
		if (folder === undefined) return
		await kubectl(world.target, ['delete', 'namespace', namespace, '--wait=false'])
		await rm(folder, { recursive: true, force: true })
	})

	const lines = async (pod: string): Promise<Line[]> =>
		(await kubectl(world.target, ['-n', namespace, 'logs', pod]))
			.split('\n')
			.filter((line) => line.startsWith('{"update"'))
			.map((line) => JSON.parse(line) as Line)

	it(`${MANY_UPDATES} updates of ${MANY_KEYS} keys are seen whole, and the stops of the event loop are told`, async () => {
		const patch = (path: string, body: object) =>
			world.api.request({ method: 'PATCH', path: api(path), body, contentType: 'application/merge-patch+json' })
		let found = await until(`${MANY} ready`, async () => {
			const ready = await lines(MANY)
			return ready.length > 0 && ready
		})
		for (let update = 1; update <= MANY_UPDATES; update++) {
			await patch('/secrets/many', { data: data(update, MANY_KEYS) })
			const refresh = { metadata: { annotations: { 'secrets.purista.dev/refreshed': String(update) } } }
			await patch(`/pods/${MANY}`, refresh)
			found = await until(`update ${update} in ${MANY}`, async () => {
				const now = await lines(MANY)
				return now.at(-1)?.update === update && now
			})
		}
		const all = (pick: (line: Line) => number | undefined) => {
			const values = found.flatMap((line) => pick(line) ?? [])
			return `p50 ${quantile(values, 0.5).toFixed(0)} ms, max ${Math.max(...values).toFixed(0)} ms`
		}
		process.stdout.write(
			`${MANY_KEYS} keys, ${MANY_UPDATES} swaps: longest stop of the event loop ${all(({ blockMs }) => blockMs)}; ` +
				`longest turn in CPU time ${all(({ turnMs }) => turnMs)}\n`,
		)
		expect(found.at(-1)).toMatchObject({ torn: 0, back: 0, watching: true })
	})

	it(`${UPDATES} updates in bursts, with fsGroup and ${HOGS} busy neighbours: no torn read, and the last update is seen`, async () => {
		await startHogs()
		await allReady()
		for (const pod of READERS) await until(`${pod} ready`, async () => (await lines(pod)).length > 0)
		const random = seededRandom(1)
		const seenByAll = (update: number) =>
			Promise.all(
				READERS.map((pod) =>
					until(`update ${update} in ${pod}`, async () => {
						const found = await lines(pod)
						return found.at(-1)?.update === update && found
					}),
				),
			)
		let all: Line[][] = []
		const patch = (path: string, body: object) =>
			world.api.request({ method: 'PATCH', path: api(path), body, contentType: 'application/merge-patch+json' })
		for (let update = 1; update <= UPDATES; update++) {
			await patch('/secrets/numbers', { data: data(update) })
			// What the operator does after a write: a changed annotation makes the kubelet look at the pod's volumes at once.
			const refresh = { metadata: { annotations: { 'secrets.purista.dev/refreshed': String(update) } } }
			await Promise.all(READERS.map((pod) => patch(`/pods/${pod}`, refresh)))
			if (update % CATCH_UP === 0) all = await seenByAll(update)
			// Between bursts up to 300 ms: shorter and longer than a sync of the kubelet.
			else if (update % BURST === 0) await pause(random() * 300)
		}
		const finals = all.map((found) => found.at(-1))
		const delays = all.flatMap((found) =>
			found.flatMap(({ afterSwapMs }) => (afterSwapMs === undefined ? [] : [afterSwapMs])),
		)
		const sum = (pick: (line: Line) => number | undefined) =>
			finals.reduce((total, line) => total + ((line && pick(line)) ?? 0), 0)
		process.stdout.write(
			`${UPDATES} updates, ${READERS.length} readers: ${sum((line) => line.loads)} generations loaded, ${sum((line) => line.reads)} reads, ` +
				`${sum((line) => line.torn)} torn, ${sum((line) => line.back)} backwards; from swap to onChange p50 ${quantile(delays, 0.5).toFixed(0)} ms, ` +
				`p99 ${quantile(delays, 0.99).toFixed(0)} ms, last ${finals.map((line) => line?.afterSwapMs?.toFixed(0)).join(', ')} ms\n`,
		)
		for (const line of finals) {
			expect(line).toMatchObject({ torn: 0, back: 0, watching: true })
			expect(line?.loads).toBeGreaterThanOrEqual(UPDATES / CATCH_UP)
		}
	})
})
