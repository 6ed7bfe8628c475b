import { describe, expect, test } from 'vitest'
import type { BindingStatus, SecretStatus } from '../api/schema.ts'
import { afterSeen, basisOf, checkTimeEvery, isNews, isPassDue, trustedFor } from './by-status.ts'
import type { Change, DestinationRules, Holding } from './holding.ts'
import type { Knowledge } from './knowledge.ts'
import { pass } from './pass.ts'
import type { Answer, Question } from './questions.ts'
import { SAMPLE_VAULT, sampleBinding } from './testing/binding.ts'
import { ANYTHING, at, FACTS, holdingWith, inputOf, listingOf, runWith, secretOf } from './testing/world.ts'

const MINUTE = 60_000
const timeOf = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
const UPDATED = 1_700_000_000
const entry = (name: string, more: Partial<SecretStatus> = {}): SecretStatus => ({
	name,
	objectName: name,
	state: 'Current',
	updated: timeOf(UPDATED),
	...more,
})
const fresh = (reason: string, status: 'True' | 'False' = 'False') => ({
	conditions: [{ type: 'Fresh', status, reason, message: 'm', lastTransitionTime: timeOf(UPDATED) }],
})
/** What the operator tells: all is well, of this generation and vault, and it polled just now. */
const statusOf = (secrets: SecretStatus[], more: Partial<BindingStatus> = {}): BindingStatus => ({
	observedGeneration: 1,
	vault: SAMPLE_VAULT,
	lastCheckTime: timeOf(at(0).now / 1000),
	...fresh('Current', 'True'),
	secrets,
	...more,
})

describe('by what a node goes', () => {
	const spec = { generation: 1, interval: MINUTE }
	const ofNow = statusOf([entry('a')])
	test.each<[string, BindingStatus, { hasFiles?: boolean; ms?: number; vault?: string }, string]>([
		['a status of now is gone by', ofNow, {}, 'status'],
		['and for three intervals after it was last said', ofNow, { ms: 3 * MINUTE }, 'status'],
		[
			'one of an operator that says of no vault is never gone by',
			{ ...ofNow, vault: undefined } as BindingStatus,
			{ hasFiles: true },
			'own',
		],
		[
			'nor one of no generation',
			{ ...ofNow, observedGeneration: undefined } as unknown as BindingStatus,
			{ hasFiles: true },
			'own',
		],
		['but not for longer', ofNow, { ms: 3 * MINUTE + 1 }, 'own'],
		['one of another generation is waited for', { ...ofNow, observedGeneration: 0 }, {}, 'awaited'],
		['but not with nothing in hand', { ...ofNow, observedGeneration: 0 }, { hasFiles: false }, 'own'],
		['nor for ever', { ...ofNow, observedGeneration: 0 }, { ms: 4 * MINUTE }, 'own'],
		['one of another vault is not gone by', ofNow, { vault: 'https://b.vault.azure.net' }, 'awaited'],
		['one without any poll is not either', { ...ofNow, lastCheckTime: undefined }, { hasFiles: false }, 'own'],
		['where the operator may not list, nodes ask', { ...ofNow, ...fresh('ForbiddenByRbac') }, {}, 'own'],
		['an outage is no cause to ask more', { ...ofNow, ...fresh('VaultUnreachable') }, {}, 'status'],
		['no status at all', {}, { hasFiles: false }, 'own'],
	])('%s', (_, status, { hasFiles = true, ms = 0, vault = SAMPLE_VAULT }, kind) => {
		const known = afterSeen(undefined, status, spec.interval, at(0))
		expect(basisOf(spec, status, vault, known, hasFiles, at(ms)).kind).toBe(kind)
	})

	test('a clock that is an hour off counts at first sight alone', () => {
		const early = afterSeen(undefined, ofNow, MINUTE, at(60 * MINUTE))
		expect(basisOf(spec, ofNow, SAMPLE_VAULT, early, true, at(60 * MINUTE)).kind).toBe('own')
		const next = { ...ofNow, lastCheckTime: timeOf(at(2 * MINUTE).now / 1000) }
		const later = afterSeen(early, next, MINUTE, at(61 * MINUTE))
		expect(basisOf(spec, next, SAMPLE_VAULT, later, true, at(63 * MINUTE)).kind).toBe('status')
	})

	test.each([5_000, 20_000, 60_000, 600_000, 86_400_000])(
		'of an interval of %s ms the status says at least once that somebody looked before nodes give it up',
		(interval) => {
			// The first poll after the time has come, and a pass of a minute.
			const last = Math.ceil(checkTimeEvery(interval) / interval) * interval + Math.min(MINUTE, interval)
			expect(trustedFor(interval)).toBeGreaterThanOrEqual(last)
		},
	)
})

