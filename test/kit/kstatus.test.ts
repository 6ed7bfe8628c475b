import { describe, expect, it } from 'vitest'
import { brokenRules, flaps, kstatus, transitions, type Versioned } from './kstatus.ts'

const T0 = '2026-01-01T00:00:00Z'
const clock = () => Date.parse('2026-01-01T00:01:00Z')
type Conditions = NonNullable<NonNullable<Versioned['status']>['conditions']>
const condition = (type: string, status: 'True' | 'False' | 'Unknown', more: Partial<Conditions[number]> = {}) => ({
	type,
	status,
	reason: status === 'True' ? 'Delivered' : 'VaultTimeout',
	message: 'A sentence.',
	lastTransitionTime: T0,
	observedGeneration: 2,
	...more,
})
const good = [condition('Ready', 'True'), condition('Fresh', 'True', { reason: 'Current' })]
const binding = (conditions: Conditions, status: object = {}, metadata: object = {}): Versioned => ({
	metadata: { name: 'payments', generation: 2, ...metadata },
	status: { observedGeneration: 2, conditions, ...status },
})
const away = (...more: Conditions) => [condition('Ready', 'False'), condition('Fresh', 'False'), ...more]

describe('kstatus', () => {
	it.each<[string, Versioned, string]>([
		['Ready is current', binding(good), 'Current'],
		['an older generation is in progress', binding(good, { observedGeneration: 1 }), 'InProgress'],
		['Reconciling is in progress', binding(away(condition('Reconciling', 'True'))), 'InProgress'],
		['Reconciling counts before Ready', binding([...good, condition('Reconciling', 'True')]), 'InProgress'],
		['Stalled has failed', binding(away(condition('Stalled', 'True'))), 'Failed'],
		['not Ready is in progress', binding(away()), 'InProgress'],
		['Ready unknown is in progress', binding([condition('Ready', 'Unknown')]), 'InProgress'],
		['deletion comes first', binding(good, {}, { deletionTimestamp: T0 }), 'Terminating'],
		['nothing said is current', { metadata: { name: 'payments', generation: 1 } }, 'Current'],
	])('%s', (_, object, expected) => {
		expect(kstatus(object)).toBe(expected)
	})
})

describe('a status', () => {
	it.each<[string, Versioned, Versioned | undefined]>([
		['that is not there yet', { metadata: { name: 'payments', generation: 1 } }, undefined],
		['that is Ready', binding(good), undefined],
		['that waits', binding(away(condition('Reconciling', 'True'))), binding(good)],
		['whose time stays', binding(good), binding(good)],
	])('%s breaks no rule', (_, now, before) => {
		expect(brokenRules(now, before, clock)).toEqual([])
	})

	const [ready, fresh] = good as [Conditions[number], Conditions[number]]
	it.each<[string, Versioned, Versioned | undefined]>([
		['the status says which generation', binding(good, { observedGeneration: undefined }), undefined],
		['observedGeneration is not ahead', binding(good, { observedGeneration: 3 }), undefined],
		['observedGeneration does not go back', binding(good, { observedGeneration: 1 }), binding(good)],
		['each type of condition is there once', binding([...good, ready]), undefined],
		['Ready is there', binding([fresh]), undefined],
		['Fresh is there', binding([ready]), undefined],
		['never both', binding(away(condition('Reconciling', 'True'), condition('Stalled', 'True'))), undefined],
		['Stalled is there only while', binding(away(condition('Stalled', 'False'))), undefined],
		['Reconciling is not there while Ready', binding([...good, condition('Reconciling', 'True')]), undefined],
		['Shiny is a type of ours', binding([...good, condition('Shiny', 'True')]), undefined],
		['Ready is about the generation', binding([{ ...ready, observedGeneration: 1 }, fresh]), undefined],
		['the reason of Ready is listed', binding([{ ...ready, reason: 'toString' }, fresh]), undefined],
		['Ready has a message', binding([{ ...ready, message: ' ' }, fresh]), undefined],
		['Ready is a time in UTC', binding([{ ...ready, lastTransitionTime: '2026-01-01' }, fresh]), undefined],
		['Ready is a time in UTC', binding([{ ...ready, lastTransitionTime: '2026-13-01T00:00:00Z' }, fresh]), undefined],
		['is not in the future', binding([{ ...ready, lastTransitionTime: '2026-01-02T00:00:00Z' }, fresh]), undefined],
		[
			'Ready stays while its status stays',
			binding([{ ...ready, lastTransitionTime: '2026-01-01T00:00:30Z' }, fresh]),
			binding(good),
		],
		[
			'Ready does not go back',
			binding(good),
			binding([condition('Ready', 'False', { lastTransitionTime: '2026-01-01T00:00:30Z' }), fresh]),
		],
	])('breaks the rule: %s', (rule, now, before) => {
		expect(brokenRules(now, before, clock).join('\n')).toContain(rule)
	})
})

describe('versions of a status', () => {
	const [up, down] = [binding(good), binding(away(condition('Stalled', 'True')))]
	it('tell each way a condition went', () => {
		expect(transitions([up, up, down, up], 'Stalled')).toEqual(['absent → True Delivered', 'True Delivered → absent'])
	})
	it('that turn once each way do not flap', () => {
		expect(flaps([up, down, down, up])).toEqual([])
	})
	it('that turn the same way twice do', () => {
		expect(flaps([up, down, up, down]).join('\n')).toContain('Ready went twice: True Delivered → False VaultTimeout')
	})
	it('flap by their reason as well', () => {
		const other = binding(away().map((each) => ({ ...each, reason: 'VaultError' })))
		expect(flaps([binding(away()), other, binding(away()), other])).toHaveLength(2)
	})
})
