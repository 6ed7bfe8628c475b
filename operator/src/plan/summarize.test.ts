import { describe, expect, it } from 'vitest'
import type { BindingStatus, Condition } from '../api/schema.ts'
import type { VaultFault } from './fault.ts'
import { decideEntry, type Finding } from './found.ts'
import type { Outcome } from './outcome.ts'
import { type SummaryInput, summarize, type Track } from './summarize.ts'
import { contextOf, lookedOf } from './testing/samples.ts'

const NOW = Date.UTC(2026, 0, 1, 12)
const MINUTE = 60_000
const at = {
	namespace: 'ns',
	serviceAccount: 'app',
	clientId: '11111111-2222-3333-4444-555555555555',
	tenantId: '11111111-2222-3333-4444-666666666666',
	audience: 'api://AzureADTokenExchange',
	issuer: 'https://issuer.example',
	vaultUrl: 'https://payments.vault.azure.net',
}
const wanted = (name: string, optional = false) => ({ name, objectName: name, optional })
const value: Finding = {
	kind: 'value',
	version: 'v1',
	value: 'x',
	facts: { enabled: true, tags: {}, updated: 1 },
	settled: true,
}
const fault = (of: VaultFault, confirmed = true): Finding => ({ kind: 'fault', fault: of, confirmed })

const looked = (...findings: [ReturnType<typeof wanted>, Finding][]): Outcome =>
	lookedOf({
		at,
		changed: true,
		results: findings.map(([want, finding]) => decideEntry(want, finding, undefined, contextOf())),
	})
const failed = (of: VaultFault): Outcome => ({ kind: 'failed', fault: of, at })

function run(
	outcome: Outcome,
	change: Partial<SummaryInput> & { names?: ReturnType<typeof wanted>[]; selects?: boolean } = {},
) {
	const { names = [wanted('a'), wanted('b')], selects = false, ...rest } = change
	const spec = {
		secrets: names,
		secretName: 's',
		selects,
		name: 'binding',
		interval: MINUTE,
		staleAfter: 60 * MINUTE,
		requested: undefined,
	}
	const track: Track = { failures: 0, failingSince: undefined, lastLook: undefined }
	return summarize({ outcome, spec, generation: 2, previous: {}, track, now: NOW, at: 1_000_000, random: 0, ...rest })
}
const shown = (status: BindingStatus) =>
	Object.fromEntries((status.conditions ?? []).map(({ type, status: is, reason }) => [type, `${is} ${reason}`]))
const message = (status: BindingStatus, type: string) =>
	status.conditions?.find((each) => each.type === type)?.message ?? ''

/** kstatus' rules: what tools that wait for us conclude from. */
function checkConditions({ conditions = [], observedGeneration }: BindingStatus) {
	const types = conditions.map(({ type }) => type)
	expect(new Set(types).size).toBe(types.length)
	expect(types).toContain('Ready')
	const is = (type: string) => conditions.find((each) => each.type === type)?.status
	for (const abnormal of ['Reconciling', 'Stalled']) expect([undefined, 'True']).toContain(is(abnormal))
	expect(is('Reconciling') && is('Stalled')).toBeFalsy()
	if (is('Ready') === 'True') expect(is('Reconciling') ?? is('Stalled')).toBeUndefined()
	for (const each of conditions) expect(each.observedGeneration).toBe(observedGeneration)
}

const good = run(looked([wanted('a'), value], [wanted('b'), value])).status
const goodTrack: Track = { failures: 0, failingSince: undefined, lastLook: NOW - MINUTE }

