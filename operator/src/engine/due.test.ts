import { describe, expect, test } from 'vitest'
import { dueAfter, isAsked, isReadBackDue, namesDue, nextWhole, sinceOf, soonest, toRead } from './due.ts'
import type { Finding } from './entry.ts'
import type { One } from './findings.ts'
import { type Knowledge, type LastPoll, nothingKnown } from './knowledge.ts'
import type { Known } from './known.ts'
import type { Moment } from './questions.ts'
import { sampleBinding } from './testing/binding.ts'
import { at, entryIn, FACTS, holdingWith, SOURCE } from './testing/world.ts'

const binding = sampleBinding()
const known = (rest: Partial<Knowledge> = {}): Knowledge => ({
	...nothingKnown('u'),
	source: SOURCE,
	generation: 1,
	overrides: binding.overrides,
	...rest,
})
const LAST: LastPoll = {
	wanted: binding.secrets,
	selectors: 'none',
	pins: { names: [], until: undefined, problem: undefined },
	findings: new Map(),
}

test.each<[string, Partial<Knowledge>, Partial<typeof binding>, string | undefined, boolean]>([
	['nothing new', {}, {}, undefined, false],
	['another generation', {}, { generation: 2 }, undefined, true],
	['never polled', { generation: undefined }, {}, undefined, true],
	['another pin or acknowledgement', {}, { overrides: 'x' }, undefined, true],
	['a request', {}, { requested: 'now' }, undefined, true],
	['a request that this process followed', { requested: 'now' }, { requested: 'now' }, undefined, false],
	['a request that the process before followed', {}, { requested: 'now' }, 'now', false],
])('whether the user asks: %s', (_, knowledge, change, lastHandledRequest, expected) => {
	const status = lastHandledRequest === undefined ? {} : { lastHandledRequest }
	expect(isAsked({ ...binding, ...change }, status, known(knowledge))).toBe(expected)
})

test.each<[string, Partial<Knowledge>, boolean, number, boolean]>([
	['not known', {}, false, 0, true],
	['known and looked for drift just now', { holding: 'none', driftCheckedAt: 0 }, false, 299_999, false],
	['drift is due', { holding: 'none', driftCheckedAt: 0 }, false, 300_000, true],
	['the user asks', { holding: 'none', driftCheckedAt: 0 }, true, 0, true],
])('whether it is read back: %s', (_, knowledge, asked, time, expected) => {
	expect(isReadBackDue(known(knowledge), asked, at(time))).toBe(expected)
})

describe('how old an answer of others may be', () => {
	const startedAt = at(500)
	const old = { ...binding, createdAt: startedAt.now - 1 }
	test.each<[string, typeof binding, Partial<Knowledge>, boolean, string[] | undefined, number]>([
		[
			'the first poll of a process, of an older binding: since it began',
			old,
			{ generation: undefined },
			true,
			undefined,
			500,
		],
		[
			'the first poll of a younger binding: now',
			{ ...binding, createdAt: startedAt.now },
			{ generation: undefined },
			true,
			undefined,
			9_000,
		],
		['who asks: now', old, { polls: 3, wholePollAt: 7_000 }, true, undefined, 9_000],
		['a poll that was planned: since its time', old, { polls: 3, wholePollAt: 7_000 }, false, undefined, 7_000],
		['one that was called before its time: now', old, { polls: 3, wholePollAt: 70_000 }, false, undefined, 9_000],
		[
			'names that are due: since the last of their times',
			old,
			{
				due: new Map([
					['a', 4_000],
					['b', 5_000],
				]),
			},
			false,
			['a', 'b'],
			5_000,
		],
	])('%s', (_, of, knowledge, asked, due, expected) => {
		expect(sinceOf(of, known(knowledge), asked, due && new Set(due), { at: at(9_000), startedAt })).toBe(expected)
	})
})

test.each<[string, Partial<Knowledge>, string[] | undefined]>([
	['a whole poll is due', { wholePollAt: 9_000, last: LAST, due: new Map([['a', 1]]) }, undefined],
	['there was none', { wholePollAt: 10_000, due: new Map([['a', 1]]) }, undefined],
	['nothing is due', { wholePollAt: 10_000, last: LAST, due: new Map([['a', 9_001]]) }, undefined],
	[
		'some are',
		{
			wholePollAt: 10_000,
			last: LAST,
			due: new Map([
				['a', 9_000],
				['b', 9_001],
			]),
		},
		['a'],
	],
])('what alone is polled: %s', (_, knowledge, expected) => {
	expect(namesDue(known(knowledge), 9_000)).toEqual(expected && new Set(expected))
})

