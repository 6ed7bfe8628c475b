import { expect, test } from 'vitest'
import type { ListedSecret } from '../ports/vault.ts'
import type { Findings } from './findings.ts'
import type { Answer, Question } from './questions.ts'
import { SAMPLE_VAULT, sampleBinding } from './testing/binding.ts'
import { at, FACTS, runWith, secretOf } from './testing/world.ts'
import { type Polling, readGroup } from './values.ts'

const binding = sampleBinding()
const polling = (rest: Partial<Polling> = {}): Polling => ({
	binding,
	vaultUrl: SAMPLE_VAULT,
	asked: { since: 0, lane: 'refresh' },
	at: at(0),
	polls: 1,
	most: Number.POSITIVE_INFINITY,
	holding: undefined,
	known: new Map(),
	absentSince: new Map(),
	seenAgain: new Set(),
	force: new Set(),
	refused: undefined,
	wanted: undefined,
	items: undefined,
	listedAt: undefined,
	statusEntries: undefined,
	...rest,
})
const ABSENT: Answer = { kind: 'fault', fault: { kind: 'absent' } }
const [wanted] = binding.secrets
const group = [wanted ?? expect.fail('a secret')] as const

/** A poll that asks at `since` or later, and hears after `waits` milliseconds that there is no such secret. */
function poll(since: number, waits: number, absentSince: ReadonlyMap<string, number>) {
	const piece = readGroup(group, polling({ asked: { since, lane: 'refresh' }, absentSince }))
	const one = runWith(piece, () => ABSENT, at(since + waits)).result.ones.get('a')
	const since1 = one?.absentSince
	return {
		absentSince: new Map(since1 === undefined ? [] : [['a', since1]]),
		confirmed: one?.finding.kind === 'fault' && one.finding.confirmed,
	}
}

test('absence counts from the first answer to the next question, however long a poll waited for its answers', () => {
	const first = poll(0, 8_000, new Map())
	expect(first).toEqual({ absentSince: new Map([['a', 8_000]]), confirmed: false })
	expect(poll(10_000, 0, first.absentSince).confirmed).toBe(false)
	// Late itself, so that it may get the answer that another binding asked for ten seconds before.
	expect(poll(17_999, 10_000, first.absentSince).confirmed).toBe(false)
	expect(poll(18_000, 0, first.absentSince).confirmed).toBe(true)
})

const PIN = '1'.repeat(32)
test.each<[string, Answer, string]>([
	['the secret is there: the pin is wrong', { kind: 'secret', secret: secretOf('v2', 'x') }, 'versionAbsent'],
	['its current version is disabled: so it is there', { kind: 'fault', fault: { kind: 'disabled' } }, 'versionAbsent'],
	['it is not', ABSENT, 'absent'],
])('a pin that is not found: %s', (_, current, expected) => {
	const answer = (question: Question) => (question.ask === 'read' && question.version === PIN ? ABSENT : current)
	const { result } = runWith(readGroup([{ ...group[0], version: PIN }], polling()), answer)
	expect(result.ones.get('a')?.finding).toMatchObject({ kind: 'fault', fault: { kind: expected } })
})

const versions = (...ids: string[]): Answer => ({
	kind: 'versions',
	listing: {
		complete: true,
		versions: ids.map((version, i) => ({ version, enabled: true, created: 100 - i, tags: {} })),
	},
})
const [isOff, isOlder] = [
	{ version: 'v2', enabled: false, created: 100, tags: {} },
	{ version: 'v1', enabled: true, created: 99, tags: {} },
]
const disabledOnly: Answer = { kind: 'versions', listing: { complete: true, versions: [isOff] } }
const withOlder: Answer = { kind: 'versions', listing: { complete: true, versions: [isOff, isOlder] } }
const disabled = { policy: { ...binding.policy, disabled: 'Previous' as const } }
const holdsOlder = (answer: Answer) =>
	answer.kind === 'versions' && answer.listing.complete && answer.listing.versions.length > 0