/** A node with one volume: its vault, what it holds, and what it asked. */
function node(spec: Record<string, unknown> = {}, rules: DestinationRules = ANYTHING) {
	const binding = sampleBinding(spec)
	const vault = new Map<string, { version: string; value: string; updated: number; enabled?: boolean }>()
	const throttled = new Set<string>()
	let knowledge: Knowledge | undefined
	let holding: Holding | undefined
	const write = ({ manifest, set, drop }: Change): Answer => {
		const gone = new Set(drop)
		holding = holdingWith(
			Object.fromEntries(Object.entries(manifest.secrets).filter(([name]) => !gone.has(name))),
			manifest,
		)
		for (const name of set.keys()) values.set(name, String(set.get(name)))
		for (const name of gone) values.delete(name)
		return { kind: 'written', holding }
	}
	const values = new Map<string, string>()
	const answer = (question: Question): Answer | undefined => {
		if (question.ask === 'readBack') return holding ? { kind: 'ours', holding } : { kind: 'none' }
		if (question.ask === 'write') return write(question.change)
		if (question.ask === 'list')
			return listingOf([...vault].map(([objectName, { updated }]) => ({ ...FACTS, updated, objectName })))
		if (question.ask !== 'read') return undefined
		if (throttled.has(question.objectName)) return { kind: 'fault', fault: { kind: 'throttled' } }
		const stored = vault.get(question.objectName)
		if (!stored) return { kind: 'fault', fault: { kind: 'absent' } }
		if (stored.enabled === false) return { kind: 'fault', fault: { kind: 'disabled' } }
		return { kind: 'secret', secret: secretOf(stored.version, stored.value, { updated: stored.updated }) }
	}
	return {
		binding,
		vault,
		/** names whose reads the vault refuses as too many */
		throttled,
		values,
		get knowledge() {
			return knowledge ?? expect.fail('no pass yet')
		},
		manifest: () => holding?.manifest?.secrets ?? {},
		/** One pass. @returns what was asked of the vault, and with which `since` */
		pass(status: BindingStatus, ms: number, seenAt = ms) {
			const input = inputOf(binding, {
				status,
				rules,
				at: at(ms),
				learnFrom: { kind: 'status', seenAt },
				...(knowledge && { knowledge }),
			})
			const { result, asked } = runWith(pass(input), answer, at(ms))
			knowledge = {
				...result.knowledge,
				generation: binding.generation,
				overrides: binding.overrides,
				wholePollAt: ms + MINUTE,
				nextPollAt: ms + MINUTE,
			}
			return asked.flatMap((question) =>
				question.ask === 'read'
					? [question.objectName]
					: question.ask === 'list' || question.ask === 'versions'
						? [question.ask]
						: [],
			)
		},
	}
}
const two = { secrets: [{ name: 'a' }, { name: 'b' }] }
const filled = (spec: Record<string, unknown> = two, rules?: DestinationRules) => {
	const one = node(spec, rules)
	for (const name of ['a', 'b']) one.vault.set(name, { version: 'v1', value: `${name}1`, updated: UPDATED })
	return one
}

