import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
	fileNameProblem,
	MANIFEST_SCHEMA,
	type Manifest,
	type ManifestSecret,
	parseManifest,
	previousFileName,
	SECRET_STATES,
	sameContent,
	serializeManifest,
} from './index.ts'

const secret: ManifestSecret = {
	objectName: 'payments-db',
	version: '0123456789abcdef0123456789abcdef',
	state: 'Current',
	pinned: false,
	tags: {},
	previous: [],
}
const example: Manifest = {
	schema: MANIFEST_SCHEMA,
	revision: 7,
	binding: { namespace: 'payments', name: 'payments', uid: '7d0c' },
	vault: 'https://payments.vault.azure.net',
	selectors: [],
	secrets: { dbConnectionString: secret },
}

const time = fc
	.integer({ min: 0, max: 253_402_300_799 }) // 1970 to 9999-12-31, all that Key Vault takes
	.map((seconds) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z'))
// fast-check's own dictionary keys contain "__proto__", "constructor" and the like.
const tags = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 })
const fileName = fc.stringMatching(/^[-._a-zA-Z0-9]{1,40}$/).filter((name) => fileNameProblem(name) === undefined)
const previous = fc
	.tuple(fc.stringMatching(/^[0-9a-f]{32}$/), fc.option(time, { nil: undefined }))
	.map(([version, created]) => (created === undefined ? { version } : { version, created }))
const manifestSecret: fc.Arbitrary<ManifestSecret> = fc
	.tuple(
		fc.record(
			{
				created: time,
				updated: time,
				notBefore: time,
				expires: time,
				contentType: fc.string(),
				form: fc.string(),
				vault: fc.webUrl(),
				selected: fc.constant(true),
			},
			{ requiredKeys: [] },
		),
		fc.record({
			objectName: fc.string(),
			version: fc.string(),
			state: fc.constantFrom(...SECRET_STATES),
			pinned: fc.boolean(),
			tags,
			previous: fc.array(previous, { maxLength: 3 }),
		}),
	)
	.map(([some, all]) => ({ ...some, ...all }) as ManifestSecret)
const selector = fc
	.tuple(
		fc.record({ prefix: fc.string(), tags }, { requiredKeys: [] }),
		fc.record({ stripPrefix: fc.boolean(), nameStyle: fc.constantFrom('AsIs', 'UpperSnake'), managed: fc.boolean() }),
	)
	.map(([some, all]) => ({ ...some, ...all }))
const wanted = fc
	.array(
		fc.tuple(
			fileName,
			fc.record({ objectName: fc.string(), version: fc.string(), form: fc.string() }, { requiredKeys: ['objectName'] }),
		),
		{ minLength: 1, maxLength: 3 },
	)
	.map((entries) => Object.fromEntries(entries))
const anyManifest: fc.Arbitrary<Manifest> = fc.record(
	{
		schema: fc.constant(MANIFEST_SCHEMA),
		revision: fc.nat(),
		binding: fc.record({ namespace: fc.string(), name: fc.string(), uid: fc.string() }),
		vault: fc.webUrl(),
		selectors: fc.array(selector, { maxLength: 3 }),
		secrets: fc
			.array(fc.tuple(fileName, manifestSecret), { maxLength: 5 })
			.map((entries) => Object.fromEntries(entries)),
		wanted,
	},
	{ requiredKeys: ['schema', 'revision', 'binding', 'vault', 'selectors', 'secrets'] },
) as fc.Arbitrary<Manifest>

/** The same value with the keys of every object in another order. */
function reversed(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(reversed)
	if (typeof value !== 'object' || value === null) return value
	return Object.fromEntries(
		Object.entries(value)
			.toReversed()
			.map(([key, item]) => [key, reversed(item)]),
	)
}