test.each<[string, Answer, object, string[]]>([
	[
		'an older one stands in',
		withOlder,
		{ kind: 'value', version: 'v1', standsIn: true, flaw: 'disabled' },
		['read', 'versions', 'read'],
	],
	[
		'an older one stands in, and the list of versions is of before it was disabled',
		versions('v2', 'v1'),
		{ kind: 'value', version: 'v1', standsIn: true, flaw: 'disabled' },
		['read', 'versions', 'versions', 'read'],
	],
	['there is none', disabledOnly, { kind: 'flawed', flaw: 'disabled', trouble: undefined }, ['read', 'versions']],
	[
		'the secret was deleted meanwhile',
		versions(),
		{ kind: 'flawed', flaw: 'disabled', trouble: { kind: 'absent' } },
		['read', 'versions', 'versions'],
	],
	[
		'the list is too long',
		{ kind: 'versions', listing: { complete: false, pages: 21 } },
		{ kind: 'flawed', trouble: { kind: 'historyTooLong' } },
		['read', 'versions'],
	],
	[
		'list is denied by an access policy',
		{ kind: 'fault', fault: { kind: 'accessDenied' } },
		{ kind: 'flawed', trouble: { kind: 'accessDenied' } },
		['read', 'versions'],
	],
])('a disabled version under Previous: %s', (_, listed, expected, asks) => {
	// Asked again, it is as young as the read.
	let lists = 0
	const answer = (question: Question): Answer => {
		if (question.ask === 'versions') return ++lists > 1 && holdsOlder(listed) ? withOlder : listed
		const isOlder = question.ask === 'read' && question.version !== undefined
		return isOlder ? { kind: 'secret', secret: secretOf('v1', 'old') } : { kind: 'fault', fault: { kind: 'disabled' } }
	}
	const { result, asked } = runWith(readGroup(group, polling({ binding: { ...binding, ...disabled } })), answer)
	expect(result.ones.get('a')?.finding).toMatchObject(expected)
	expect(asked.map(({ ask }) => ask)).toEqual(asks)
})

test.each([
	['was over before it was told', 10, 10_001, 1],
	['is over since it was told', 10, 9_999, 2],
	['is over, when nobody says since when', 10, undefined, 1],
	['is to come', 12, 9_999, 1],
] as const)('a version whose time %s is asked for so often', (_, seconds, answeredAt, times) => {
	const removing = { ...binding, policy: { ...binding.policy, expired: 'Remove' as const } }
	const old = { ...secretOf('v1', 'x', { expires: at(seconds * 1_000).now / 1_000 }), answeredAt }
	let reads = 0
	// Disabled meanwhile: of that the policy says something else.
	const answer = (): Answer =>
		reads++ === 0 ? { kind: 'secret', secret: old } : { kind: 'fault', fault: { kind: 'disabled' } }
	const { result, asked } = runWith(
		readGroup(group, polling({ binding: removing, at: at(11_000) })),
		answer,
		at(11_050),
	)
	expect(asked).toHaveLength(times)
	if (times === 1) return
	expect(asked.at(-1)).toMatchObject({ ask: 'read', since: 11_050 })
	expect(result.ones.get('a')?.finding).toEqual({ kind: 'flawed', flaw: 'disabled' })
})

const seconds = FACTS.updated ?? 0
test.each<[string, Answer, Partial<ListedSecret> | undefined, number]>([
	['as it is listed', { kind: 'secret', secret: secretOf('v1', 'x') }, {}, 1],
	['younger than the list', { kind: 'secret', secret: secretOf('v1', 'x', { updated: seconds + 1 }) }, {}, 1],
	['older than the list', { kind: 'secret', secret: secretOf('v1', 'x') }, { updated: seconds + 1 }, 2],
	['disabled, as it is listed', { kind: 'fault', fault: { kind: 'disabled' } }, { enabled: false }, 1],
	['disabled, and listed as enabled', { kind: 'fault', fault: { kind: 'disabled' } }, {}, 2],
	['absent, and listed', ABSENT, {}, 2],
	['absent, and not listed', ABSENT, undefined, 1],
	['forbidden, and listed', { kind: 'fault', fault: { kind: 'forbiddenRbac' } }, {}, 1],
])('what is read %s is asked for so often', (_, answer, listed, times) => {
	const items = new Map(listed ? [['a', { objectName: 'a', ...FACTS, ...listed }]] : [])
	const { asked } = runWith(readGroup(group, polling({ items })), () => answer, at(500))
	expect(asked).toHaveLength(times)
	expect(asked.at(-1)).toMatchObject({ ask: 'read', since: times === 1 ? 0 : 500 })
})