describe('what is read again before the next whole poll', () => {
	const value: Finding = { kind: 'value', version: 'v', value: 'x', facts: FACTS, settled: false }
	const absent: Finding = { kind: 'fault', fault: { kind: 'absent' }, confirmed: false }
	const holding = holdingWith({ a: entryIn() })
	test.each<[string, One, number | undefined]>([
		['what is not settled, in 2.5 s on the grid', { finding: value }, 4_000],
		[
			'and what somebody else was answered before it, by when that was',
			{ finding: { ...value, answeredAt: 400 } },
			3_000,
		],
		['what is settled is not', { finding: { ...value, settled: true } }, undefined],
		[
			'what is not settled and was not read, when it was due before',
			{ finding: { kind: 'unchanged' }, known: { settled: false } as Known },
			3_500,
		],
		[
			'not what was settled meanwhile',
			{ finding: { kind: 'unchanged' }, known: { settled: true } as Known },
			undefined,
		],
		['what was absent once, when it counts', { finding: absent, absentSince: 600 }, 11_000],
		['what is absent for long is not', { finding: { ...absent, confirmed: true }, absentSince: 600 }, undefined],
		[
			'nor what is forbidden',
			{ finding: { kind: 'fault', fault: { kind: 'forbiddenRbac' }, confirmed: false } },
			undefined,
		],
	])('%s', (_, one, expected) => {
		const due = dueAfter(new Map([['a', one]]), { holding, source: SOURCE, due: new Map([['a', 3_500]]) }, 1_100)
		expect(due).toEqual(new Map(expected === undefined ? [] : [['a', expected]]))
		expect(soonest(known({ due }), 1_100)).toBe(expected && expected - 1_100)
	})
	test('absent and not delivered: nothing hangs on it', () => {
		const due = dueAfter(new Map([['a', { finding: absent }]]), { holding: 'none', source: SOURCE, due: new Map() }, 0)
		expect(due).toEqual(new Map())
	})
})

test.each<[string, Partial<Knowledge>, { begun: Moment; partly: boolean }, number]>([
	['the common time of the session', {}, { begun: at(500), partly: false }, 60_000],
	['one that has passed since the poll began', {}, { begun: at(-100), partly: false }, 0],
	['not the one at which the poll began', {}, { begun: at(0), partly: false }, 60_000],
	['after a poll of some: the one that was planned', { wholePollAt: 30_000 }, { begun: at(500), partly: true }, 30_000],
	[
		'when a version turns',
		{ secrets: new Map([['a', { turnAt: at(20_000).now } as Known]]) },
		{ begun: at(500), partly: false },
		20_000,
	],
	[
		'not for the time of a version that had come when it began',
		{ secrets: new Map([['a', { turnAt: at(400).now } as Known]]) },
		{ begun: at(500), partly: false },
		60_000,
	],
	[
		'for one that has come since',
		{ secrets: new Map([['a', { turnAt: at(600).now } as Known]]) },
		{ begun: at(500), partly: false },
		600,
	],
	[
		'nor after a poll of some: the whole one before has acted on it, or has planned the next for it',
		{ secrets: new Map([['a', { turnAt: at(400).now } as Known]]), wholePollAt: 30_000 },
		{ begun: at(500), partly: true },
		30_000,
	],
	[
		'for one that a poll of some has read',
		{ secrets: new Map([['a', { turnAt: at(600).now } as Known]]), wholePollAt: 30_000 },
		{ begun: at(500), partly: true },
		600,
	],
	[
		'when a pin ends',
		{ last: { ...LAST, pins: { ...LAST.pins, until: at(15_000).now } } },
		{ begun: at(500), partly: false },
		15_000,
	],
])('the next whole poll: %s', (_, knowledge, given, expected) => {
	expect(nextWhole(known(knowledge), { next: 60_000, interval: 60_000 }, at(1_000), given)).toBe(expected)
})

test.each<[string, Partial<Knowledge>, Finding | undefined, string[]]>([
	['delivered and ours', { holding: holdingWith({ a: entryIn() }) }, undefined, []],
	['the file is missing', { holding: holdingWith({}) }, undefined, ['a']],
	['missing for a known cause', { holding: holdingWith({}) }, { kind: 'flawed', flaw: 'disabled' }, []],
	['of another vault', { holding: holdingWith({ a: entryIn({ vault: 'https://b' }) }) }, undefined, ['a']],
	[
		'edited by somebody',
		{ holding: { ...holdingWith({ a: entryIn() }), files: new Map([['a', { bytes: 1, foreign: 'x@1' }]]) } },
		undefined,
		['a'],
	],
	[
		'edited, to our own value',
		{
			holding: { ...holdingWith({ a: entryIn() }), files: new Map([['a', { bytes: 1, foreign: 'x@1' }]]) },
			accepted: new Map([['a', 'x@1']]),
		},
		undefined,
		[],
	],
	['nothing is there', { holding: 'none' }, undefined, ['a']],
])('what is read whatever is known: %s', (_, knowledge, finding, expected) => {
	expect([...toRead(['a'], () => finding, known(knowledge))]).toEqual(expected)
})
