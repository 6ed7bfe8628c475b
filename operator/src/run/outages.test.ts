import { beforeEach, expect, test } from 'vitest'
import type { Reason } from '../api/conditions.ts'
import type { Condition } from '../api/schema.ts'
import type { VaultFault } from '../engine/fault.ts'
import type { Outcome } from '../engine/outcome.ts'
import { AT as at, polledOf } from '../engine/testing/samples.ts'
import type { EventInput } from '../ports/event-recorder.ts'
import { createOutages, type Outages } from './outages.ts'

const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: 'system', name: 'operator' }
const fresh = (reason: Reason): Condition => ({
	type: 'Fresh',
	status: reason === 'Current' ? 'True' : 'False',
	reason,
	message: 'm',
	lastTransitionTime: '2026-01-01T00:00:00Z',
	observedGeneration: 1,
})

let recorded: EventInput[]
let outages: Outages
let conditions: Map<string, Condition>
beforeEach(() => {
	recorded = []
	outages = createOutages({ record: (event) => recorded.push(event) }, lease)
	conditions = new Map()
})
/** A binding whose Fresh turns to `reason` at a poll with this outcome. */
const report = (key: string, outcome: Outcome, reason: Reason) => {
	const after = fresh(reason)
	outages.reported(key, outcome, { before: conditions.get(key), after })
	conditions.set(key, after)
}
const works = (key: string, vaultUrl = at.vaultUrl) =>
	report(key, polledOf({ at: { ...at, vaultUrl }, results: [] }), 'Current')
const fails = (key: string, fault: VaultFault, reason: Reason) => report(key, { kind: 'failed', fault, at }, reason)
/** Not yet told at the binding. */
const hiccups = (key: string) => fails(key, { kind: 'server' }, 'Current')
const away = (key: string) => fails(key, { kind: 'server' }, 'VaultError')
const reasons = () => recorded.map(({ type, reason }) => `${type} ${reason}`)
const restart = () => {
	outages = createOutages({ record: (event) => recorded.push(event) }, lease)
}

test('an outage is told when the first binding is told of it, with how many fail, and once; so is its end', () => {
	for (const key of ['a', 'b', 'c', 'd']) works(key)
	for (const key of ['a', 'b', 'c']) hiccups(key)
	expect(recorded).toEqual([])
	for (const key of ['a', 'b', 'c']) away(key)
	expect(recorded).toEqual([
		{
			regarding: lease,
			topic: 'payments.vault.azure.net',
			type: 'Warning',
			reason: 'VaultUnreachable',
			action: 'Look',
			note: 'The vault payments.vault.azure.net is not reached (VaultError): 3 of 4 bindings that read it could not at their last poll. What they delivered stays.',
		},
	])
	works('a')
	works('d')
	works('b')
	expect(recorded).toHaveLength(1)
	works('c')
	works('a')
	expect(reasons()).toEqual(['Warning VaultUnreachable', 'Normal VaultReachable'])
	away('a')
	expect(reasons()).toHaveLength(3)
})

test('a process that begins in an outage does not tell it again, but its end, once', () => {
	for (const key of ['a', 'b', 'c']) away(key)
	restart()
	away('a')
	away('b')
	expect(reasons()).toEqual(['Warning VaultUnreachable'])
	for (const key of ['a', 'b', 'c']) works(key)
	expect(reasons()).toEqual(['Warning VaultUnreachable', 'Normal VaultReachable'])
	away('b')
	restart()
	for (const key of ['a', 'b', 'c']) works(key)
	expect(reasons()).toHaveLength(4)
})

test('a refusal to one identity, or an Entra that is away, is no outage of the vault', () => {
	fails('a', { kind: 'forbiddenRbac' }, 'ForbiddenByRbac')
	fails('b', { kind: 'entraUnavailable' }, 'EntraUnavailable')
	works('a')
	works('b')
	expect(recorded).toEqual([])
})

test('who leaves is not waited for', () => {
	for (const key of ['a', 'b', 'c']) works(key)
	for (const key of ['a', 'b', 'c']) away(key)
	outages.gone('a')
	works('b', 'https://another.vault.azure.net')
	outages.reported('c', { kind: 'suspended' }, { before: undefined, after: undefined })
	expect(reasons()).toEqual(['Warning VaultUnreachable'])
	works('d')
	away('d')
	expect(reasons()).toEqual(['Warning VaultUnreachable', 'Warning VaultUnreachable'])
})
