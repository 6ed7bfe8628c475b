import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { describe, expect, it } from 'vitest'
import { parseAnnotatedPins } from '../api/annotated-pins.ts'
import { brakeRemovals } from './brake.ts'
import { decideEntry, type EntryResult, type Finding } from './entry.ts'
import { flawOf, nextTurn, policyFor } from './flaw.ts'
import { pinByAnnotation } from './pin.ts'
import { contextOf, POLICY } from './testing/samples.ts'

const V1 = '1'.repeat(32)
const wanted = { name: 'db', objectName: 'db', optional: false }
const before: ManifestSecret = {
	objectName: 'db',
	version: V1,
	state: 'Current',
	pinned: false,
	tags: {},
	previous: [{ version: '0'.repeat(32) }],
}

describe('a version that is flawed', () => {
	const facts = { enabled: true, tags: {} }
	it.each([
		['disabled', { ...facts, enabled: false, expires: 1 }],
		['expired', { ...facts, expires: 10 }],
		['notYetValid', { ...facts, notBefore: 11 }],
		[undefined, { ...facts, notBefore: 10, expires: 11 }],
	])('%s', (flaw, given) => expect(flawOf(given, 10_000)).toBe(flaw))

	it('turns when its time comes or is over, for a policy that heeds it', () => {
		const timed = { ...facts, notBefore: 20, expires: 30 }
		const heeding = { ...POLICY, expired: 'Remove', notYetValid: 'Previous' } as const
		expect(nextTurn(timed, POLICY, 0)).toBeUndefined()
		expect(nextTurn(timed, heeding, 0)).toBe(20_000)
		expect(nextTurn(timed, heeding, 20_000)).toBe(30_000)
		expect(nextTurn(timed, heeding, 30_000)).toBeUndefined()
	})
	it('has no other version standing in when it is pinned', () => {
		expect(policyFor('disabled', { ...POLICY, disabled: 'Previous' }, true)).toBe('Keep')
		expect(policyFor('disabled', { ...POLICY, disabled: 'Previous' }, false)).toBe('Previous')
	})

	const decide = (
		finding: Finding,
		policy: Parameters<typeof contextOf>[0],
		inManifest: ManifestSecret | undefined = before,
	) => decideEntry(wanted, finding, inManifest, contextOf(policy))
	it('disabled under Keep: stays and is marked, and Fresh says so', () => {
		expect(decide({ kind: 'flawed', flaw: 'disabled' }, {})).toMatchObject({
			inManifest: { ...before, state: 'Disabled' },
			remove: false,
			state: 'Disabled',
			fault: { kind: 'disabled' },
			asAsked: false,
		})
	})
	it('disabled under Remove: goes, as asked', () => {
		expect(decide({ kind: 'flawed', flaw: 'disabled' }, { disabled: 'Remove' })).toMatchObject({
			inManifest: undefined,
			remove: true,
			instead: { state: 'Disabled' },
			asAsked: true,
		})
	})
	it('disabled under Remove, and hidden whether it is selected any more: stays, marked', () => {
		expect(decide({ kind: 'flawed', flaw: 'disabled', hidden: true }, { disabled: 'Remove' })).toMatchObject({
			inManifest: { ...before, state: 'Disabled' },
			remove: false,
			fault: { kind: 'disabled' },
		})
	})
	it('expired under Remove: goes; nothing there: nothing to do', () => {
		expect(decide({ kind: 'flawed', flaw: 'expired' }, { expired: 'Remove' })).toMatchObject({
			remove: true,
			state: 'Expired',
		})
		expect(
			decideEntry(wanted, { kind: 'flawed', flaw: 'expired' }, undefined, contextOf({ expired: 'Remove' })),
		).toMatchObject({ remove: false, state: 'Expired', asAsked: true })
	})
	it('with an older version standing in: delivered as Previous, with the reason and no fault', () => {
		const older: Finding = {
			kind: 'value',
			version: '0'.repeat(32),
			value: 'old',
			facts,
			settled: true,
			flaw: 'disabled',
			standsIn: true,
		}
		expect(decide(older, { disabled: 'Previous' })).toMatchObject({
			inManifest: { state: 'Previous', version: '0'.repeat(32) },
			value: 'old',
			reason: 'SecretDisabled',
			fault: undefined,
		})
	})
	it('whose older versions cannot be ordered: stays, and says so', () => {
		const tied: Finding = { kind: 'flawed', flaw: 'disabled', trouble: { kind: 'versionTie' } }
		expect(decide(tied, { disabled: 'Previous' })).toMatchObject({ remove: false, reason: 'VersionTie' })
	})
	it('expired under Keep: delivered all the same', () => {
		const expired: Finding = { kind: 'value', version: V1, value: 'x', facts, settled: true, flaw: 'expired' }
		expect(decide(expired, {})).toMatchObject({ state: 'Current', reason: 'SecretExpired', fault: undefined })
	})
})