describe('conditions', () => {
	it('explain one rule with the names that break it; each secret has its own reason', () => {
		const { status } = run(
			looked(
				[wanted('a'), fault({ kind: 'decode', rule: 'Hex' })],
				[wanted('b'), fault({ kind: 'decode', rule: 'Base64' })],
				[wanted('c'), fault({ kind: 'property', rule: 'json' })],
				[wanted('d'), fault({ kind: 'decode', rule: 'Hex' })],
			),
			{ names: ['a', 'b', 'c', 'd'].map((name) => wanted(name)) },
		)
		expect(shown(status)).toEqual({
			Ready: 'False DecodeFailed',
			Fresh: 'False DecodeFailed',
			Stalled: 'True DecodeFailed',
		})
		expect(message(status, 'Fresh')).toContain('(a, d) in the vault payments is not hexadecimal')
		expect(message(status, 'Ready')).toContain('Not delivered: a, b, c, d. The value (a, d) in the vault')
		expect(status.secrets?.map(({ reason }) => reason)).toEqual([
			'DecodeFailed',
			'DecodeFailed',
			'PropertyMissing',
			'DecodeFailed',
		])
		checkConditions(status)
	})

	const selected = (name: string) => ({ ...wanted(name, true), selected: true as const })
	it('of selected secrets one may fail, but not all: then there is no Secret', () => {
		const broken = fault({ kind: 'disabled' })
		const some = run(looked([selected('a'), value], [selected('b'), broken]), { names: [], selects: true }).status
		expect(shown(some)).toEqual({ Ready: 'True Delivered', Fresh: 'False SecretDisabled' })
		const none = run(looked([selected('a'), broken], [selected('b'), broken]), { names: [], selects: true }).status
		expect(shown(none)).toEqual({
			Ready: 'False SecretDisabled',
			Fresh: 'False SecretDisabled',
			Stalled: 'True SecretDisabled',
		})
		expect(message(none, 'Ready')).toContain('Not delivered: a, b.')
		checkConditions(none)
	})

	const cases: [string, Outcome, Parameters<typeof run>[1], Record<string, string>, string][] = [
		[
			'all delivered',
			looked([wanted('a'), value], [wanted('b'), value]),
			{},
			{ Ready: 'True Delivered', Fresh: 'True Current' },
			'2/2',
		],
		[
			'one absent and wanted: not Ready, yet as fresh as the vault',
			looked([wanted('a'), value], [wanted('b'), fault({ kind: 'absent' })]),
			{},
			{ Ready: 'False SecretAbsent', Fresh: 'True Current', Stalled: 'True SecretAbsent' },
			'1/2',
		],
		[
			'one absent and optional: Ready',
			looked([wanted('a'), value], [wanted('b', true), fault({ kind: 'absent' })]),
			{ names: [wanted('a'), wanted('b', true)] },
			{ Ready: 'True Delivered', Fresh: 'True Current' },
			'1/2',
		],
		[
			'one forbidden: the other is delivered, and waiting for the role counts as reconciling',
			looked([wanted('a'), value], [wanted('b'), fault({ kind: 'forbiddenRbac' })]),
			{},
			{ Ready: 'False ForbiddenByRbac', Fresh: 'False ForbiddenByRbac', Reconciling: 'True ForbiddenByRbac' },
			'1/2',
		],
		[
			'a federation fault of nine minutes: still propagating',
			failed({ kind: 'federation', code: '700213' }),
			{ track: { failures: 9, failingSince: 1_000_000 - 9 * MINUTE, lastLook: undefined } },
			{ Ready: 'False FederationNotFound', Fresh: 'False FederationNotFound', Reconciling: 'True FederationNotFound' },
			'0/2',
		],
		[
			'a federation fault of ten minutes: stalled',
			failed({ kind: 'federation', code: '700213' }),
			{ track: { failures: 9, failingSince: 1_000_000 - 10 * MINUTE, lastLook: undefined } },
			{ Ready: 'False FederationNotFound', Fresh: 'False FederationNotFound', Stalled: 'True FederationNotFound' },
			'0/2',
		],
		[
			'the vault away for a moment: nothing changes',
			failed({ kind: 'unreachable' }),
			{ previous: good, track: goodTrack },
			{ Ready: 'True Delivered', Fresh: 'True Current' },
			'2/2',
		],
		[
			'the vault away for five minutes: Fresh turns, Ready stays',
			failed({ kind: 'throttled' }),
			{ previous: good, track: { ...goodTrack, failingSince: 1_000_000 - 5 * MINUTE } },
			{ Ready: 'True Delivered', Fresh: 'False VaultThrottled' },
			'2/2',
		],
		[
			'the vault away for longer than staleAfter: Ready turns',
			failed({ kind: 'unreachable' }),
			{ previous: good, track: { failures: 9, failingSince: 0, lastLook: NOW - 61 * MINUTE } },
			{ Ready: 'False Stale', Fresh: 'False VaultUnreachable', Reconciling: 'True Stale' },
			'2/2',
		],
		[
			'the vault away from the beginning: told at once',
			failed({ kind: 'unreachable' }),
			{},
			{ Ready: 'False VaultUnreachable', Fresh: 'False VaultUnreachable', Reconciling: 'True VaultUnreachable' },
			'0/2',
		],
		[
			'a role taken away: told at once, Ready stays',
			failed({ kind: 'accessDenied' }),
			{ previous: good, track: goodTrack },
			{ Ready: 'True Delivered', Fresh: 'False AccessDenied' },
			'2/2',
		],
		[
			'a ServiceAccount gone: told at once, Ready stays',
			{ kind: 'refused', reason: 'ServiceAccountNotFound', message: 'm' },
			{ previous: good, track: goodTrack },
			{ Ready: 'True Delivered', Fresh: 'False ServiceAccountNotFound' },
			'2/2',
		],
		[
			'a Secret taken away from us: no longer what the spec asks for',
			{ kind: 'refused', reason: 'SecretNotOurs', message: 'm' },
			{ previous: good, track: goodTrack },
			{ Ready: 'False SecretNotOurs', Fresh: 'False SecretNotOurs', Stalled: 'True SecretNotOurs' },
			'2/2',
		],
		[
			'suspended after delivery',
			{ kind: 'suspended' },
			{ previous: good, spec: undefined },
			{ Ready: 'True Delivered', Fresh: 'Unknown Suspended' },
			'2/2',
		],
		[
			'suspended from the beginning',
			{ kind: 'suspended' },
			{ spec: undefined },
			{ Ready: 'Unknown Suspended', Fresh: 'Unknown Suspended' },
			'0/0',
		],
		[
			'an invalid spec',
			{ kind: 'invalid', problem: 'p' },
			{ spec: undefined },
			{ Ready: 'False InvalidSpec', Fresh: 'False InvalidSpec', Stalled: 'True InvalidSpec' },
			'0/0',
		],
	]
	it.each(cases)('%s', (_, outcome, change, conditions, synced) => {
		const { status } = run(outcome, change)
		expect(shown(status)).toEqual(conditions)
		expect(status.synced).toBe(synced)
		checkConditions(status)
	})

	it('name what is missing and print one line that mends it', () => {
		const { status } = run(
			looked([wanted('a'), fault({ kind: 'forbiddenRbac' })], [wanted('b'), fault({ kind: 'forbiddenRbac' })]),
		)
		expect(message(status, 'Ready')).toContain('Not delivered: a, b.')
		expect(
			message(status, 'Fresh')
				.split('\n')
				.filter((line) => line.startsWith('az ')),
		).toHaveLength(1)
	})

	it('keep their transition time while their status stays', () => {
		const later = run(looked([wanted('a'), value], [wanted('b'), value]), { previous: good, now: NOW + MINUTE })
		expect(later.status.conditions?.map((each: Condition) => each.lastTransitionTime)).toEqual([
			'2026-01-01T12:00:00Z',
			'2026-01-01T12:00:00Z',
		])
		expect(later.transitions).toEqual([])
	})
})