const tagged = { team: 'payments' }
const selecting = sampleBinding({ select: [{ tags: tagged }], policy: { disabled: 'Previous' } })
type Tags = Record<string, string>
test.each<[string, Tags[], object]>([
	['with the tag', [tagged], { kind: 'value', version: 'v1', standsIn: true }],
	['without it', [{}], { kind: 'leaves', why: 'deselected' }],
	['with and without it, both of one second', [tagged, {}], { kind: 'flawed', flaw: 'disabled', hidden: true }],
])('a selected secret that was shown as disabled is listed %s', (_, tagsOfNewest, expected) => {
	const newest = tagsOfNewest.map((tags, i) => ({ version: `v${i + 2}`, enabled: false, created: 100, tags }))
	const older = { version: 'v1', enabled: true, created: 99, tags: tagged }
	const answer = ({ ask, ...question }: Question): Answer => {
		if (ask === 'versions') return { kind: 'versions', listing: { complete: true, versions: [older, ...newest] } }
		const isOlder = 'version' in question && question.version !== undefined
		return isOlder ? { kind: 'secret', secret: secretOf('v1', 'old') } : { kind: 'fault', fault: { kind: 'disabled' } }
	}
	const selected = { ...group[0], selected: true as const, optional: true }
	const items = new Map([['a', { objectName: 'a', enabled: false, tags: tagged }]])
	const { result } = runWith(readGroup([selected], polling({ binding: selecting, items })), answer)
	expect(result.ones.get('a')?.finding).toMatchObject(expected)
})

test.each<[string, Answer, Findings['broke']]>([
	[
		'a fault that all would meet',
		{ kind: 'fault', fault: { kind: 'timeout' } },
		{ kind: 'fault', fault: { kind: 'timeout' } },
	],
	[
		'no token',
		{ kind: 'refused', reason: 'TokenRequestRefused', message: 'm' },
		{ kind: 'refused', reason: 'TokenRequestRefused', message: 'm' },
	],
])('%s ends the poll', (_, answer, broke) => {
	expect(runWith(readGroup(group, polling()), () => answer).result).toEqual({ ones: new Map(), broke })
})

test('files of one value are made by one question, and a value that is delivered as it is by none', () => {
	const parts = sampleBinding({
		secrets: [
			{ name: 'a', objectName: 'x', property: '/a' },
			{ name: 'b', objectName: 'x' },
		],
	})
	const [a, b] = parts.secrets
	const both = [a ?? group[0], ...(b ? [b] : [])] as const
	const answer = (question: Question): Answer =>
		question.ask === 'form'
			? {
					kind: 'formed',
					formed: [
						{ kind: 'content', content: '1' },
						{ kind: 'fault', fault: { kind: 'property', rule: 'json' } },
					],
				}
			: { kind: 'secret', secret: secretOf('v1', '{"a":1}') }
	const { result, asked } = runWith(readGroup(both, polling()), answer)
	expect(asked.map(({ ask }) => ask)).toEqual(['read', 'form'])
	expect(result.ones.get('a')).toMatchObject({ finding: { kind: 'value', value: '1' }, known: { objectName: 'x' } })
	// What failed is not known: it is read again.
	expect(result.ones.get('b')).toEqual({
		finding: { kind: 'fault', fault: { kind: 'property', rule: 'json' }, confirmed: false },
	})
	expect(runWith(readGroup(group, polling()), answer).asked.map(({ ask }) => ask)).toEqual(['read'])
})
