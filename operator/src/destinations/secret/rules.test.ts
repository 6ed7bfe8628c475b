import { type Manifest, serializeManifest } from 'purista-azure-mounted-secret-store/manifest'
import { describe, expect, it, vi } from 'vitest'
import { isSecretBinding } from '../../api/deliveries.ts'
import { type ParsedBinding, parseBinding } from '../../api/parse.ts'
import { buildManifest, changeOf } from '../../engine/change.ts'
import { decideEntry, type EntryResult } from '../../engine/entry.ts'
import { drifted, secretInManifest } from '../../engine/manifest-entry.ts'
import { contextOf } from '../../engine/testing/samples.ts'
import { planWrite, type SecretWrite } from './rules.ts'
import { holdingOf, type SecretObject } from './secret-object.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const plain = (write: SecretWrite) =>
	JSON.parse(JSON.stringify('body' in write ? { ...write, body: write.body() } : write)) as Record<string, unknown>

function bindingOf(secret: object = {}, names = ['a', 'b']) {
	const parsed: ParsedBinding = parseBinding({
		metadata: { namespace: 'ns', name: 'payments', uid: 'uid', generation: 1 },
		spec: {
			identity: { serviceAccountName: 'app' },
			secrets: names.map((name) => ({ name, objectName: name.replaceAll('.', '-') })),
			delivery: { secret: { name: 's', ...secret } },
		},
	})
	if (parsed.kind !== 'active' || !isSecretBinding(parsed.binding)) throw new Error(JSON.stringify(parsed))
	return parsed.binding
}

const resultsWith = (binding: ReturnType<typeof bindingOf>, values: Record<string, string>): EntryResult[] =>
	binding.secrets.map((wanted) => {
		const value = values[wanted.name]
		return value === undefined
			? decideEntry(
					wanted,
					{ kind: 'fault', fault: { kind: 'forbiddenRbac' }, confirmed: false },
					undefined,
					contextOf(),
				)
			: decideEntry(
					wanted,
					{
						kind: 'value',
						version: `v-${value.slice(0, 8)}`,
						value,
						facts: { enabled: true, tags: {} },
						settled: true,
					},
					undefined,
					contextOf(),
				)
	})

/** Our Secret with these values, as the API server would answer it. */
function secretOf(
	binding: ReturnType<typeof bindingOf>,
	values: Record<string, string>,
	change: Partial<SecretObject> = {},
): SecretObject {
	const results = resultsWith(binding, values)
	const manifest = buildManifest({ binding, vaultUrl: 'https://v', results, holding: undefined, revision: 0 })
	const data = {
		...Object.fromEntries(Object.entries(values).map(([k, v]) => [k, base64(v)])),
		'.binding.json': base64(serializeManifest(manifest)),
	}
	return {
		metadata: {
			name: 's',
			uid: 'secret-uid',
			resourceVersion: '7',
			labels: { 'secrets.purista.dev/binding': 'payments' },
			ownerReferences: [
				{ apiVersion: 'secrets.purista.dev/v1alpha1', kind: 'AzureSecretBinding', name: 'payments', uid: 'uid' },
			],
			managedFields: [
				{
					manager: 'azure-secret-binding',
					time: '2026-01-01T00:00:00Z',
					fieldsV1: {
						'f:data': Object.fromEntries(['.', ...Object.keys(data).map((k) => `f:${k}`)].map((k) => [k, {}])),
						'f:metadata': { 'f:labels': { '.': {}, 'f:secrets.purista.dev/binding': {}, 'f:dropped': {} } },
					},
				},
			],
		},
		type: 'Opaque',
		data,
		...change,
	}
}

function plan(binding: ReturnType<typeof bindingOf>, results: EntryResult[], secret?: SecretObject, revision = 0) {
	const input = { binding, vaultUrl: 'https://v', results, holding: secret && holdingOf(secret), revision }
	return planWrite(binding, changeOf(input))
}
/** Results that find everything unchanged. */
const unchanged = (binding: ReturnType<typeof bindingOf>, secret: SecretObject): EntryResult[] =>
	binding.secrets.map((wanted) =>
		decideEntry(
			wanted,
			{ kind: 'unchanged' },
			secretInManifest(holdingOf(secret), wanted.name, 'https://v'),
			contextOf(),
		),
	)