describe('the time of the last look', () => {
	const quiet: Outcome = {
		...(looked([wanted('a'), value], [wanted('b'), value]) as Extract<Outcome, { kind: 'looked' }>),
		changed: false,
	}
	const previous: BindingStatus = { ...good, lastCheckTime: '2026-01-01T12:00:00Z' }
	it.each([
		[14, 0, '2026-01-01T12:00:00Z'],
		[15, 0, '2026-01-01T12:15:00Z'],
		[16, 0.99, '2026-01-01T12:00:00Z'],
		[17, 0.99, '2026-01-01T12:17:00Z'],
	])('after %s minutes with jitter %s is %s', (minutes, random, expected) => {
		expect(run(quiet, { previous, now: NOW + minutes * MINUTE, random }).status.lastCheckTime).toBe(expected)
	})
	it('does not move while looks fail', () => {
		const { status } = run(failed({ kind: 'unreachable' }), {
			previous,
			now: NOW + 60 * MINUTE,
			track: { ...goodTrack, lastLook: NOW },
		})
		expect(status.lastCheckTime).toBe('2026-01-01T12:00:00Z')
	})
})

describe('the next look', () => {
	const ok = looked([wanted('a'), value], [wanted('b'), value])
	it('comes with the next common look of the session', () => {
		expect(run({ ...(ok as Extract<Outcome, { kind: 'looked' }>), nextAt: 1_012_345 })).toMatchObject({
			requeueMs: 12_345,
			wholeMs: 12_345,
		})
	})
	it('comes sooner when something is unsettled', () => {
		expect(run({ ...(ok as Extract<Outcome, { kind: 'looked' }>), again: 2_500 })).toMatchObject({
			requeueMs: 2_500,
			wholeMs: MINUTE,
		})
	})
	it.each([
		[0, 5_000],
		[1, 10_000],
		[3, 40_000],
		[4, 60_000],
		[40, 60_000],
	])('after %s failures comes after %s ms', (failures, ms) => {
		expect(run(failed({ kind: 'unreachable' }), { track: { ...goodTrack, failures } }).requeueMs).toBe(ms)
	})
	it('is never more than five minutes away when it fails for long', () => {
		const track = { ...goodTrack, failures: 40, failingSince: 1_000_000 - 60 * MINUTE }
		expect(run(failed({ kind: 'unreachable' }), { track }).requeueMs).toBe(5 * MINUTE)
	})
	it('respects what the vault asked for', () => {
		expect(run(failed({ kind: 'throttled', retryAfterMs: 90_000 })).requeueMs).toBe(90_000)
	})
	it('never comes while suspended', () => {
		expect(run({ kind: 'suspended' }, { spec: undefined }).requeueMs).toBeUndefined()
	})
})
