import { expect, test } from 'vitest'
import { fixedUses, needsRefresh, ownerOf, type PodObject } from '../destinations/secret/pods.ts'
import { createPods } from './pods.ts'

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
