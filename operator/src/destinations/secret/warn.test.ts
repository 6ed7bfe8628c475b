import { expect, test } from 'vitest'
import { sampleBinding } from '../../engine/testing/binding.ts'
import type { EventInput } from '../../ports/event-recorder.ts'
import { KubeError } from '../../ports/kube-error.ts'
import { warnOfFixed, warnOfRefused } from './warn.ts'

const binding = sampleBinding()
const podOf = (name: string) => ({ metadata: { name } })

test('each owner is told once, and the first twenty only', () => {
	const events: EventInput[] = []
	let warned: ReadonlySet<string> = new Set()
	const warn = (name: string) => {
		warned = warnOfFixed(binding, podOf(name), ['environment'], warned, { record: (event) => void events.push(event) })
	}
	warn('p')
	warn('p')
	expect(events).toEqual([
		{
			regarding: {
				apiVersion: 'secrets.purista.dev/v1alpha1',
				kind: 'AzureSecretBinding',
				namespace: 'ns',
				name: 'payments',
				uid: 'u',
			},
			related: { apiVersion: 'v1', kind: 'Pod', name: 'p', namespace: 'ns' },
			type: 'Warning',
			reason: 'PodsKeepOldValues',
			action: 'RefreshPods',
			note: expect.stringMatching(/^Pod p takes the Secret mine as environment variables: /) as string,
		},
	])
	for (let i = 0; i < 100; i++) warn(`p${i}`)
	expect(events).toHaveLength(20)
})

test('who may not tell pods says so once for each permission, with the line that gives it', () => {
	const events: EventInput[] = []
	let warned: ReadonlySet<string> = new Set()
	const operator = { namespace: 'system', name: 'operator' }
	const warn = (verb: string, resource: string) => {
		const missing = { verb, resource, namespace: 'ns', name: undefined }
		const error = new KubeError('forbidden', 'no', { missing })
		warned = warnOfRefused(binding, error, operator, warned, { record: (event) => void events.push(event) })
	}
	for (let i = 0; i < 3; i++) warn('list', 'pods')
	warn('patch', 'pods/status')
	expect(events.map(({ reason }) => reason)).toEqual(['PodsNotRefreshed', 'PodsNotRefreshed'])
	expect(events[0]?.note).toContain('may not list pods in the namespace ns')
	expect(events[0]?.note).toContain('create role azure-secret-binding-list-pods --verb=list --resource=pods &&')
	expect(events[1]?.note).toContain('--verb=patch --resource=pods/status')
})
