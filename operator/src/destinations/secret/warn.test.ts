import { expect, test } from 'vitest'
import type { EventInput } from '../../cluster/events.ts'
import { sampleBinding } from '../../engine/testing/binding.ts'
import { warnOfFixed } from './warn.ts'

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
