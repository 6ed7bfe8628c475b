import { expect, test } from 'vitest'
import { fixedUses, needsRefresh, ownerOf, type PodObject } from '../destinations/secret/pod-uses.ts'
import { KubeError } from '../ports/kube-error.ts'
import { settle } from '../process/testing/fake-clock.ts'
import { TOO_LONG } from './errors.ts'
import { createPods } from './pods.ts'
import type { KubeRequest } from './transport.ts'

const LARGE = 'x'.repeat(200_000)
const pod = {
	metadata: {
		name: 'p',
		creationTimestamp: '2026-01-01T00:00:00Z',
		labels: { 'pod-template-hash': 'abc', other: LARGE },
		annotations: { 'secrets.purista.dev/refreshed': '7', other: LARGE },
		ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'shop-abc', controller: true }],
	},
	spec: {
		volumes: [
			{ name: 'v', secret: { secretName: 'mine' } },
			{ name: 'both', projected: { sources: [{ secret: { name: 'mine' } }, { configMap: { name: LARGE } }] } },
			{ name: 'config', configMap: { name: LARGE } },
		],
		containers: [
			{
				name: 'c',
				args: [LARGE],
				env: [
					{ name: 'A', value: LARGE },
					{ name: 'B', valueFrom: { secretKeyRef: { name: 'mine', key: 'b' } } },
				],
				volumeMounts: [
					{ name: 'v', mountPath: '/v' },
					{ name: 'both', mountPath: '/b', subPath: 'x' },
				],
			},
		],
		initContainers: [{ restartPolicy: 'Always', envFrom: [{ secretRef: { name: 'mine' } }] }],
	},
	status: { phase: 'Running', message: LARGE },
}
const whole: PodObject = JSON.parse(JSON.stringify(pod)) as PodObject

test('of a pod only what is looked at is kept, and it says the same', async () => {
	const request = async <T>() => ({ metadata: {}, items: [whole] }) as T
	const all: PodObject[] = []
	for await (const each of createPods({ request }).list('ns', new AbortController().signal)) all.push(each)
	const [kept] = all
	if (!kept) throw new Error('no pod')
	expect(JSON.stringify(kept).length).toBeLessThan(1_000)
	expect(fixedUses(kept, 'mine')).toEqual(['subPath', 'environment'])
	for (const of of ['mine', 'other']) {
		expect(fixedUses(kept, of)).toEqual(fixedUses(whole, of))
		for (const value of ['7', '8'])
			expect(needsRefresh(kept, of, value, Date.parse('2026-01-02T00:00:00Z'))).toBe(
				needsRefresh(whole, of, value, Date.parse('2026-01-02T00:00:00Z')),
			)
	}
	expect(ownerOf(kept)).toEqual(ownerOf(whole))
})

test('a page that is too long is asked for again with fewer pods, and the rest too', async () => {
	const limits: string[] = []
	const request = async <T>({ query = {}, maxBytes = 0 }: KubeRequest) => {
		const { limit = '', continue: from = '0' } = query
		limits.push(limit)
		// Each pod takes 1.5 MiB.
		if (Number(limit) * 1.5 * 1024 * 1024 > maxBytes) throw new KubeError('server', 'long', { code: TOO_LONG })
		const next = Number(from) + Number(limit)
		return { metadata: next < 3 ? { continue: String(next) } : {}, items: [whole] } as T
	}
	let pods = 0
	for await (const _ of createPods({ request }).list('ns', new AbortController().signal)) pods++
	expect([pods, limits]).toEqual([3, ['50', '13', '4', '1', '1', '1']])
})

test('of all bindings together two pages are read at once', async () => {
	const under: (() => void)[] = []
	const request = async <T>() => {
		await new Promise<void>((resolve) => under.push(resolve))
		return { metadata: {}, items: [whole] } as T
	}
	const pods = createPods({ request })
	const list = async (namespace: string) => {
		for await (const each of pods.list(namespace, new AbortController().signal)) expect(each.metadata.name).toBe('p')
	}
	const all = Array.from({ length: 20 }, (_, i) => list(`ns-${i}`))
	for (let left = 20; left > 0; left--) {
		await settle()
		expect(under).toHaveLength(Math.min(left, 2))
		under.shift()?.()
	}
	await Promise.all(all)
})