describe('the write', () => {
	it('creates with all data, label, owner and manifest, and nothing more', () => {
		const binding = bindingOf()
		expect(plain(plan(binding, resultsWith(binding, { a: '1', b: 'ü' })))).toMatchObject({
			kind: 'create',
			changed: ['a', 'b'],
			body: {
				type: 'Opaque',
				metadata: {
					name: 's',
					labels: { 'secrets.purista.dev/binding': 'payments' },
					ownerReferences: [{ uid: 'uid' }],
				},
				data: { a: base64('1'), b: base64('ü') },
			},
		})
	})
	it('creates with nine of ten', () => {
		const binding = bindingOf()
		expect(plan(binding, resultsWith(binding, { a: '1' }))).toMatchObject({ kind: 'create', changed: ['a'] })
	})
	it('creates nothing without a single value: pods shall wait', () => {
		const binding = bindingOf()
		expect(plan(binding, resultsWith(binding, {}))).toEqual({ kind: 'none' })
	})
	it('has no owner under Retain', () => {
		const binding = bindingOf({ onDelete: 'Retain' })
		expect(plain(plan(binding, resultsWith(binding, { a: '1' })))['body']).not.toHaveProperty(
			'metadata.ownerReferences',
		)
	})
	it('is none when nothing changed', () => {
		const binding = bindingOf()
		const secret = secretOf(binding, { a: '1', b: '2' })
		secret.metadata.managedFields = secret.metadata.managedFields?.map((each) => ({ ...each })) ?? []
		expect(plan(binding, unchanged(binding, secret), secret)).toEqual({ kind: 'none' })
	})
	it('patches the changed key and the manifest, with the resourceVersion that was seen', () => {
		const binding = bindingOf()
		const secret = secretOf(binding, { a: '1', b: '2' })
		const [a, b] = [unchanged(binding, secret)[0], resultsWith(binding, { b: 'next' })[1]]
		const write = plain(
			plan(
				binding,
				[a, b].filter((each) => each !== undefined),
				secret,
			),
		)
		expect(write).toMatchObject({
			kind: 'patch',
			changed: ['b'],
			dataChanged: true,
			body: { metadata: { resourceVersion: '7' } },
		})
		const data = (write['body'] as { data: Record<string, string> }).data
		expect(Object.keys(data).toSorted()).toEqual(['.binding.json', 'b'])
		const manifest = JSON.parse(Buffer.from(data['.binding.json'] ?? '', 'base64').toString()) as Manifest
		expect(manifest).toMatchObject({ revision: 2, secrets: { b: { version: 'v-next' } } })
	})
	it('removes what the spec wants no more, and leaves keys of others', () => {
		const secret = secretOf(bindingOf(), { a: '1', b: '2' })
		secret.data = { ...secret.data, theirs: base64('x') }
		const binding = bindingOf({}, ['a'])
		expect(plain(plan(binding, unchanged(binding, secret), secret))).toMatchObject({
			changed: ['b'],
			body: { data: { b: null } },
		})
	})
	it('drops labels that were ours, and sets those of the spec', () => {
		const binding = bindingOf({ labels: { team: 'x' } })
		const secret = secretOf(binding, { a: '1', b: '2' })
		secret.metadata.labels = { ...secret.metadata.labels, dropped: 'y', theirs: 'z' }
		const write = plan(binding, unchanged(binding, secret), secret)
		expect(plain(write)).toMatchObject({
			dataChanged: false,
			body: { metadata: { labels: { team: 'x', dropped: null } } },
		})
	})
	it('takes its own owner reference away under Retain, and keeps those of others', () => {
		const binding = bindingOf({ onDelete: 'Retain' })
		const secret = secretOf(binding, { a: '1', b: '2' })
		const other = { apiVersion: 'v1', kind: 'ConfigMap', name: 'c', uid: 'u' }
		secret.metadata.ownerReferences = [...(secret.metadata.ownerReferences ?? []), other]
		const write = plan(binding, unchanged(binding, secret), secret)
		expect(plain(write)).toMatchObject({ body: { metadata: { ownerReferences: [other] } } })
	})
	it('replaces the owner reference to a binding of that name that is gone', () => {
		const binding = { ...bindingOf(), uid: 'new' }
		const secret = secretOf(bindingOf(), { a: '1', b: '2' })
		const write = plan(binding, unchanged(binding, secret), secret)
		expect(plain(write)).toMatchObject({ body: { metadata: { ownerReferences: [{ name: 'payments', uid: 'new' }] } } })
	})
	it('is refused as a whole over 1 MiB, keys of others counted, with the largest named', () => {
		const binding = bindingOf()
		const secret = secretOf(binding, { a: '1', b: '2' })
		secret.data = { ...secret.data, theirs: base64('x'.repeat(1_048_000)) }
		expect(plan(binding, resultsWith(binding, { a: 'y'.repeat(600), b: '2' }), secret)).toMatchObject({
			kind: 'tooLarge',
			largest: [{ name: 'theirs', bytes: 1_048_000 }, { name: 'a', bytes: 600 }, {}],
		})
	})
	it('is refused by the tags of its manifest alone, which nobody writes out for that', () => {
		const binding = bindingOf()
		const results = resultsWith(binding, { a: '1', b: '2' }).map((result) => ({
			...result,
			inManifest: result.inManifest && { ...result.inManifest, tags: { key: 'v'.repeat(600_000) } },
		}))
		expect(plan(binding, results)).toEqual({
			kind: 'tooLarge',
			bytes: 1_200_006,
			largest: [{ name: '.binding.json', bytes: 1_200_006 }],
		})
	})
	it('encodes no value of what is too large', () => {
		const binding = bindingOf()
		const value = 'v'.repeat(1_048_577)
		const encoding = vi.spyOn(Buffer.prototype, 'toString')
		expect(plan(binding, resultsWith(binding, { a: value, b: '2' }))).toMatchObject({ kind: 'tooLarge' })
		expect(encoding).not.toHaveBeenCalled()
		encoding.mockRestore()
	})
	it('is refused for another type, and for an immutable Secret', () => {
		const binding = bindingOf()
		const secret = secretOf(binding, { a: '1', b: '2' })
		expect(plan(binding, unchanged(binding, secret), { ...secret, type: 'kubernetes.io/tls' })).toEqual({
			kind: 'typeDiffers',
			type: 'kubernetes.io/tls',
		})
		expect(plan(binding, resultsWith(binding, { a: 'x', b: '2' }), { ...secret, immutable: true })).toEqual({
			kind: 'immutable',
		})
		expect(plan(binding, unchanged(binding, secret), { ...secret, immutable: true })).toEqual({ kind: 'none' })
	})
	it('is refused when the type asks for a key that could not be read', () => {
		const binding = bindingOf({ type: 'kubernetes.io/tls' }, ['tls.crt', 'tls.key'])
		expect(plan(binding, resultsWith(binding, { 'tls.crt': 'c' }))).toEqual({ kind: 'keyMissing', keys: ['tls.key'] })
	})
	it('delivers no manifest when the spec wants none, and removes the one that is there', () => {
		const binding = bindingOf({ manifest: false })
		expect(plain(plan(binding, resultsWith(binding, { a: '1', b: '2' })))['body']).not.toHaveProperty([
			'data',
			'.binding.json',
		])
		const secret = secretOf(binding, { a: '1', b: '2' })
		expect(plain(plan(binding, unchanged(binding, secret), secret))).toMatchObject({
			body: { data: { '.binding.json': null } },
		})
	})
	it('goes on above a revision that is known from elsewhere', () => {
		const binding = bindingOf()
		const input = {
			binding,
			vaultUrl: 'https://v',
			results: resultsWith(binding, { a: '1' }),
			holding: undefined,
			revision: 41,
		}
		expect(buildManifest(input).revision).toBe(42)
	})
})

describe('drift', () => {
	const binding = bindingOf()
	it('is none while our field manager holds the keys', () => {
		expect(drifted(holdingOf(secretOf(binding, { a: '1', b: '2' })), ['a', 'b'], new Map())).toEqual([])
	})
	it('is a missing key, and a key that somebody else wrote, until it was compared', () => {
		const secret = secretOf(binding, { a: '1', b: '2' })
		delete secret.data?.['a']
		const [ours] = secret.metadata.managedFields ?? []
		secret.metadata.managedFields = [
			{ ...ours, fieldsV1: { 'f:data': { '.': {}, 'f:.binding.json': {} } } },
			{ manager: 'kubectl-edit', time: '2026-01-02T00:00:00Z', fieldsV1: { 'f:data': { 'f:b': {} } } },
		]
		const holding = holdingOf(secret)
		expect(drifted(holding, ['a', 'b'], new Map())).toEqual(['a', 'b'])
		expect(drifted(holding, ['a', 'b'], new Map([['b', 'kubectl-edit@2026-01-02T00:00:00Z']]))).toEqual(['a'])
		expect(drifted(holding, ['b'], new Map([['b', 'kubectl-edit@2026-01-01T00:00:00Z']]))).toEqual(['b'])
	})
})
