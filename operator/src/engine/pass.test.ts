import { expect, test } from 'vitest'
import type { BindingStatus } from '../api/schema.ts'
import { nothingKnown } from './knowledge.ts'
import { pass } from './pass.ts'
import type { Answer, Question } from './questions.ts'
import { SAMPLE_VAULT, sampleBinding } from './testing/binding.ts'
import { at, entryIn, FACTS, holdingWith, inputOf, listingOf, runWith, SOURCE, secretOf } from './testing/world.ts'

const binding = sampleBinding()
const kinds = (asked: readonly Question[]) => asked.map(({ ask }) => ask)
const UPDATED = new Date(1_700_000_000_000).toISOString().replace('.000Z', 'Z')
const ours = holdingWith({ a: entryIn({ updated: UPDATED, created: UPDATED }) })
const item = { ...FACTS, objectName: 'a' }

const first = (question: Question): Answer | undefined => {
	if (question.ask === 'readBack') return { kind: 'none' }
	if (question.ask === 'read') return { kind: 'secret', secret: secretOf('v1', 'value') }
	if (question.ask === 'write') return { kind: 'written', holding: ours }
	return undefined
}

test('a first pass reads back, reads, writes once, and asks when to come again', () => {
	const { result, asked } = runWith(pass(inputOf(binding)), first)
	expect(kinds(asked)).toEqual(['readBack', 'session', 'read', 'write', 'session'])
	const write = asked.find((question) => question.ask === 'write')
	expect(write).toMatchObject({ change: { on: undefined, create: true, drop: [], set: new Map([['a', 'value']]) } })
	expect(result).toMatchObject({ polled: true, outcome: { kind: 'polled', changed: true, nextAt: 60_000 } })
	expect(result.knowledge).toMatchObject({ source: SOURCE, polls: 1, holding: { id: 'h' } })
})

test('a pass over many secrets lets others go first between the parts of its planning, one over few does not', () => {
	const pausesOf = (count: number) => {
		const secrets = Array.from({ length: count }, (_, i) => ({ name: `f-${i}`, objectName: `o-${i}` }))
		const { asked } = runWith(pass(inputOf(sampleBinding({ secrets }))), first)
		return kinds(asked).filter((kind) => kind !== 'read')
	}
	// Before the decisions, before the change, before it is judged.
	expect(pausesOf(480)).toEqual(['readBack', 'session', 'pause', 'pause', 'pause', 'write', 'session'])
	expect(pausesOf(20)).toEqual(['readBack', 'session', 'write', 'session'])
})

test('a quiet pass asks for the list alone', () => {
	const before = runWith(pass(inputOf(binding)), first).result.knowledge
	const known = { ...before, generation: 1, overrides: binding.overrides, wholePollAt: 60_000, nextPollAt: 60_000 }
	const input = inputOf(binding, { knowledge: known, at: at(60_000) })
	const { result, asked } = runWith(
		pass(input),
		({ ask }) => (ask === 'list' ? listingOf([item]) : undefined),
		at(60_000),
	)
	expect(kinds(asked)).toEqual(['session', 'list', 'session'])
	expect(result).toMatchObject({ written: undefined, outcome: { kind: 'polled', changed: false } })
})

test('a restart asks for no value of a settled secret that agrees with the list', () => {
	const status: BindingStatus = {
		observedGeneration: 1,
		secrets: [{ name: 'a', objectName: 'a', version: 'v1', state: 'Current' }],
	}
	const answer = ({ ask }: Question): Answer | undefined =>
		ask === 'readBack' ? { kind: 'ours', holding: ours } : ask === 'list' ? listingOf([item]) : undefined
	const { asked, result } = runWith(pass(inputOf(binding, { status })), answer)
	expect(kinds(asked)).toEqual(['readBack', 'session', 'list', 'session'])
	expect(result.firstSeen).toMatchObject({ id: 'h' })
})

test.each<[string, BindingStatus['observedGeneration'], string]>([
	['a spec that was changed meanwhile', 0, SAMPLE_VAULT],
	['bytes of another vault', 1, 'https://other.vault.azure.net'],
])('a restart reads everything of %s', (_, observedGeneration, vault) => {
	const status = { observedGeneration, secrets: [{ name: 'a', objectName: 'a', version: 'v1', state: 'Current' }] }
	const answer = (question: Question): Answer | undefined =>
		question.ask === 'readBack'
			? { kind: 'ours', holding: { ...ours, manifest: { ...manifestOf(), vault } } }
			: first(question)
	const { asked } = runWith(pass(inputOf(binding, { status })), answer)
	expect(kinds(asked)).toContain('read')
})
const manifestOf = () => ours.manifest ?? expect.fail('a holding with a manifest')

test('of what was known of another identity nothing is used, and everything is read', () => {
	const before = runWith(pass(inputOf(binding)), first).result.knowledge
	const known = { ...before, generation: 1, overrides: binding.overrides, wholePollAt: 60_000, nextPollAt: 60_000 }
	const source = { ...SOURCE, clientId: '33333333-3333-4333-8333-333333333333' }
	const input = inputOf(binding, { knowledge: known, source, at: at(10_000) })
	const answer = (question: Question) =>
		question.ask === 'readBack' ? ({ kind: 'ours', holding: ours } as const) : first(question)
	const { asked, result } = runWith(pass(input), answer, at(10_000))
	expect(kinds(asked)).toEqual(['readBack', 'session', 'read', 'session'])
	expect(result.knowledge.source).toEqual(source)
})

test.each<[string, Question['ask'], Answer, object]>([
	[
		'the Secret is not ours',
		'readBack',
		{ kind: 'refused', reason: 'SecretNotOurs', message: 'm' },
		{ kind: 'refused', reason: 'SecretNotOurs' },
	],
	['the API server is away', 'readBack', { kind: 'away', error: new Error('away') }, { kind: 'interrupted' }],
	[
		'no token',
		'read',
		{ kind: 'refused', reason: 'TokenRequestRefused', message: 'm' },
		{ kind: 'refused', reason: 'TokenRequestRefused' },
	],
	[
		'the vault is away',
		'read',
		{ kind: 'fault', fault: { kind: 'unreachable' } },
		{ kind: 'failed', fault: { kind: 'unreachable' } },
	],
	[
		'the write is refused',
		'write',
		{ kind: 'refused', reason: 'SecretWriteRefused', message: 'm' },
		{ kind: 'refused', reason: 'SecretWriteRefused' },
	],
	['somebody was faster', 'write', { kind: 'lostRace' }, { kind: 'interrupted' }],
	['the answer to the write got lost', 'write', { kind: 'away', error: new Error('lost') }, { kind: 'interrupted' }],
])('%s: nothing is learnt of what was read, and it is tried again', (_, asks, answer, outcome) => {
	const { result } = runWith(pass(inputOf(binding)), (question) => (question.ask === asks ? answer : first(question)))
	expect(result.outcome).toMatchObject(outcome)
	expect(result.knowledge.secrets).toEqual(new Map())
	expect(result.written).toBeUndefined()
})

test('what is known is not changed by a pass', () => {
	const freeze = <T>(value: T): T => {
		if (typeof value === 'object' && value !== null)
			for (const each of Object.values(Object.freeze(value))) freeze(each)
		return value
	}
	const known = freeze(nothingKnown('u'))
	const snapshot = structuredClone({ ...known, secrets: [...known.secrets] })
	runWith(pass(inputOf(binding, { knowledge: known })), first)
	expect({ ...known, secrets: [...known.secrets] }).toEqual(snapshot)
})
