import { describe, expect, test } from 'vitest'
import { type ChangeInput, changeOf, planChange } from './change.ts'
import { decideEntry, type EntryResult, type Finding } from './entry.ts'
import type { Change, DestinationRules, Verdict } from './holding.ts'
import { SAMPLE_VAULT, sampleBinding } from './testing/binding.ts'
import { contextOf } from './testing/samples.ts'
import { entryIn, FACTS, holdingWith, runWith } from './testing/world.ts'

const binding = sampleBinding({ secrets: [{ name: 'a' }, { name: 'b' }], policy: { absent: 'Remove' } })
const holding = holdingWith({ a: entryIn(), b: entryIn({ objectName: 'b' }) })
const value = (version: string): Finding => ({ kind: 'value', version, value: version, facts: FACTS, settled: true })
const ABSENT: Finding = { kind: 'fault', fault: { kind: 'absent' }, confirmed: true }
const resultsOf = (findings: Finding[], there = holding): EntryResult[] =>
	binding.secrets.map((wanted, i) =>
		decideEntry(
			wanted,
			findings[i] ?? { kind: 'unchanged' },
			there.manifest?.secrets[wanted.name],
			contextOf({ absent: 'Remove' }),
		),
	)
const inputOf = (results: readonly EntryResult[], rest: Partial<ChangeInput> = {}): ChangeInput => ({
	binding,
	vaultUrl: SAMPLE_VAULT,
	results,
	holding,
	revision: 1,
	...rest,
})
const noFindings = { ones: new Map(), selectors: 'none' as const }

/** Refuses what touches these files, and says whether without them the rest is taken. */
const refusing = (files: readonly string[], rest = true): DestinationRules => ({
	judge({ set, drop }: Change): Verdict {
		const touched = files.filter((name) => set.has(name) || drop.includes(name))
		if (touched.length === 0) return set.size + drop.length > 0 ? { kind: 'fits', files: true } : { kind: 'nothing' }
		return { kind: 'refused', reason: 'SecretWriteRefused', message: 'no', files: rest ? touched : undefined }
	},
})
const plan = (results: EntryResult[], rules: DestinationRules) =>
	runWith(
		planChange(inputOf(results), noFindings, rules, () => 'd'),
		() => undefined,
	).result

describe('what a destination refuses', () => {
	test.each<
		[
			string,
			Finding[],
			DestinationRules,
			{ set: string[]; drop: string[]; withheld: readonly string[] | undefined; verdict: string },
		]
	>([
		[
			'nothing: all is asked for',
			[value('v2'), value('v2')],
			refusing([]),
			{ set: ['a', 'b'], drop: [], withheld: undefined, verdict: 'fits' },
		],
		[
			'a value: its neighbour goes on',
			[value('v2'), value('v2')],
			refusing(['a']),
			{ set: ['b'], drop: [], withheld: ['a'], verdict: 'fits' },
		],
		[
			'a removal: its neighbour goes on',
			[ABSENT, value('v2')],
			refusing(['a']),
			{ set: ['b'], drop: [], withheld: ['a'], verdict: 'fits' },
		],
		[
			'all that there is: nothing is left to do',
			[value('v2'), { kind: 'unchanged' }],
			refusing(['a']),
			{ set: [], drop: [], withheld: ['a'], verdict: 'nothing' },
		],
		[
			'the whole',
			[value('v2'), value('v2')],
			refusing(['a'], false),
			{ set: ['a', 'b'], drop: [], withheld: undefined, verdict: 'refused' },
		],
	])('%s', (_, findings, rules, expected) => {
		const { change, withheld, verdict } = plan(resultsOf(findings), rules)
		expect({
			set: [...change.set.keys()],
			drop: change.drop,
			withheld: withheld?.names,
			verdict: verdict.kind,
		}).toEqual(expected)
	})

	test('what stays out is what it was, and says why', () => {
		const [a] = plan(resultsOf([value('v2'), value('v2')]), refusing(['a'])).results
		expect(a).toMatchObject({
			inManifest: { version: 'v1' },
			value: undefined,
			state: 'Current',
			reason: 'SecretWriteRefused',
		})
	})

	test('files of one value stay out together', () => {
		const pair = sampleBinding({
			secrets: [
				{ name: 'a', objectName: 'x' },
				{ name: 'b', objectName: 'x' },
			],
		})
		const there = holdingWith({ a: entryIn({ objectName: 'x' }), b: entryIn({ objectName: 'x' }) })
		const results = pair.secrets.map((wanted) =>
			decideEntry(wanted, value('v2'), there.manifest?.secrets[wanted.name], contextOf()),
		)
		const input = { ...inputOf(results), binding: pair, holding: there }
		const { withheld, verdict } = runWith(
			planChange(input, noFindings, refusing(['a']), () => 'd'),
			() => undefined,
		).result
		expect({ names: withheld?.names, verdict: verdict.kind }).toEqual({ names: ['a', 'b'], verdict: 'nothing' })
	})
})

describe('the manifest', () => {
	const elsewhere = 'https://other.vault.azure.net'
	test('is the one that is there while it still describes what is there', () => {
		expect(changeOf(inputOf(resultsOf([]))).manifest).toBe(holding.manifest)
	})
	test('says which bytes are of another vault, and where their names lead', () => {
		const [a, b] = resultsOf([value('v2'), { kind: 'fault', fault: { kind: 'forbiddenRbac' }, confirmed: false }])
		const old = { ...b, inManifest: entryIn({ objectName: 'b', vault: elsewhere }) } as EntryResult
		const { manifest } = changeOf(inputOf([a, old].filter((each) => each !== undefined)))
		expect(manifest).toMatchObject({ revision: 2, vault: SAMPLE_VAULT, secrets: { b: { vault: elsewhere } } })
		expect(manifest.secrets['a']?.vault).toBeUndefined()
		expect(manifest.wanted).toEqual({ b: { objectName: 'b' } })
	})
	test('lists wanted names without a file, with pin and form', () => {
		const version = '1'.repeat(32)
		const some = sampleBinding({ secrets: [{ name: 'a', version, property: '/x' }] })
		const results = some.secrets.map((wanted) => decideEntry(wanted, ABSENT, undefined, contextOf()))
		const { manifest } = changeOf({ ...inputOf(results), binding: some, holding: undefined })
		expect(manifest.wanted).toEqual({ a: { objectName: 'a', version, form: 'property=/x' } })
	})
})
