import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { describe, expect, it } from 'vitest'
import type { WantedSecret } from '../api/parse.ts'
import { type Known, knownAfterRestart, listPagesAllowed, mustRead, mustReadAfterList } from './known.ts'
import { isSettled, probeOf, type SecretFacts } from './probe.ts'
import { POLICY } from './testing/samples.ts'

const facts: SecretFacts = { enabled: true, created: 50, updated: 100, tags: { a: '1', b: '2' } }
const wanted = { name: 'db', objectName: 'db', optional: false }
const known: Known = {
	objectName: 'db',
	pin: undefined,
	form: undefined,
	probe: probeOf(facts),
	settled: true,
	flaw: undefined,
	turnAt: undefined,
	finding: undefined,
}
const NOW = 10_000
const unknown = { pages: undefined, at: 0, denied: false }

describe('list or read each', () => {
	const HOUR = 3_600_000
	/** only this binding looks at them */
	const alone = (wanted: number, needed: number) => ({ followed: wanted, wanted, needed })
	const large = { pages: 40, at: 1, denied: false }
	const denied = { pages: undefined, at: 1, denied: true }
	const cases: [string, Parameters<typeof listPagesAllowed>, number | undefined][] = [
		['nothing must be read: a list of at most as many pages as there are secrets', [alone(4, 0), unknown, 1], 4],
		['everything must be read anyway: no list', [alone(4, 4), unknown, 1], undefined],
		['some must be read: the list may cost what reading the others would', [alone(10, 7), unknown, 1], 3],
		['a vault of more pages than secrets: read each', [alone(4, 0), large, 2], undefined],
		['others of the session share the list', [{ followed: 100, wanted: 4, needed: 0 }, large, 2], 100],
		['as many pages as secrets: list, it tells the same', [alone(1, 0), { ...large, pages: 1 }, 2], 1],
		['long ago the vault was large: list again', [alone(4, 0), large, 8 * HOUR + 1], 4],
		['list denied just now: read each', [alone(4, 0), denied, 2], undefined],
		['list denied an hour ago: try again', [alone(4, 0), denied, HOUR + 1], 4],
	]
	it.each(cases)('%s', (_, args, pages) => expect(listPagesAllowed(...args)).toBe(pages))
})

describe('a value must be read', () => {
	const cases: [string, Known | undefined, WantedSecret, boolean][] = [
		['when nothing is known', undefined, wanted, true],
		['not when it is known and settled', known, wanted, false],
		['when it is unsettled', { ...known, settled: false }, wanted, true],
		['when the spec names another object', known, { ...wanted, objectName: 'other' }, true],
		[
			'when the spec asks for another form',
			known,
			{ ...wanted, form: { kind: 'value', decode: 'Hex', property: undefined } },
			true,
		],
		['when the spec pins a version', known, { ...wanted, version: 'f'.repeat(32) }, true],
		[
			'not when it is pinned: lists of versions tell of it',
			{ ...known, pin: 'f'.repeat(32) },
			{ ...wanted, version: 'f'.repeat(32) },
			false,
		],
	]
	it.each(cases)('%s', (_, before, want, must) => expect(mustRead(want, before)).toBe(must))
})

describe('after a list a value must be read', () => {
	const cases: [string, SecretFacts | undefined, boolean][] = [
		['not when nothing changed, whatever the order of tags', { ...facts, tags: { b: '2', a: '1' } }, false],
		['when it was updated', { ...facts, updated: 101 }, true],
		['when it was disabled', { ...facts, enabled: false }, true],
		['when its expiry changed', { ...facts, expires: 9 }, true],
		['when its start changed', { ...facts, notBefore: 1 }, true],
		['when its content type changed', { ...facts, contentType: 'x' }, true],
		['when a tag changed', { ...facts, tags: { a: '2', b: '2' } }, true],
		['when the list does not show it', undefined, true],
	]
	it.each(cases)('%s', (_, shown, must) => expect(mustReadAfterList(wanted, known, shown, NOW)).toBe(must))

	it('not when a pinned one is in the list at all', () => {
		const pinned = { ...wanted, version: 'f'.repeat(32) }
		expect(mustReadAfterList(pinned, known, { ...facts, updated: 999 }, NOW)).toBe(false)
		expect(mustReadAfterList(pinned, known, undefined, NOW)).toBe(false)
	})
	it('not when it was called absent, and the list still does not show it', () => {
		expect(mustReadAfterList(wanted, { ...known, probe: 'absent' }, undefined, NOW)).toBe(false)
		expect(mustReadAfterList(wanted, { ...known, probe: 'absent' }, facts, NOW)).toBe(true)
	})
	it('when it expires, or its time comes, though nobody touched it', () => {
		const timed = { ...facts, notBefore: 200, expires: 300 }
		const waiting: Known = { ...known, probe: probeOf(timed), flaw: 'notYetValid' }
		expect(mustReadAfterList(wanted, waiting, timed, 199_999)).toBe(false)
		expect(mustReadAfterList(wanted, waiting, timed, 200_000)).toBe(true)
		expect(mustReadAfterList(wanted, { ...waiting, flaw: undefined }, timed, 299_999)).toBe(false)
		expect(mustReadAfterList(wanted, { ...waiting, flaw: undefined }, timed, 300_000)).toBe(true)
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
		const restored = knownAfterRestart(wanted, manifest, status, POLICY, NOW)
		expect(restored && mustRead(wanted, restored)).toBe(false)
		expect(restored && mustReadAfterList(wanted, restored, facts, NOW)).toBe(false)
		expect(restored && mustReadAfterList(wanted, restored, { ...facts, updated: 101 }, NOW)).toBe(true)
	})
	it('one that expired meanwhile is read when the policy heeds that', () => {
		const expired = { ...manifest, expires: '1970-01-01T00:00:09Z' }
		expect(knownAfterRestart(wanted, expired, status, POLICY, NOW)).toMatchObject({ flaw: 'expired' })
		expect(knownAfterRestart(wanted, expired, status, { ...POLICY, expired: 'Remove' }, NOW)).toBeUndefined()
	})
	const lost: [string, ManifestSecret | undefined, object | undefined][] = [
		['without a manifest', undefined, status],
		['without a status', manifest, undefined],
		['when the status says unsettled', manifest, { ...status, reason: 'Unsettled' }],
		['when it failed, perhaps before it settled', manifest, { ...status, reason: 'ForbiddenByRbac' }],
		['when the status tells of another version: the process died in between', manifest, { ...status, version: 'v0' }],
		['when what is delivered is kept though absent', { ...manifest, state: 'Absent' }, status],
		['when it is of another form', { ...manifest, form: 'decode=Hex' }, status],
		['when it is of another object', { ...manifest, objectName: 'other' }, status],
	]
	it.each(lost)('everything is read %s', (_, inManifest, shown) => {
		expect(knownAfterRestart(wanted, inManifest, shown as typeof status, POLICY, NOW)).toBeUndefined()
	})
})

describe('settled', () => {
	it.each([
		[101_999, false],
		[102_000, true],
		[undefined, false],
	])('at server time %s: %s', (serverTime, settled) => expect(isSettled(facts, serverTime)).toBe(settled))
})
