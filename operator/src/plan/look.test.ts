import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { describe, expect, it } from 'vitest'
import type { WantedSecret } from '../api/parse.ts'
import { type Known, knownAfterRestart, listPagesAllowed, mustRead, mustReadAfterList } from './look.ts'
import { isSettled, probeOf, type SecretFacts } from './probe.ts'

const facts: SecretFacts = { enabled: true, created: 50, updated: 100, tags: { a: '1', b: '2' } }
const wanted = { name: 'db', objectName: 'db', optional: false }
const known: Known = { objectName: 'db', pin: undefined, form: undefined, probe: probeOf(facts), settled: true }
const unknown = { pages: undefined, at: 0, denied: false }

describe('list or read each', () => {
	const cases: [string, Parameters<typeof listPagesAllowed>, number | undefined][] = [
		['nothing must be read: a list of at most as many pages as there are secrets', [4, 0, unknown, 1], 4],
		['everything must be read anyway: no list', [4, 4, unknown, 1], undefined],
		['some must be read: the list may cost what reading the others would', [10, 7, unknown, 1], 3],
		['a vault of more pages than secrets: read each', [4, 0, { pages: 40, at: 1, denied: false }, 2], undefined],
		['as many pages as secrets: list, it tells the same', [1, 0, { pages: 1, at: 1, denied: false }, 2], 1],
		['long ago the vault was large: look again', [4, 0, { pages: 40, at: 1, denied: false }, 481], 4],
		['list denied just now: read each', [4, 0, { pages: undefined, at: 1, denied: true }, 2], undefined],
		['list denied an hour ago: try again', [4, 0, { pages: undefined, at: 1, denied: true }, 61], 4],
	]
	it.each(cases)('%s', (_, args, pages) => expect(listPagesAllowed(...args)).toBe(pages))
})

describe('a value must be read', () => {
	const cases: [string, Known | undefined, WantedSecret, number, boolean][] = [
		['when nothing is known', undefined, wanted, 1, true],
		['not when it is known and settled', known, wanted, 1, false],
		['when it is unsettled', { ...known, settled: false }, wanted, 1, true],
		['when the spec names another object', known, { ...wanted, objectName: 'other' }, 1, true],
		[
			'when the spec asks for another form',
			known,
			{ ...wanted, form: { kind: 'value', decode: 'Hex', property: undefined } },
			1,
			true,
		],
		['when the spec pins a version', known, { ...wanted, version: 'f'.repeat(32) }, 1, true],
		[
			'at every tenth look when it is pinned',
			{ ...known, pin: 'f'.repeat(32) },
			{ ...wanted, version: 'f'.repeat(32) },
			20,
			true,
		],
		['not at the others', { ...known, pin: 'f'.repeat(32) }, { ...wanted, version: 'f'.repeat(32) }, 21, false],
	]
	it.each(cases)('%s', (_, before, want, look, must) => expect(mustRead(want, before, look)).toBe(must))
})

describe('after a list a value must be read', () => {
	const cases: [string, SecretFacts | undefined, boolean][] = [
		['not when nothing changed, whatever the order of tags', { ...facts, tags: { b: '2', a: '1' } }, false],
		['when it was updated', { ...facts, updated: 101 }, true],
		['when it was disabled', { ...facts, enabled: false }, true],
		['when its expiry changed', { ...facts, expires: 1 }, true],
		['when its start changed', { ...facts, notBefore: 1 }, true],
		['when its content type changed', { ...facts, contentType: 'x' }, true],
		['when a tag changed', { ...facts, tags: { a: '2', b: '2' } }, true],
		['when the list does not show it', undefined, true],
	]
	it.each(cases)('%s', (_, shown, must) => expect(mustReadAfterList(wanted, known, shown)).toBe(must))

	it('not when a pinned one is in the list at all', () => {
		const pinned = { ...wanted, version: 'f'.repeat(32) }
		expect(mustReadAfterList(pinned, known, { ...facts, updated: 999 })).toBe(false)
		expect(mustReadAfterList(pinned, known, undefined)).toBe(true)
	})
})

describe('after a restart', () => {
	const manifest: ManifestSecret = {
		objectName: 'db',
		version: 'v1',
		state: 'Current',
		pinned: false,
		created: '1970-01-01T00:00:50Z',
		updated: '1970-01-01T00:01:40Z',
		tags: {},
		previous: [],
	}
	const status = { name: 'db', objectName: 'db', state: 'Current', version: 'v1' }
	it('a settled secret whose manifest agrees with the list is not read', () => {
		const restored = knownAfterRestart(wanted, manifest, status)
		expect(restored && mustRead(wanted, restored, 1)).toBe(false)
		expect(restored && mustReadAfterList(wanted, restored, facts)).toBe(false)
		expect(restored && mustReadAfterList(wanted, restored, { ...facts, updated: 101 })).toBe(true)
	})
	const lost: [string, ManifestSecret | undefined, object | undefined][] = [
		['without a manifest', undefined, status],
		['without a status', manifest, undefined],
		['when the status says unsettled', manifest, { ...status, reason: 'Unsettled' }],
		['when the status tells of another version: the process died in between', manifest, { ...status, version: 'v0' }],
		['when what is delivered is kept though absent', { ...manifest, state: 'Absent' }, status],
		['when it is of another form', { ...manifest, form: 'decode=Hex' }, status],
		['when it is of another object', { ...manifest, objectName: 'other' }, status],
	]
	it.each(lost)('everything is read %s', (_, delivered, shown) => {
		expect(knownAfterRestart(wanted, delivered, shown as typeof status)).toBeUndefined()
	})
})

describe('settled', () => {
	it.each([
		[101_999, false],
		[102_000, true],
		[undefined, false],
	])('at server time %s: %s', (serverTime, settled) => expect(isSettled(facts, serverTime)).toBe(settled))
})
