import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { EVENT_REASONS, REASONS } from './conditions.ts'
import { buildCrd } from './crd.ts'
import { parseDuration } from './duration.ts'
import { parseBinding } from './parse.ts'

const root = new URL('../../../crds/', import.meta.url)

describe('the CRD', () => {
	const crd = JSON.parse(JSON.stringify(buildCrd())) as Record<string, unknown>
	it('is the committed file', () => {
		expect(parse(readFileSync(new URL('secrets.purista.dev_azuresecretbindings.yaml', root), 'utf8'))).toEqual(crd)
	})

	it('describes every field, bounds every list, map and text, and has no union', () => {
		const problems: string[] = []
		const walk = (schema: Record<string, unknown>, path: string) => {
			for (const key of ['oneOf', 'anyOf', 'allOf', 'not']) if (key in schema) problems.push(`${path}: ${key}`)
			if (schema['type'] === 'array' && schema['maxItems'] === undefined) problems.push(`${path}: no maxItems`)
			if (schema['type'] === 'string' && schema['maxLength'] === undefined && schema['enum'] === undefined)
				problems.push(`${path}: no maxLength`)
			if (schema['additionalProperties'] && schema['maxProperties'] === undefined)
				problems.push(`${path}: no maxProperties`)
			for (const child of ['items', 'additionalProperties']) {
				if (schema[child]) walk(schema[child] as Record<string, unknown>, `${path}.${child}`)
			}
			for (const [name, field] of Object.entries(
				(schema['properties'] ?? {}) as Record<string, Record<string, unknown>>,
			)) {
				if (!field['description']) problems.push(`${path}.${name}: no description`)
				walk(field, `${path}.${name}`)
			}
		}
		const { versions } = crd['spec'] as {
			versions: { schema: { openAPIV3Schema: { properties: Record<string, Record<string, unknown>> } } }[]
		}
		const { spec, status } = versions[0]?.schema.openAPIV3Schema.properties ?? {}
		for (const [name, schema] of Object.entries({ spec, status })) walk(schema ?? {}, name)
		expect(problems).toEqual([])
	})

	it('is explained: a heading for each field, a word on each reason', () => {
		const text = readFileSync(new URL('README.md', root), 'utf8')
		const fields = [
			'spec.vault',
			'spec.identity',
			'spec.secrets',
			'spec.secrets[].decode',
			'spec.secrets[].property',
			'spec.certificates',
			'spec.select',
			'spec.secrets[].previous',
			'spec.delivery',
			'spec.delivery.volume.mode',
			'spec.delivery.volume.offlineFor',
			'spec.refresh.interval',
			'spec.refresh.staleAfter',
			'spec.policy.maxRemovals',
			'spec.suspend',
			'hold',
			'allow-removals',
			'status.conditions',
		]
		for (const field of fields)
			expect(text).toMatch(new RegExp(`^#+ .*\`${field.replaceAll(/[.[\]]/g, '\\$&')}\``, 'm'))
		const reasons = Object.keys({ ...REASONS, ...EVENT_REASONS })
		const pages = text + readFileSync(new URL('troubleshooting.md', root), 'utf8')
		expect(reasons.filter((reason) => !pages.includes(`\`${reason}\``) && !pages.includes(`#### ${reason}\n`))).toEqual(
			[],
		)
	})
})