describe('serializeManifest', () => {
	it('writes sorted keys without white space and leaves absent fields out', () => {
		expect(serializeManifest(example)).toBe(
			'{"binding":{"name":"payments","namespace":"payments","uid":"7d0c"},"revision":7,"schema":1,' +
				'"secrets":{"dbConnectionString":{"objectName":"payments-db","pinned":false,"previous":[],"state":"Current","tags":{},' +
				'"version":"0123456789abcdef0123456789abcdef"}},"selectors":[],"vault":"https://payments.vault.azure.net"}',
		)
	})

	it('lists the names that are wanted and have no file, and says nothing when there are none', () => {
		const some = {
			...example,
			wanted: { late: { objectName: 'payments-late', version: '0'.repeat(32), form: 'decode=Hex' } },
		}
		expect(serializeManifest(some)).toBe(
			serializeManifest(example).replace(
				/\}$/,
				',"wanted":{"late":{"form":"decode=Hex","objectName":"payments-late","version":"00000000000000000000000000000000"}}}',
			),
		)
		expect(serializeManifest({ ...example, wanted: {} })).toBe(serializeManifest(example))
		expect(parseManifest(serializeManifest(example).replace(/\}$/, ',"wanted":{}}'))).toEqual({
			kind: 'ok',
			manifest: example,
		})
	})

	it('says of which vault the bytes are where it is not the one of the binding', () => {
		const moved = { ...example, secrets: { a: { ...secret, vault: 'https://old.vault.azure.net' } } }
		expect(parseManifest(serializeManifest(moved))).toEqual({ kind: 'ok', manifest: moved })
		expect(sameContent(moved, { ...example, secrets: { a: secret } })).toBe(false)
	})

	it('sorts names that look like integers as text', () => {
		const text = serializeManifest({ ...example, secrets: { '9': secret, '10': secret } })
		expect(text.indexOf('"10":')).toBeLessThan(text.indexOf('"9":'))
	})

	it('writes no field that is not in the schema', () => {
		const extended = { ...example, value: 'x', secrets: { a: { ...secret, value: 'x' } } }
		expect(serializeManifest(extended)).toBe(serializeManifest({ ...example, secrets: { a: secret } }))
	})

	it('is read back as the same manifest, for any manifest', () => {
		fc.assert(
			fc.property(anyManifest, (manifest) => {
				expect(parseManifest(serializeManifest(manifest))).toEqual({ kind: 'ok', manifest })
			}),
		)
	})

	it('gives the same bytes whatever the order of keys', () => {
		fc.assert(
			fc.property(
				anyManifest,
				(manifest) => serializeManifest(reversed(manifest) as Manifest) === serializeManifest(manifest),
			),
		)
	})
})

describe('sameContent', () => {
	it('ignores the revision and nothing else', () => {
		expect(sameContent(example, { ...example, revision: 99 })).toBe(true)
		expect(sameContent(example, { ...example, vault: 'https://other.vault.azure.net' })).toBe(false)
		expect(sameContent(example, { ...example, wanted: { late: { objectName: 'late' } } })).toBe(false)
		expect(sameContent(example, { ...example, wanted: {} })).toBe(true)
		expect(sameContent(example, { ...example, secrets: { dbConnectionString: { ...secret, pinned: true } } })).toBe(
			false,
		)
	})
})

/** All that differ from a value in one place: another text, number or boolean there, or nothing. */
function* changed(value: unknown): Generator<unknown> {
	if (typeof value === 'string') yield `${value}+`
	else if (typeof value === 'number') yield value + 1
	else if (typeof value === 'boolean') yield !value
	else if (Array.isArray(value)) {
		for (const [i, item] of value.entries()) {
			yield value.toSpliced(i, 1)
			for (const other of changed(item)) yield value.with(i, other)
		}
	} else if (typeof value === 'object' && value !== null) {
		const entries = Object.entries(value)
		for (const [i, [key, item]] of entries.entries()) {
			if (OPTIONAL.has(key)) yield Object.fromEntries(entries.toSpliced(i, 1))
			for (const other of changed(item)) yield Object.fromEntries(entries.with(i, [key, other]))
		}
	}
}
const OPTIONAL = new Set(['created', 'updated', 'notBefore', 'expires', 'contentType', 'form', 'vault', 'prefix'])

it('sameContent is what a comparison of the texts would be, for any manifest and any change of it', () => {
	const textOf = (manifest: Manifest) => serializeManifest({ ...manifest, revision: 0 })
	fc.assert(
		fc.property(anyManifest, (manifest) => {
			expect(sameContent(manifest, reversed(manifest) as Manifest)).toBe(true)
			for (const other of changed(manifest) as Generator<Manifest>) {
				if (other.vault === undefined) continue
				const isSame = textOf(manifest) === textOf(other)
				expect([sameContent(manifest, other), sameContent(other, manifest)]).toEqual([isSame, isSame])
			}
		}),
		{ numRuns: 20 },
	)
})

