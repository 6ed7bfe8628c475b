import { describe, expect, it } from 'vitest'
import type { BindingStatus } from '../api/schema.ts'
import { statusPatch } from './patch.ts'

const status: BindingStatus = {
	observedGeneration: 1,
	synced: '1/1',
	conditions: [{ type: 'Ready', status: 'True', reason: 'Delivered', message: 'm', lastTransitionTime: 't' }],
	secrets: [{ name: 'a', objectName: 'a', state: 'Current' }],
}

describe('the patch of a status', () => {
	it('is none when nothing changed, whatever the order of keys', () => {
		const reordered = {
			secrets: [{ state: 'Current', objectName: 'a', name: 'a' }],
			synced: '1/1',
			conditions: status.conditions,
			observedGeneration: 1,
		}
		expect(statusPatch(status, reordered)).toBeUndefined()
	})
	it('has only what changed', () => {
		expect(statusPatch(status, { ...status, synced: '0/1' })).toEqual({ synced: '0/1' })
	})
	it('replaces lists as a whole', () => {
		expect(statusPatch(status, { ...status, secrets: [] })).toEqual({ secrets: [] })
	})
	it('takes fields away with null', () => {
		const { synced: _, ...rest } = status
		expect(statusPatch(status, rest)).toEqual({ synced: null })
	})
})