describe('a binding', () => {
	const object = (spec: object, metadata: object = {}) => ({
		metadata: { namespace: 'ns', name: 'b', uid: 'u', generation: 3, ...metadata },
		spec: {
			identity: { serviceAccountName: 'app' },
			secrets: [{ name: 'a' }],
			delivery: { secret: { name: 's' } },
			...spec,
		},
	})
	it('gets its defaults', () => {
		expect(parseBinding(object({ vault: { url: 'https://v12.vault.azure.net/' } }))).toMatchObject({
			kind: 'active',
			status: {},
			binding: {
				generation: 3,
				vaultUrl: 'https://v12.vault.azure.net',
				identity: { audience: 'api://AzureADTokenExchange', clientId: undefined },
				secrets: [{ name: 'a', objectName: 'a', optional: false }],
				delivery: {
					type: 'Secret',
					secretType: 'Opaque',
					manifest: true,
					onDelete: 'Delete',
					refreshPods: true,
					labels: {},
				},
				interval: 60_000,
				staleAfter: 86_400_000,
				select: [],
				policy: {
					absent: 'Keep',
					deselected: 'Keep',
					disabled: 'Keep',
					expired: 'Keep',
					notYetValid: 'Keep',
					maxRemovals: 5,
				},
				annotatedPins: { kind: 'none' },
			},
		})
	})
	it.each([
		['a name that is reserved', { secrets: [{ name: '.binding.json', objectName: 'x' }] }, 'binding.json'],
		[
			'a name that readers keep for older versions',
			{ secrets: [{ name: 'a.previous', objectName: 'x' }] },
			'.previous',
		],
		[
			'a name twice, of a secret and of a certificate',
			{ certificates: [{ objectName: 'c', cert: 'tls.crt', key: 'a' }] },
			'twice',
		],
		[
			'a reserved name for a key',
			{ certificates: [{ objectName: 'c', cert: 'tls.crt', key: '.binding.json' }] },
			'binding.json',
		],
		['a name twice', { secrets: [{ name: 'a' }, { name: 'a' }] }, 'twice'],
		['a field that this version does not know', { decode: 'None' }, 'decode'],
		['a Secret of no name', { delivery: { type: 'Secret' } }, 'name of the Secret'],
		['a Secret for a volume', { delivery: { type: 'Volume', secret: { name: 's' } } }, 'leave out secret'],
		['a volume for a Secret', { delivery: { secret: { name: 's' }, volume: {} } }, 'write type: Volume'],
		['refreshed pods of volumes', { delivery: { type: 'Volume', refreshPods: false } }, 'leave it out'],
		['a mode without its zero', { delivery: { type: 'Volume', volume: { mode: 440 } } }, 'leading zero'],
		['a mode that writes', { delivery: { type: 'Volume', volume: { mode: '0640' } } }, 'leading zero'],
		[
			'our own label',
			{ delivery: { secret: { name: 's', labels: { 'secrets.purista.dev/binding': 'x' } } } },
			"operator's own",
		],
	])('with %s is invalid, and the problem says so', (_, spec, text) => {
		const parsed = parseBinding(object(spec))
		expect(parsed.kind).toBe('invalid')
		expect(parsed.kind === 'invalid' && parsed.problem).toContain(text)
	})
	it.each([
		['nothing', {}, undefined, 0],
		['a text', { mode: '0440' }, 0o440, 0],
		['a text without its zero', { mode: '400' }, 0o400, 0],
		['what YAML makes of 0444', { mode: 292 }, 0o444, 0],
		['a time offline', { offlineFor: '1h' }, undefined, 3_600_000],
	])('delivered into volumes, with %s', (_, volume, mode, offlineFor) => {
		const parsed = parseBinding(object({ delivery: { type: 'Volume', volume } }))
		expect(parsed.kind === 'active' && parsed.binding.delivery).toEqual({ type: 'Volume', mode, offlineFor })
	})
	it('with certificates wants each of their files, in a form that says which', () => {
		const parsed = parseBinding(
			object({
				secrets: [
					{ name: 'raw', decode: 'Hex' },
					{ name: 'part', property: '/a' },
				],
				certificates: [
					{ objectName: 'shop', cert: 'tls.crt', key: 'tls.key' },
					{ objectName: 'old', cert: 'o.crt', key: 'o.key', ca: 'o.ca', version: 'f'.repeat(32), optional: true },
				],
			}),
		)
		expect(parsed.kind === 'active' && parsed.binding.secrets).toEqual([
			{ name: 'raw', objectName: 'raw', optional: false, form: { kind: 'value', decode: 'Hex', property: undefined } },
			{ name: 'part', objectName: 'part', optional: false, form: { kind: 'value', decode: 'None', property: '/a' } },
			...(['cert', 'key'] as const).map((part) => ({
				name: part === 'cert' ? 'tls.crt' : 'tls.key',
				objectName: 'shop',
				optional: false,
				form: { kind: 'certificate', part, ca: false },
			})),
			...(['cert', 'key', 'ca'] as const).map((part) => ({
				name: { cert: 'o.crt', key: 'o.key', ca: 'o.ca' }[part],
				objectName: 'old',
				version: 'f'.repeat(32),
				optional: true,
				form: { kind: 'certificate', part, ca: true },
			})),
		])
	})
	it.each(['', '/', '/a/b~0~1', '//'])('may point with %j', (property) =>
		expect(parseBinding(object({ secrets: [{ name: 'a', property }] })).kind).toBe('active'),
	)
	it.each(['a', 'a/b', '/~', '/~2'])('may not point with %j', (property) =>
		expect(parseBinding(object({ secrets: [{ name: 'a', property }] })).kind).toBe('invalid'),
	)
	it('that is suspended is not looked into further', () => {
		expect(parseBinding(object({ suspend: true }))).toEqual({ kind: 'suspended', generation: 3, status: {} })
	})
	it('with a status that cannot be read has none', () => {
		expect(parseBinding({ ...object({}), status: { conditions: 'nonsense' } })).toMatchObject({
			kind: 'active',
			status: {},
		})
	})
	it.each([
		['5s', 5_000],
		['1h30m', 5_400_000],
		['24h', 86_400_000],
	])('reads %s as %s ms', (text, ms) => expect(parseDuration(text)).toBe(ms))
})
