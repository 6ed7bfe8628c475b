import { describe, expect, it } from 'vitest'
import { followOlder, isOlderDue } from './older.ts'
import type { Answer } from './questions.ts'
import { SAMPLE_VAULT } from './testing/binding.ts'
import { entryOf } from './testing/samples.ts'
import { entryIn, holdingWith, runWith } from './testing/world.ts'

const before = entryIn({ version: 'v2', previous: [{ version: 'v1' }] })
const there = holdingWith({ a: before })
const holding = { ...there, files: new Map([...there.files, ['a.previous', { bytes: 1, foreign: undefined }]]) }
const result = entryOf({
	wanted: { name: 'a', objectName: 'a', optional: false, previous: 1 },
	inManifest: before,
	state: 'Current',
})
const input = {
	asked: { since: 0, lane: 'refresh' as const },
	vaultUrl: SAMPLE_VAULT,
	most: Number.POSITIVE_INFINITY,
	polls: 10,
	holding,
	accepted: new Map(),
	known: new Map(),
}
const versions = (...listed: [string, boolean][]): Answer => ({
	kind: 'versions',
	listing: {
		complete: true,
		versions: listed.map(([version, enabled], i) => ({ version, enabled, created: 100 - i, tags: {} })),
	},
})

describe('older versions', () => {
	it.each([
		['stay while they are enabled', versions(['v2', true], ['v1', true]), ['v1']],
		['go when they are disabled', versions(['v2', true], ['v1', false]), []],
		['stay when the list is empty, for then the secret was deleted since it was read', versions(), ['v1']],
	])('%s', (_, answer, expected) => {
		const { results, known } = runWith(followOlder([result], input), () => answer).result
		expect(results[0]?.inManifest?.previous.map(({ version }) => version)).toEqual(expected)
		// Of a deleted one nothing is remembered: it is asked for again.
		expect(known.has('a')).toBe(
			answer.kind === 'versions' && answer.listing.complete && answer.listing.versions.length > 0,
		)
	})

	const last = { version: 'v2', isCurrent: true, count: 1, trouble: undefined, statusText: undefined }
	it.each([
		['told as they were when they were looked for', ['v1'], 'v1', 9, false],
		['told as others', ['v0'], 'v1', 9, true],
		['told as before, and others than there are: at the tenth poll', [], undefined, 10, true],
		['and not at each', [], undefined, 9, false],
		['told as before, and as they are, at the tenth poll', ['v1'], 'v1', 10, false],
	])('are looked for by a node when they are %s', (_, previous, before, polls, expected) => {
		const row = { name: 'a', objectName: 'a', state: 'Current' as const, ...(previous.length > 0 ? { previous } : {}) }
		const known = new Map([['a', { ...last, statusText: before }]])
		expect(isOlderDue(result, { ...input, polls, known, statusEntries: new Map([['a', row]]) })).toBe(expected)
	})
})
