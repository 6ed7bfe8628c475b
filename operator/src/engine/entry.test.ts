import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { describe, expect, it } from 'vitest'
import { ABSENT_AFTER_MS, decideEntry, type Finding, isAbsent } from './entry.ts'
import type { VaultFault } from './fault.ts'
import { contextOf } from './testing/samples.ts'

const wanted = { name: 'db', objectName: 'payments-db', optional: false }
const before: ManifestSecret = {
	objectName: 'payments-db',
	version: 'v1',
	state: 'Current',
	pinned: false,
	tags: {},
	previous: [],
}
const facts = { enabled: true, created: 0, updated: 60, contentType: 'text/plain', tags: { secret: 'no' } }
const read = (version: string, settled = true): Finding => ({ kind: 'value', version, value: 'value', facts, settled })
const failed = (fault: VaultFault, confirmed = false): Finding => ({ kind: 'fault', fault, confirmed })
const decide = (
	finding: Finding,
	inManifest: ManifestSecret | undefined,
	policy: 'Keep' | 'Remove' = 'Keep',
	intact = true,
) => decideEntry(wanted, finding, inManifest, contextOf({ absent: policy }, intact))

describe('one secret', () => {
	it('that is new is written, described without its tags', () => {
		expect(decide(read('v1'), undefined)).toMatchObject({
			value: 'value',
			state: 'Current',
			reason: undefined,
			inManifest: {
				objectName: 'payments-db',
				version: 'v1',
				updated: '1970-01-01T00:01:00Z',
				contentType: 'text/plain',
				tags: {},
			},
		})
	})
	it('that was read once more without a change is not written', () => {
		expect(decide(read('v1'), before).value).toBeUndefined()
	})
	it('that somebody edited is written, though its version is the same', () => {
		expect(decide(read('v1'), before, 'Keep', false).value).toBe('value')
	})
	it('whose form changed in the spec is written, though its version is the same, and described so', () => {
		const hex = { ...wanted, form: { kind: 'value', decode: 'Hex', property: undefined } } as const
		expect(decideEntry(hex, read('v1'), before, contextOf())).toMatchObject({
			value: 'value',
			inManifest: { form: 'decode=Hex' },
		})
		expect(decideEntry(hex, read('v1'), { ...before, form: 'decode=Hex' }, contextOf()).value).toBeUndefined()
		expect(decide(read('v1'), { ...before, form: 'decode=Hex' }).value).toBe('value')
	})
	it('whose new value does not decode keeps its last good bytes and says so', () => {
		expect(decide(failed({ kind: 'decode', rule: 'Hex' }), before)).toMatchObject({
			inManifest: before,
			value: undefined,
			remove: false,
			state: 'Current',
			reason: 'DecodeFailed',
		})
	})
	it('that may be written to again within the second says so', () => {
		expect(decide(read('v2', false), before)).toMatchObject({ reason: 'Unsettled', value: 'value' })
	})
	it('whose object changed in the spec keeps the old bytes while the new ones cannot be read', () => {
		const other = { ...before, objectName: 'another' }
		expect(decide(failed({ kind: 'timeout' }), other)).toMatchObject({
			inManifest: other,
			state: 'Pending',
			reason: 'VaultTimeout',
			remove: false,
		})
		expect(decide(failed({ kind: 'absent' }, true), other, 'Remove')).toMatchObject({
			inManifest: other,
			remove: false,
		})
	})
	it('that is absent for the first time stays as it was', () => {
		expect(decide(failed({ kind: 'absent' }), before, 'Remove')).toMatchObject({
			inManifest: before,
			remove: false,
			state: 'Current',
			reason: undefined,
		})
	})
	it('that is absent stays and is marked under Keep', () => {
		expect(decide(failed({ kind: 'absent' }, true), before)).toMatchObject({
			inManifest: { state: 'Absent' },
			remove: false,
			reason: 'SecretAbsent',
		})
	})
	it('that is absent goes under Remove', () => {
		expect(decide(failed({ kind: 'absent' }, true), before, 'Remove')).toMatchObject({
			inManifest: undefined,
			remove: true,
		})
	})
	it('that is disabled stays and is marked', () => {
		expect(decide({ kind: 'flawed', flaw: 'disabled' }, before, 'Remove')).toMatchObject({
			inManifest: { state: 'Disabled', version: 'v1' },
			remove: false,
		})
	})

	const kinds: VaultFault[] = [
		{ kind: 'versionAbsent' },
		{ kind: 'forbiddenRbac' },
		{ kind: 'accessDenied' },
		{ kind: 'forbiddenPolicy' },
		{ kind: 'firewall' },
		{ kind: 'connection' },
		{ kind: 'forbidden' },
		{ kind: 'unauthorized' },
		{ kind: 'federation', code: '700213' },
		{ kind: 'federationRefused', code: '700024' },
		{ kind: 'identityNotFound', code: '700016' },
		{ kind: 'entraUnavailable' },
		{ kind: 'throttled' },
		{ kind: 'unreachable' },
		{ kind: 'timeout' },
		{ kind: 'server' },
		{ kind: 'garbage' },
	]
	it.each(kinds.map((fault) => [fault.kind, fault] as const))(
		'keeps its bytes and their description on %s, whatever the policy',
		(_, fault) => {
			for (const confirmed of [false, true]) {
				expect(decide(failed(fault, confirmed), before, 'Remove')).toMatchObject({
					inManifest: before,
					value: undefined,
					remove: false,
				})
			}
		},
	)
})

describe('absence', () => {
	it('takes two answers ten seconds apart', () => {
		expect(isAbsent(1_000, 1_000)).toBe(false)
		expect(isAbsent(1_000, 1_000 + ABSENT_AFTER_MS - 1)).toBe(false)
		expect(isAbsent(1_000, 1_000 + ABSENT_AFTER_MS)).toBe(true)
	})
})
