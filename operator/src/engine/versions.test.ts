import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { currentAmong, isAsYoung, isOvertaken, type ListedVersion, previousVersions, standIn } from './versions.ts'

const v = (version: string, created: number, rest: Partial<ListedVersion> = {}): ListedVersion => ({
	version,
	created,
	enabled: true,
	tags: {},
	...rest,
})
const NOW = 1_000_000 // ms: second 1000
const current = { version: 'c', isCurrent: true }
const ids = (versions: ListedVersion[], of = current, count = 2) => {
	const { kept, tie } = previousVersions(versions, of, count)
	return [...kept.map(({ version }) => version), ...(tie ? ['tie'] : [])]
}

const off = { enabled: false }
it.each<[string, ListedVersion[], ListedVersion | undefined, boolean]>([
	['by a version that is newer than what was read', [v('a', 1), v('b', 2)], v('a', 1), true],
	['not by older ones', [v('a', 1), v('b', 2)], v('b', 2), false],
	['by one that is enabled, when the current one is not', [v('a', 1, off), v('b', 2)], undefined, true],
	['not while the newest one is disabled', [v('a', 1), v('b', 2, off)], undefined, false],
	['not when one of the newest second is disabled', [v('a', 2), v('b', 2, off)], undefined, false],
	['not by nothing', [], undefined, false],
])('a current version is overtaken %s', (_, versions, current, expected) =>
	expect(isOvertaken(versions, current)).toBe(expected),
)

it.each<[string, ListedVersion[], string | undefined, ListedVersion | undefined, boolean]>([
	['has the version that was read', [v('a', 1)], 'b', v('b', 2), false],
	['has it as it was read', [v('b', 2, { updated: 3 })], 'b', v('b', 2, { updated: 4 }), false],
	['has both', [v('a', 1), v('b', 2, { updated: 4 })], 'b', v('b', 2, { updated: 4 }), true],
	[
		'has a version of the time that a list of the vault shows',
		[v('b', 2, { updated: 4 })],
		undefined,
		v('', 2, { updated: 4 }),
		true,
	],
	['has none of that time', [v('b', 2, { updated: 3 })], undefined, v('', 2, { updated: 4 }), false],
	['has the newest one disabled, of which no more is known', [v('a', 1), v('b', 2, off)], undefined, undefined, true],
	['has it enabled', [v('a', 1, off), v('b', 2)], undefined, undefined, false],
])('a list of versions is as young as the current one is known when it %s', (_, versions, current, facts, expected) =>
	expect(isAsYoung(versions, current, facts)).toBe(expected),
)

it.each<[string, ListedVersion[], string | undefined, string[]]>([
	['the one that was read', [v('a', 1), v('b', 2)], 'a', ['a']],
	['the newest one, when it is disabled', [v('a', 1, off), v('b', 2, off)], undefined, ['b']],
	['of one second those that are disabled', [v('a', 2), v('b', 2, off), v('c', 2, off)], undefined, ['b', 'c']],
	['none of none', [], undefined, []],
])('the current version is among the listed ones %s', (_, versions, current, expected) =>
	expect(currentAmong(versions, current).map(({ version }) => version)).toEqual(expected),
)

describe('previous versions', () => {
	it.each([
		['come newest first, whatever the order of the list', [v('a', 1), v('c', 3), v('b', 2)], ['b', 'a']],
		['are at most as many as asked for', [v('c', 9), v('a', 1), v('b', 2), v('d', 3)], ['d', 'b']],
		['leave disabled ones out', [v('c', 9), v('a', 1), v('b', 2, { enabled: false })], ['a']],
		['of the same second at the cut: none of them', [v('c', 9), v('a', 3), v('b', 2), v('d', 2)], ['a', 'tie']],
		['of the same second inside the cut stay', [v('c', 9), v('a', 2), v('b', 2)], ['a', 'b']],
		['may share a second with the current one, which is newer', [v('c', 2), v('a', 2)], ['a']],
		['are none when there is only the current one', [v('c', 2)], []],
		['are not those that came after the current one was read', [v('c', 2), v('a', 1), v('new', 3)], ['a']],
	])('%s', (_, versions, expected) => expect(ids(versions).sort()).toEqual(expected.sort()))

	it('of a pinned version are those created before it', () => {
		const versions = [v('new', 9), v('p', 5), v('same', 5), v('old', 1)]
		expect(ids(versions, { version: 'p', isCurrent: false })).toEqual(['old'])
		expect(ids(versions, { version: 'gone', isCurrent: false })).toEqual([])
	})
	it('are never more than asked for, never the version itself, never disabled, and no tied one is left out alone', () => {
		const version = fc.record({
			version: fc.uuid(),
			created: fc.integer({ min: 1, max: 6 }),
			enabled: fc.boolean(),
			tags: fc.constant({}),
		})
		fc.assert(
			fc.property(fc.array(version, { maxLength: 12 }), fc.integer({ min: 1, max: 10 }), (versions, count) => {
				const all = [...versions, v('c', 7)]
				const { kept } = previousVersions(all, current, count)
				expect(kept.length).toBeLessThanOrEqual(count)
				const enabled = all.filter((each) => each.enabled && each.version !== 'c')
				for (const each of kept) {
					expect(enabled).toContain(each)
					for (const other of enabled) {
						const isNewer = (other.created ?? 0) >= (each.created ?? 0)
						if (isNewer) expect(kept).toContain(other)
					}
				}
			}),
		)
	})
})

describe('the version that stands in', () => {
	it.each([
		['is the newest that is enabled', [v('c', 9, { enabled: false }), v('a', 1), v('b', 2)], 'b'],
		['has not expired', [v('a', 1), v('b', 2, { expires: 1_000 })], 'a'],
		['has had its time come', [v('a', 1), v('b', 2, { notBefore: 1_001 })], 'a'],
		['is none when no other can be used', [v('c', 9), v('a', 1, { enabled: false })], 'none'],
		['cannot be told among several of one second', [v('a', 2), v('b', 2)], 'tie'],
	])('%s', (_, versions, expected) => {
		const chosen = standIn(versions, 'c', undefined, NOW)
		expect(chosen.kind === 'version' ? chosen.version.version : chosen.kind).toBe(expected)
	})
	it('is the delivered one among several of one second', () => {
		expect(standIn([v('a', 2), v('b', 2)], undefined, 'b', NOW)).toMatchObject({ version: { version: 'b' } })
	})
})