describe('what no selector wants any more', () => {
	const selected = { ...wanted, optional: true, selected: true } as const
	const decide = (why: 'deselected' | 'selectors', policy: Parameters<typeof contextOf>[0]) =>
		decideEntry(selected, { kind: 'leaves', why }, before, contextOf(policy))
	it('stays under Keep when the vault changed, marked', () => {
		expect(decide('deselected', {})).toMatchObject({
			inManifest: { state: 'Deselected' },
			remove: false,
			fault: undefined,
		})
	})
	it('goes under Remove', () => {
		expect(decide('deselected', { deselected: 'Remove' })).toMatchObject({ remove: true })
	})
	it('goes when the spec changed, whatever the policy: it is like an entry that was deleted', () => {
		expect(decide('selectors', {})).toMatchObject({ remove: true, instead: { state: 'Deselected' } })
	})
})

describe('the brake on removals', () => {
	const removal = (name: string): EntryResult =>
		decideEntry(
			{ ...wanted, name, objectName: name },
			{ kind: 'fault', fault: { kind: 'absent' }, confirmed: true },
			{ ...before, objectName: name },
			contextOf({ absent: 'Remove' }),
		)
	const digestOf = (text: string) => `d${text.length}`
	const removals = ['a', 'b', 'c'].map(removal)
	it('lets as many go as the policy allows', () => {
		expect(brakeRemovals(removals, 3, undefined, digestOf)).toEqual({ results: removals, waiting: undefined })
	})
	it('holds all of more, marked as they would be kept, and says which', () => {
		const { results, waiting } = brakeRemovals(removals, 2, undefined, digestOf)
		expect(waiting).toMatchObject({ names: ['a', 'b', 'c'] })
		for (const result of results)
			expect(result).toMatchObject({
				remove: false,
				reason: 'RemovalsHeld',
				inManifest: { state: 'Absent', version: V1 },
			})
	})
	it('lets exactly these go once they are acknowledged', () => {
		const { waiting } = brakeRemovals(removals, 2, undefined, digestOf)
		expect(brakeRemovals(removals, 2, waiting?.digest, digestOf).waiting).toBeUndefined()
		expect(brakeRemovals([...removals, removal('dd')], 2, waiting?.digest, digestOf).waiting).toBeDefined()
	})
	it('counts the files of one certificate once', () => {
		const files = ['x', 'y', 'z'].map((name) => {
			const result = removal('c')
			return { ...result, wanted: { ...result.wanted, name } }
		})
		expect(brakeRemovals(files, 1, undefined, digestOf).waiting).toBeUndefined()
	})
	it('holds each when none is allowed', () => {
		expect(brakeRemovals([removal('a')], 0, undefined, digestOf).waiting?.names).toEqual(['a'])
	})
})

describe('the annotation hold', () => {
	const until = '2026-01-31T12:00:00Z'
	const at = Date.parse(until)
	it('pins what it names until its time', () => {
		const annotatedPins = parseAnnotatedPins(`db=${V1}; until=${until}`)
		expect(annotatedPins).toEqual({ kind: 'until', until: at, versions: new Map([['db', V1]]) })
		expect(pinByAnnotation([wanted], annotatedPins, at - 1)).toMatchObject({
			secrets: [{ version: V1 }],
			names: ['db'],
			until: at,
		})
		expect(pinByAnnotation([wanted], annotatedPins, at)).toMatchObject({
			secrets: [wanted],
			names: [],
			until: undefined,
		})
	})
	it('holds several, also one that is called until', () => {
		expect(parseAnnotatedPins(`until=${V1}; db=${V1}; until=${until};`)).toMatchObject({ kind: 'until', until: at })
	})
	it('holds all files of a certificate together', () => {
		const file = (name: string, part: 'cert' | 'key') => ({
			...wanted,
			name,
			form: { kind: 'certificate', part, ca: false } as const,
		})
		const { names } = pinByAnnotation(
			[file('crt', 'cert'), file('key', 'key'), wanted],
			parseAnnotatedPins(`key=${V1};until=${until}`),
			0,
		)
		expect(names).toEqual(['crt', 'key'])
	})
	it.each([
		['no end', `db=${V1}`],
		['no secret', `until=${until}`],
		['a version of another form', `db=1; until=${until}`],
		['a time that is none', `db=${V1}; until=tomorrow`],
		['a part without "="', `db; until=${until}`],
	])('with %s is not followed, and says what to write', (_, text) => {
		expect(parseAnnotatedPins(text)).toMatchObject({
			kind: 'invalid',
			problem: expect.stringContaining('write "<name>=') as string,
		})
	})
	it('that names no secret of the binding is not followed', () => {
		expect(pinByAnnotation([wanted], parseAnnotatedPins(`other=${V1}; until=${until}`), 0)).toMatchObject({
			names: [],
			problem: expect.any(String) as string,
		})
	})
})
