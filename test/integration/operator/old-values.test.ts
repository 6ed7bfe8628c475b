// Pods that no pod refresh helps: they are told of once, by an event at the binding.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { openStage, type Stage, value } from './stage.ts'

interface EventObject {
	type: string
	reason: string
	note: string
	regarding: { kind: string; name: string }
	related?: { kind: string; name: string }
}

describe('pods that keep old values', () => {
	let stage: Stage
	beforeAll(async () => {
		stage = await openStage({ name: 'oldvalues' })
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: 'one' })
		// No kubelet runs them: a name of a node that does not exist (one of its own: the API server's collector takes pods of
		// nodes away that it has missed for 40 s), and a status as the kubelet would write it.
		const pods = `/api/v1/namespaces/${stage.namespace}/pods`
		const create = async (name: string, container: object) => {
			await stage.create(pods, {
				metadata: { name },
				spec: {
					nodeName: `no-such-node-${stage.namespace}`,
					serviceAccountName: 'payments',
					automountServiceAccountToken: false,
					containers: [{ name: 'c', image: 'none', ...container }],
					volumes: [{ name: 'v', secret: { secretName: 'payments-secrets' } }],
				},
			})
			await stage.merge(`${pods}/${name}/status`, { status: { phase: 'Running' } })
		}
		await create('directory', { volumeMounts: [{ name: 'v', mountPath: '/v' }] })
		await create('file', { volumeMounts: [{ name: 'v', mountPath: '/v/a', subPath: 'a' }] })
		await create('variables', { envFrom: [{ secretRef: { name: 'payments-secrets' } }] })
		await stage.start()
		await stage.apply('payments', { secrets: [{ name: 'a' }] })
	})
	afterAll(() => stage?.close())

	const warnings = async () => {
		const { items } = await stage.api.request<{ items: EventObject[] }>({
			method: 'GET',
			path: `/apis/events.k8s.io/v1/namespaces/${stage.namespace}/events`,
		})
		return items.filter(({ reason }) => reason === 'PodsKeepOldValues')
	}
	const rotate = async (text: string) => {
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: text })
		await until(text, async () => value(await stage.secret('payments-secrets'), 'a') === text)
		const { resourceVersion } = (await stage.secret('payments-secrets'))?.metadata ?? {}
		await until('the pod refresh of the pod that mounts the directory', async () => {
			const path = `/api/v1/namespaces/${stage.namespace}/pods/directory`
			const pod = await stage.api.request<{ metadata: { annotations?: Record<string, string> } }>({
				method: 'GET',
				path,
			})
			return pod.metadata.annotations?.['secrets.purista.dev/refreshed'] === resourceVersion
		})
	}

	it('are told of by name, and those that refresh are not', async () => {
		await until('the Secret', async () => value(await stage.secret('payments-secrets'), 'a') === 'one')
		await rotate('two')
		const found = await until('two events', async () => {
			const events = await warnings()
			return events.length >= 2 ? events : undefined
		})
		expect(found.map(({ related }) => `${related?.kind} ${related?.name}`).toSorted()).toEqual([
			'Pod file',
			'Pod variables',
		])
		for (const { type, regarding, note, related } of found) {
			expect([type, regarding.kind, regarding.name]).toEqual(['Warning', 'AzureSecretBinding', 'payments'])
			expect(note).toContain(related?.name === 'file' ? 'subPath' : 'environment variables')
		}
	})

	it('once, however often the Secret rotates', async () => {
		await rotate('three')
		await rotate('four')
		const events = await warnings()
		expect(events).toHaveLength(2)
		// A repetition would be counted in the series of the first one.
		expect(events.filter((event) => 'series' in event && event.series)).toEqual([])
	})
})