describe('parseManifest', () => {
	const parse = (change: Record<string, unknown>) => parseManifest(JSON.stringify({ ...example, ...change }))

	it('keeps unknown fields out at every level', () => {
		const text = JSON.stringify({ ...example, later: 1, secrets: { a: { ...secret, later: { deep: true } } } })
		expect(parseManifest(text)).toEqual({ kind: 'ok', manifest: { ...example, secrets: { a: secret } } })
	})

	it.each([2, 0, '1', null, undefined])('answers unknownSchema for schema %j', (schema) => {
		expect(parse({ schema })).toMatchObject({ kind: 'unknownSchema' })
	})

	it('does not judge the rest of an unknown schema', () => {
		expect(parseManifest('{"schema":2,"secrets":[]}')).toEqual({ kind: 'unknownSchema', schema: 2 })
	})

	it.each([
		['a revision that is not whole', { revision: 1.5 }, 'revision'],
		['a negative revision', { revision: -1 }, 'revision'],
		['a missing binding', { binding: undefined }, 'binding'],
		['a missing uid', { binding: { namespace: 'a', name: 'b' } }, 'binding.uid'],
		['a vault that is no string', { vault: 1 }, 'vault'],
		['secrets as a list', { secrets: [] }, 'secrets'],
		['an unknown state', { secrets: { a: { ...secret, state: 'Gone' } } }, 'secrets.a.state'],
		[
			'a time with a fraction',
			{ secrets: { a: { ...secret, created: '2026-01-01T00:00:00.5Z' } } },
			'secrets.a.created',
		],
		[
			'a time of another zone',
			{ secrets: { a: { ...secret, expires: '2026-01-01T00:00:00+01:00' } } },
			'secrets.a.expires',
		],
		['a day that is none', { secrets: { a: { ...secret, updated: '2026-13-01T00:00:00Z' } } }, 'secrets.a.updated'],
		['a tag that is no string', { secrets: { a: { ...secret, tags: { t: 1 } } } }, 'secrets.a.tags'],
		['a name with a path in it', { secrets: { '../a': secret } }, 'entry 1'],
		['a vault of a secret that is no string', { secrets: { a: { ...secret, vault: 1 } } }, 'secrets.a.vault'],
		['wanted names as a list', { wanted: [] }, 'wanted'],
		['a wanted name without an object', { wanted: { a: {} } }, 'wanted.a.objectName'],
		['a wanted version that is no string', { wanted: { a: { objectName: 'a', version: 1 } } }, 'wanted.a.version'],
		['a wanted name with a path in it', { wanted: { '../a': { objectName: 'a' } } }, 'wanted, entry 1'],
		[
			'an unknown name style',
			{ selectors: [{ stripPrefix: true, nameStyle: 'Camel', managed: false }] },
			'selectors[0].nameStyle',
		],
	])('refuses %s and names the field', (_what, change, where) => {
		const parsed = parse(change)
		expect(parsed).toMatchObject({ kind: 'invalid' })
		expect(parsed.kind === 'invalid' && parsed.problem).toContain(where)
	})

	it('is not fooled by "__proto__"', () => {
		const base = serializeManifest(example)
		const named = parseManifest(base.replace('"secrets":{', `"secrets":{"__proto__":${JSON.stringify(secret)},`))
		expect(named).toMatchObject({ kind: 'invalid' })
		// Fields must be own: those of a prototype do not count.
		expect(parseManifest('{"__proto__":{"schema":1}}')).toEqual({ kind: 'unknownSchema', schema: undefined })
		const tagged = parseManifest(base.replace('"tags":{}', '"tags":{"__proto__":"x"}'))
		expect(tagged.kind === 'ok' && Object.keys(tagged.manifest.secrets['dbConnectionString']?.tags ?? {})).toEqual([
			'__proto__',
		])
		expect(Object.getPrototypeOf({})).toBe(Object.prototype)
	})

	it('never quotes what it read', () => {
		const canary = 'pw-7Hq2x'
		const places = [canary, `{"schema":1,"revision":"${canary}"}`, `{"schema":1,"revision":1,"binding":"${canary}"}`]
		for (const text of places) expect(JSON.stringify(parseManifest(text))).not.toContain(canary)
	})

	it('never throws', () => {
		fc.assert(
			fc.property(
				fc.oneof(
					fc.string(),
					fc.json(),
					fc.json().map((v) => `{"schema":1,"secrets":${v}}`),
				),
				(text) => {
					parseManifest(text)
				},
			),
		)
	})
})

describe('fileNameProblem', () => {
	it.each([
		'a',
		'dbConnectionString',
		'tls.crt',
		'.dotfile',
		'_x',
		'-',
		'a.previousx',
		'previous',
		'constructor',
		'x'.repeat(220),
	])('accepts %s', (name) => expect(fileNameProblem(name)).toBeUndefined())

	it.each([
		['', 'empty'],
		['.', 'directory'],
		['..', 'leading dots'],
		['..data', 'leading dots'],
		['__proto__', 'proto'],
		['.binding.json', 'manifest'],
		['a.previous', '-previous'],
		['a.previous-2', '-previous'],
		['.previous', '-previous'],
		['a/b', 'other characters'],
		['ä', 'other characters'],
		['a b', 'other characters'],
		['a\n', 'other characters'],
		['x'.repeat(221), 'at most 220'],
	])('refuses %j and says what to write', (name, text) => {
		expect(fileNameProblem(name)).toContain(text)
	})

	it('never takes the name of an older version', () => {
		fc.assert(
			fc.property(
				fileName,
				fc.integer({ min: 1, max: 10 }),
				(name, n) => fileNameProblem(previousFileName(name, n)) !== undefined,
			),
		)
	})
})

describe('previousFileName', () => {
	it('numbers from the second older version on', () => {
		expect([1, 2, 3].map((n) => previousFileName('a', n))).toEqual(['a.previous', 'a.previous-2', 'a.previous-3'])
	})
})
