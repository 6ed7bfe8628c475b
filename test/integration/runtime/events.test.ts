import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEventRecorder } from '../../../operator/src/cluster/events.ts'
import type { KubeError } from '../../../operator/src/ports/kube-error.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { type Api, openApi } from './api.ts'

let api: Api
beforeAll(async () => {
	api = await openApi()
})
afterAll(() => api?.close())

interface Event {
	type: string
	reason: string
	note: string
	regarding: { kind: string; name: string }
	series?: { count: number; lastObservedTime: string }
}

test('the API server takes our events, counts a series, and shows them by object', async () => {
	const errors: KubeError[] = []
	const recorder = createEventRecorder({
		transport: api.transport,
		clock: systemClock,
		reportingController: 'secrets.purista.dev/operator',
		reportingInstance: 'test',
		onError: (error) => errors.push(error),
	})
	const metadata = { name: 'subject' }
	const subject = await api.transport.request<{ metadata: { uid: string } }>({
		method: 'POST',
		path: `/api/v1/namespaces/${api.namespace}/configmaps`,
		body: { metadata },
	})
	const regarding = {
		apiVersion: 'v1',
		kind: 'ConfigMap',
		namespace: api.namespace,
		name: 'subject',
		uid: subject.metadata.uid,
	}
	for (let i = 0; i < 3; i++) {
		recorder.record({ regarding, type: 'Warning', reason: 'AccessDenied', action: 'ReadVault', note: `try ${i}` })
	}
	recorder.record({ regarding, type: 'Normal', reason: 'Synced', action: 'WriteSecret', note: 'é'.repeat(3_000) })
	await recorder.flush()
	expect(errors).toEqual([])
	const { items } = await api.transport.request<{ items: Event[] }>({
		method: 'GET',
		path: `/apis/events.k8s.io/v1/namespaces/${api.namespace}/events`,
		query: { fieldSelector: 'regarding.name=subject' },
	})
	const byReason = Object.fromEntries(items.map((event) => [event.reason, event]))
	expect(items).toHaveLength(2)
	expect(byReason['AccessDenied']).toMatchObject({ type: 'Warning', note: 'try 0', series: { count: 3 } })
	expect(byReason['Synced']).toMatchObject({ type: 'Normal', regarding: { kind: 'ConfigMap', name: 'subject' } })
	expect(byReason['Synced']?.note).toBe(`${'é'.repeat(510)}…`)
})
