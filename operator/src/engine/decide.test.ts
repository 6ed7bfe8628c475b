import { expect, test } from 'vitest'
import { decide } from './decide.ts'
import type { Finding } from './entry.ts'
import type { Known } from './known.ts'
import type { Poll } from './poll.ts'
import { SAMPLE_VAULT, sampleBinding } from './testing/binding.ts'
import { entryIn, FACTS, holdingWith } from './testing/world.ts'

const binding = sampleBinding()
const pollOf = (finding: Finding, settled?: boolean): Poll => {
	const known = settled === undefined ? undefined : ({ settled } as Known)
	return {
		wanted: binding.secrets,
		selectors: 'none',
		pins: { names: [], until: undefined, problem: undefined },
		ones: new Map([['a', { finding, known }]]),
		broke: undefined,
		tooMany: undefined,
	}
}
const holding = holdingWith({ a: entryIn() })
const present = { holding, accepted: new Map<string, string>() }

test.each<[string, Finding, boolean | undefined, string | undefined]>([
	['unchanged and settled', { kind: 'unchanged' }, true, undefined],
	['not looked at in between', { kind: 'unchanged' }, false, 'Unsettled'],
	['absent for the first time', { kind: 'fault', fault: { kind: 'absent' }, confirmed: false }, undefined, 'Unsettled'],
	['forbidden', { kind: 'fault', fault: { kind: 'forbiddenRbac' }, confirmed: false }, undefined, 'ForbiddenByRbac'],
])('what is to be read again says so: %s', (_, finding, settled, reason) => {
	expect(decide(binding, SAMPLE_VAULT, pollOf(finding, settled), present).results[0]?.reason).toBe(reason)
})

test('what somebody wrote that we would write is left theirs, and remembered as that', () => {
	const files = new Map([['a', { bytes: 1, foreign: 'kubectl@1' }]])
	const read = { ...holding, files, content: () => Buffer.from('ü') }
	const finding: Finding = { kind: 'value', version: 'v1', value: 'ü', facts: FACTS, settled: true }
	const decided = decide(binding, SAMPLE_VAULT, pollOf(finding, true), { ...present, holding: read })
	expect(decided.accepted).toEqual(new Map([['a', 'kubectl@1']]))
	expect(decided.results[0]?.value).toBeUndefined()
	const other = { ...read, content: () => Buffer.from('other') }
	expect(decide(binding, SAMPLE_VAULT, pollOf(finding, true), { ...present, holding: other })).toMatchObject({
		accepted: new Map(),
		results: [{ value: 'ü' }],
	})
})

test('bytes of a version of another vault are not those of this one, though the ids are the same', () => {
	const elsewhere = holdingWith({ a: entryIn() }, { vault: 'https://other.vault.azure.net' })
	const finding: Finding = { kind: 'value', version: 'v1', value: 'x', facts: FACTS, settled: true }
	const decided = decide(binding, SAMPLE_VAULT, pollOf(finding, true), { ...present, holding: elsewhere })
	expect(decided.results[0]).toMatchObject({ value: 'x', inManifest: { version: 'v1' } })
	expect(decided.results[0]?.inManifest?.vault).toBeUndefined()
	const unchanged = decide(binding, SAMPLE_VAULT, pollOf({ kind: 'unchanged' }, true), {
		...present,
		holding: elsewhere,
	})
	expect(unchanged.results[0]).toMatchObject({
		state: 'Pending',
		inManifest: { vault: 'https://other.vault.azure.net' },
	})
})