describe('a node that learns from the status', () => {
	test('what it was told and could not read, because the vault was busy, is read by the next pass', () => {
		const one = filled()
		one.pass(statusOf([entry('a'), entry('b')]), 0)
		const next = { updated: timeOf(UPDATED + 60) }
		for (const name of ['a', 'b']) one.vault.set(name, { version: 'v2', value: `${name}2`, updated: UPDATED + 60 })
		const status = statusOf([entry('a', next), entry('b', next)])
		one.throttled.add('b')
		expect(one.pass(status, MINUTE)).toContain('b')
		one.throttled.clear()
		expect(one.pass(status, 2 * MINUTE)).toEqual(['b'])
		expect([...one.values]).toEqual([
			['a', 'a2'],
			['b', 'b2'],
		])
	})

	test('reads what is new once, and nothing while nothing is told', () => {
		const one = filled()
		const status = statusOf([entry('a'), entry('b')])
		expect(one.pass(status, 0)).toEqual(['a', 'b'])
		expect(isPassDue(one.knowledge, one.binding, status, at(1))).toBe(false)
		expect(one.pass(status, MINUTE)).toEqual([])
		expect([...one.values]).toEqual([
			['a', 'a1'],
			['b', 'b1'],
		])
	})

	test('what is too large for the volume is read again when something else is told, and not before', () => {
		const judge: DestinationRules['judge'] = (change) => {
			const bytes = [...change.set.values()].reduce((sum, each) => sum + each.length, 0)
			const isTooMuch = bytes > 3
			return isTooMuch
				? { kind: 'refused', reason: 'SecretTooLarge', message: 'too large', lasting: true }
				: ANYTHING.judge(change)
		}
		const one = filled(two, { most: 3, judge })
		const statusAt = (poll: number, b: Partial<SecretStatus> = {}) =>
			statusOf([entry('a'), entry('b', b)], { lastCheckTime: timeOf(at(poll * MINUTE).now / 1000) })
		expect(one.pass(statusAt(0), 0)).toEqual(['a', 'b'])
		for (let poll = 1; poll < 12; poll++) expect(one.pass(statusAt(poll), poll * MINUTE)).toEqual([])
		expect([...one.values]).toEqual([])
		one.vault.set('b', { version: 'v2', value: 'b', updated: UPDATED + 60 })
		expect(one.pass(statusAt(12, { updated: timeOf(UPDATED + 60) }), 12 * MINUTE)).toEqual(['a', 'b'])
		expect([...one.values]).toEqual([
			['a', 'a1'],
			['b', 'b'],
		])
	})

	test('reads no more of what is told than the volume takes, and says that it is too large', () => {
		const names = Array.from({ length: 40 }, (_, i) => `n${i}`)
		const judge: DestinationRules['judge'] = (change) =>
			[...change.set.values()].join('').length > 3
				? { kind: 'refused', reason: 'SecretTooLarge', message: 'too large', lasting: true }
				: ANYTHING.judge(change)
		const one = node({ secrets: names.map((name) => ({ name })) }, { most: 3, judge })
		for (const name of names) one.vault.set(name, { version: 'v1', value: 'xx', updated: UPDATED })
		const status = statusOf(names.map((name) => entry(name)))
		// Two are too much; a few more were asked for before the second one came.
		expect(one.pass(status, 0).length).toBeLessThan(10)
		expect([...one.values]).toEqual([])
		expect(one.knowledge.refused).toBeDefined()
		expect(one.pass(status, MINUTE)).toEqual([])
		for (const name of names.slice(1)) one.vault.set(name, { version: 'v2', value: '', updated: UPDATED + 60 })
		const next = { updated: timeOf(UPDATED + 60) }
		one.pass(statusOf(names.map((name, i) => entry(name, i > 0 ? next : {}))), 2 * MINUTE)
		expect(one.values.size).toBe(40)
	})

	test('reads only what is told to have changed, once, as old as the telling', () => {
		const one = filled()
		one.pass(statusOf([entry('a'), entry('b')]), 0)
		one.vault.set('b', { version: 'v2', value: 'b2', updated: UPDATED + 9 })
		const news = statusOf([entry('a'), entry('b', { updated: timeOf(UPDATED + 9) })])
		expect(isNews(one.knowledge, news)).toBe(true)
		expect(one.pass(news, 5_000, 4_000)).toEqual(['b'])
		expect(one.values.get('b')).toBe('b2')
		expect(one.pass(news, MINUTE)).toEqual([])
	})

	test('does not read for a change that it has seen by itself, nor for a reason', () => {
		const one = filled()
		const status = statusOf([entry('a'), entry('b')])
		one.pass(status, 0)
		expect(
			one.pass(statusOf([entry('a', { reason: 'SecretExpired' }), entry('b', { reason: 'Unsettled' })]), 1),
		).toEqual([])
	})

	test('reads again by itself what it has read within two seconds of its change', () => {
		const one = filled({ secrets: [{ name: 'a' }] })
		const now = at(0).now / 1000
		one.vault.set('a', { version: 'v1', value: 'a1', updated: now })
		const status = statusOf([entry('a', { updated: timeOf(now), reason: 'Unsettled' })])
		one.pass(status, 0)
		// Within the same second, so the list tells nothing.
		one.vault.set('a', { version: 'v2', value: 'a2', updated: now })
		expect(one.pass(status, 3_000)).toEqual(['a'])
		expect(one.values.get('a')).toBe('a2')
	})

	test('takes what selectors bring from the status, and asks the vault why a status of a good poll names one no more', () => {
		const one = filled({ secrets: [], select: [{ prefix: 'a' }, { prefix: 'b' }], policy: { absent: 'Remove' } })
		expect(one.pass(statusOf([entry('a', { selected: true }), entry('b', { selected: true })]), 0)).toEqual(['a', 'b'])
		expect(one.pass(statusOf([entry('a', { selected: true })], fresh('VaultUnreachable')), 1_000)).toEqual([])
		expect([...one.values.keys()]).toEqual(['a', 'b'])
		expect(one.pass(statusOf([entry('a', { selected: true })], { observedGeneration: 0 }), 2_000)).toEqual([])
		expect([...one.values.keys()]).toEqual(['a', 'b'])
		one.vault.delete('b')
		expect(one.pass(statusOf([entry('a', { selected: true })]), 3_000)).toEqual(['b'])
		expect([...one.values.keys()]).toEqual(['a', 'b'])
		expect(one.pass(statusOf([entry('a', { selected: true })]), 70_000)).toEqual(['b'])
		expect([...one.values.keys()]).toEqual(['a'])
	})

	test.each<[string, Partial<SecretStatus>, string[]]>([
		['still there', {}, ['a', 'b']],
		['held', { state: 'Absent', reason: 'RemovalsHeld' }, ['a', 'b']],
		['gone', { state: 'Absent', reason: 'SecretAbsent', updated: undefined }, ['b']],
	])('removes what is absent when its own reads say so and the status tells it as %s', (_, shown, left) => {
		const one = filled({ ...two, policy: { absent: 'Remove', maxRemovals: 0 } })
		one.pass(statusOf([entry('a', { selected: true }), entry('b', { selected: true })]), 0)
		one.vault.delete('a')
		const gone = statusOf([entry('a', { state: 'Absent', reason: 'SecretAbsent' }), entry('b', { selected: true })])
		expect(one.pass(gone, 1_000)).toEqual(['a'])
		expect([...one.values.keys()]).toEqual(['a', 'b'])
		one.pass(statusOf([entry('a', shown), entry('b', { selected: true })]), 12_000)
		one.pass(statusOf([entry('a', shown), entry('b', { selected: true })]), 30_000)
		expect([...one.values.keys()]).toEqual(left)
		// While the two disagree, each interval asks again.
		expect(one.pass(statusOf([entry('a', shown), entry('b', { selected: true })]), 100_000)).toEqual(
			shown.state ? [] : ['a'],
		)
	})

	test('keeps what is told as gone while the vault gives it', () => {
		const one = filled({ ...two, policy: { absent: 'Remove' } })
		one.pass(statusOf([entry('a'), entry('b')]), 0)
		const status = statusOf([entry('a', { state: 'Absent', updated: undefined }), entry('b')])
		one.pass(status, 1_000)
		one.pass(status, 90_000)
		expect([...one.values.keys()]).toEqual(['a', 'b'])
	})

	test('lists by itself when nobody has looked for three intervals, and goes by the status again when somebody does', () => {
		const one = filled({ secrets: [{ name: 'a' }, { name: 'b' }, { name: 'c', optional: true }] })
		one.vault.set('c', { version: 'v1', value: 'c1', updated: UPDATED })
		const all = [entry('a'), entry('b'), entry('c')]
		one.pass(statusOf(all), 0)
		one.vault.set('a', { version: 'v2', value: 'a2', updated: UPDATED + 9 })
		expect(one.pass(statusOf(all), 4 * MINUTE, 0)).toEqual(['list', 'a'])
		expect(one.values.get('a')).toBe('a2')
		const back = statusOf([entry('a', { updated: timeOf(UPDATED + 9) }), entry('b'), entry('c')], {
			lastCheckTime: timeOf(at(5 * MINUTE).now / 1000),
		})
		expect(one.pass(back, 5 * MINUTE)).toEqual([])
	})

	test('follows a version that is disabled, and enabled again', () => {
		const one = filled()
		one.pass(statusOf([entry('a'), entry('b')]), 0)
		one.vault.set('a', { version: 'v1', value: 'a1', updated: UPDATED + 5, enabled: false })
		const off = statusOf([entry('a', { state: 'Disabled' }), entry('b')])
		expect(one.pass(off, 1_000)).toEqual(['a'])
		expect(one.manifest()['a']).toMatchObject({ state: 'Disabled' })
		expect(one.pass(off, MINUTE)).toEqual([])
		one.vault.set('a', { version: 'v1', value: 'a1', updated: UPDATED + 9 })
		expect(one.pass(statusOf([entry('a', { updated: timeOf(UPDATED + 9) }), entry('b')]), 2 * MINUTE)).toEqual(['a'])
		expect(one.manifest()['a']).toMatchObject({ state: 'Current' })
	})
})
