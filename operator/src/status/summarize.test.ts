import { describe, expect, it } from 'vitest'
import type { BindingStatus, Condition } from '../api/schema.ts'
import { decideEntry, type Finding } from '../engine/entry.ts'
import type { VaultFault } from '../engine/fault.ts'
import { NO_POLLS, type PollHistory } from '../engine/knowledge.ts'
import type { Outcome } from '../engine/outcome.ts'
import { contextOf, polledOf } from '../engine/testing/samples.ts'
import { type SummaryInput, summarize } from './summarize.ts'

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

const polled = (...findings: [ReturnType<typeof wanted>, Finding][]): Outcome =>
	polledOf({
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
	return summarize({
		outcome,
		spec,
		generation: 2,
		previous: {},
		pollHistory: NO_POLLS,
		workedUntil: undefined,
		now: NOW,
		at: 1_000_000,
		random: 0,
		...rest,
	})
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

const good = run(polled([wanted('a'), value], [wanted('b'), value])).status
const polledWell: PollHistory = { ...NO_POLLS, lastPoll: NOW - MINUTE }

describe('conditions', () => {
	it('explain one rule with the names that break it; each secret has its own reason', () => {
		const { status } = run(
			polled(
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
		const some = run(polled([selected('a'), value], [selected('b'), broken]), { names: [], selects: true }).status
		expect(shown(some)).toEqual({ Ready: 'True Delivered', Fresh: 'False SecretDisabled' })
		const none = run(polled([selected('a'), broken], [selected('b'), broken]), { names: [], selects: true }).status
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
			polled([wanted('a'), value], [wanted('b'), value]),
			{},
			{ Ready: 'True Delivered', Fresh: 'True Current' },
			'2/2',
		],
		[
			'one absent and wanted: not Ready, yet as fresh as the vault',
			polled([wanted('a'), value], [wanted('b'), fault({ kind: 'absent' })]),
			{},
			{ Ready: 'False SecretAbsent', Fresh: 'True Current', Stalled: 'True SecretAbsent' },
			'1/2',
		],
		[
			'one absent and optional: Ready',
			polled([wanted('a'), value], [wanted('b', true), fault({ kind: 'absent' })]),
			{ names: [wanted('a'), wanted('b', true)] },
			{ Ready: 'True Delivered', Fresh: 'True Current' },
			'1/2',
		],
		[
			'one forbidden: the other is delivered, and waiting for the role counts as reconciling',
			polled([wanted('a'), value], [wanted('b'), fault({ kind: 'forbiddenRbac' })]),
			{},
			{ Ready: 'False ForbiddenByRbac', Fresh: 'False ForbiddenByRbac', Reconciling: 'True ForbiddenByRbac' },
			'1/2',
		],
		[
			'a federation fault of nine minutes: still propagating',
			failed({ kind: 'federation', code: '700213' }),
			{ pollHistory: { ...NO_POLLS, failures: 9, failingSince: 1_000_000 - 9 * MINUTE } },
			{ Ready: 'False FederationNotFound', Fresh: 'False FederationNotFound', Reconciling: 'True FederationNotFound' },
			'0/2',
		],
		[
			'a federation fault of ten minutes: stalled',
			failed({ kind: 'federation', code: '700213' }),
			{ pollHistory: { ...NO_POLLS, failures: 9, failingSince: 1_000_000 - 10 * MINUTE } },
			{ Ready: 'False FederationNotFound', Fresh: 'False FederationNotFound', Stalled: 'True FederationNotFound' },
			'0/2',
		],
		[
			'the vault away for a moment: nothing changes',
			failed({ kind: 'unreachable' }),
			{ previous: good, pollHistory: polledWell },
			{ Ready: 'True Delivered', Fresh: 'True Current' },
			'2/2',
		],
		[
			'the vault away for five minutes: Fresh turns, Ready stays',
			failed({ kind: 'throttled' }),
			{ previous: good, pollHistory: { ...polledWell, failingSince: 1_000_000 - 5 * MINUTE } },
			{ Ready: 'True Delivered', Fresh: 'False VaultThrottled' },
			'2/2',
		],
		[
			'the vault away for longer than staleAfter: Ready turns',
			failed({ kind: 'unreachable' }),
			{ previous: good, pollHistory: { ...NO_POLLS, failures: 9, failingSince: 0, lastPoll: NOW - 61 * MINUTE } },
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
			{ previous: good, pollHistory: polledWell },
			{ Ready: 'True Delivered', Fresh: 'False AccessDenied' },
			'2/2',
		],
		[
			'a ServiceAccount gone: told at once, Ready stays',
			{ kind: 'refused', reason: 'ServiceAccountNotFound', message: 'm' },
			{ previous: good, pollHistory: polledWell },
			{ Ready: 'True Delivered', Fresh: 'False ServiceAccountNotFound' },
			'2/2',
		],
		[
			'a Secret taken away from us: no longer what the spec asks for',
			{ kind: 'refused', reason: 'SecretNotOurs', message: 'm' },
			{ previous: good, pollHistory: polledWell },
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
			polled([wanted('a'), fault({ kind: 'forbiddenRbac' })], [wanted('b'), fault({ kind: 'forbiddenRbac' })]),
		)
		expect(message(status, 'Ready')).toContain('Not delivered: a, b.')
		expect(
			message(status, 'Fresh')
				.split('\n')
				.filter((line) => line.startsWith('az ')),
		).toHaveLength(1)
	})

	it('keep their transition time while their status stays', () => {
		const later = run(polled([wanted('a'), value], [wanted('b'), value]), { previous: good, now: NOW + MINUTE })
		expect(later.status.conditions?.map((each: Condition) => each.lastTransitionTime)).toEqual([
			'2026-01-01T12:00:00Z',
			'2026-01-01T12:00:00Z',
		])
		expect(later.transitions).toEqual([])
	})
})

describe('a fault that may pass', () => {
	/** One poll after the other, each with its outcome, so many minutes after the first; what is shown then. */
	const follow = (...polls: [minute: number, outcome: Outcome][]) => {
		let [previous, pollHistory] = [good, polledWell]
		return polls.map(([minute, outcome]) => {
			const summary = run(outcome, {
				previous,
				pollHistory,
				now: NOW + minute * MINUTE,
				at: 1_000_000 + minute * MINUTE,
			})
			;({ status: previous, pollHistory } = summary)
			return shown(summary.status)
		})
	}
	const [fine, gone] = ['True Current', { Ready: 'True Delivered', Fresh: 'False SecretAbsent' }]
	const kept: Outcome = polledOf({
		at,
		results: [
			decideEntry(wanted('a'), value, undefined, contextOf()),
			{ ...decideEntry(wanted('b'), value, undefined, contextOf()), reason: 'SecretAbsent', fault: { kind: 'absent' } },
		],
	})

	it('a token that the vault refuses is told only when it goes on', () => {
		const refused = failed({ kind: 'unauthorized' })
		const fresh = follow([0, refused], [4, refused], [5, refused], [6, refused]).map(({ Fresh }) => Fresh)
		expect(fresh).toEqual([fine, fine, 'False Unauthorized', 'False Unauthorized'])
	})
	it('in an outage that was told such a token changes nothing, unless it goes on', () => {
		const [away, refused] = [failed({ kind: 'server' }), failed({ kind: 'unauthorized' })]
		const fresh = follow([0, away], [5, away], [6, refused], [7, away], [8, refused], [13, refused])
		expect(fresh.map(({ Fresh }) => Fresh)).toEqual([
			fine,
			...Array.from({ length: 4 }, () => 'False VaultError'),
			'False Unauthorized',
		])
	})
	it('leaves what the vault said when it last answered, and takes its place when it goes on', () => {
		const away = failed({ kind: 'unreachable' })
		expect(follow([0, kept], [1, away], [2, kept], [3, away], [8, away])).toEqual([
			...[gone, gone, gone, gone],
			{ Ready: 'True Delivered', Fresh: 'False VaultUnreachable' },
		])
	})
	it('says nothing of a Secret that could not be written, however long it lasts', () => {
		const away = failed({ kind: 'unreachable' })
		const large: Outcome = { kind: 'refused', reason: 'SecretTooLarge', message: 'm' }
		const ready = { Ready: 'False SecretTooLarge', Stalled: 'True SecretTooLarge' }
		const tooLarge = { ...ready, Fresh: 'False SecretTooLarge' }
		expect(follow([0, large], [1, away], [2, large], [3, away], [8, away], [9, large])).toEqual([
			...[tooLarge, tooLarge, tooLarge, tooLarge],
			{ ...ready, Fresh: 'False VaultUnreachable' },
			tooLarge,
		])
	})
	it('leaves a binding Stalled for what is missing', () => {
		const away = failed({ kind: 'unreachable' })
		const missing = { Ready: 'False SecretAbsent', Fresh: fine, Stalled: 'True SecretAbsent' }
		const absent = polled([wanted('a'), value], [wanted('b'), fault({ kind: 'absent' })])
		expect(follow([0, absent], [1, away], [2, absent])).toEqual([missing, missing, missing])
	})
})

describe('a process that begins in an outage', () => {
	// It knows the status, whose time of the last poll may be a quarter of an hour old, and jitter.
	const away = failed({ kind: 'unreachable' })
	const checked: BindingStatus = { ...good, lastCheckTime: '2026-01-01T12:00:00Z' }
	const names = [wanted('a'), wanted('b')]
	const spec = { secrets: names, secretName: 's', selects: false, name: 'b', requested: undefined, interval: MINUTE }
	const begin = (minute: number, previous: BindingStatus, staleAfter = 5 * MINUTE, workedUntil?: number) =>
		run(away, { previous, now: NOW + minute * MINUTE, workedUntil, spec: { ...spec, staleAfter } }).status

	it.each([6, 14, 21])('says nothing at its first poll, %s minutes after the time in the status', (minute) => {
		expect(shown(begin(minute, checked))).toEqual({ Ready: 'True Delivered', Fresh: 'True Current' })
	})
	it('says Stale when that is sure, whatever the status hides', () => {
		expect(shown(begin(22, checked))).toEqual({
			Ready: 'False Stale',
			Fresh: 'False VaultUnreachable',
			Reconciling: 'True Stale',
		})
	})
	it('knows that no poll worked after the operator before it had ended', () => {
		const ready = (minute: number, workedUntil: number) =>
			shown(begin(minute, checked, undefined, NOW + workedUntil * MINUTE))['Ready']
		expect([ready(8, 3), ready(9, 3)]).toEqual(['True Delivered', 'False Stale'])
		// Its clock was behind that of who wrote the status: what is written is true.
		expect([ready(5, -60), ready(6, -60)]).toEqual(['True Delivered', 'False Stale'])
		// It worked on until now: what the status hides is no more than that.
		expect([ready(21, 21), ready(22, 21)]).toEqual(['True Delivered', 'False Stale'])
	})
	it('knows that no poll worked after Fresh had turned', () => {
		const pollHistory = { ...polledWell, lastPoll: NOW + MINUTE, failingSince: 1_000_000 - 5 * MINUTE }
		const later = run(away, { previous: checked, now: NOW + 6 * MINUTE, pollHistory }).status
		// Exact, for it is written together with the change.
		expect(later.lastCheckTime).toBe('2026-01-01T12:01:00Z')
		expect(shown(begin(11, later))['Ready']).toBe('True Delivered')
		expect(shown(begin(12, later))['Ready']).toBe('False Stale')
	})
	it('leaves Stale what another process knew to be', () => {
		const pollHistory = { ...polledWell, lastPoll: NOW, failingSince: 0 }
		const stale = run(away, {
			previous: checked,
			now: NOW + 6 * MINUTE,
			pollHistory,
			spec: { ...spec, staleAfter: 5 * MINUTE },
		})
		expect(shown(stale.status)['Ready']).toBe('False Stale')
		expect(shown(begin(7, stale.status))['Ready']).toBe('False Stale')
		// Unless the spec allows more by now.
		const later = run(away, {
			previous: stale.status,
			now: NOW + 7 * MINUTE,
			generation: 3,
			spec: { ...spec, staleAfter: 60 * MINUTE },
		})
		expect(shown(later.status)['Ready']).toBe('True Delivered')
	})
})

describe('the time of the last poll', () => {
	const quiet: Outcome = {
		...(polled([wanted('a'), value], [wanted('b'), value]) as Extract<Outcome, { kind: 'polled' }>),
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
	it('does not move while polls fail', () => {
		const { status } = run(failed({ kind: 'unreachable' }), {
			previous,
			now: NOW + 60 * MINUTE,
			pollHistory: { ...polledWell, lastPoll: NOW },
		})
		expect(status.lastCheckTime).toBe('2026-01-01T12:00:00Z')
	})
})

describe('the next poll', () => {
	const ok = polled([wanted('a'), value], [wanted('b'), value])
	it('comes with the next common poll of the session', () => {
		expect(run({ ...(ok as Extract<Outcome, { kind: 'polled' }>), nextAt: 1_012_345 })).toMatchObject({
			nextPollAt: 1_012_345,
			wholePollAt: 1_012_345,
		})
	})
	it('comes sooner when something is unsettled', () => {
		expect(run({ ...(ok as Extract<Outcome, { kind: 'polled' }>), again: 2_500 })).toMatchObject({
			nextPollAt: 1_002_500,
			wholePollAt: 1_060_000,
		})
	})
	it.each([
		[0, 5_000],
		[1, 10_000],
		[3, 40_000],
		[4, 60_000],
		[40, 60_000],
	])('after %s failures comes after %s ms', (failures, ms) => {
		expect(run(failed({ kind: 'unreachable' }), { pollHistory: { ...polledWell, failures } }).nextPollAt).toBe(
			1_000_000 + ms,
		)
	})
	it('is never more than five minutes away when it fails for long', () => {
		const pollHistory = { ...polledWell, failures: 40, failingSince: 1_000_000 - 60 * MINUTE }
		expect(run(failed({ kind: 'unreachable' }), { pollHistory }).nextPollAt).toBe(1_000_000 + 5 * MINUTE)
	})
	it('respects what the vault asked for', () => {
		expect(run(failed({ kind: 'throttled', retryAfterMs: 90_000 })).nextPollAt).toBe(1_090_000)
	})
	it.each([
		[0, 5_000],
		[1, 10_000],
		[3, 40_000],
		[9, MINUTE],
	])('comes soon when the namespace has granted nothing, at last once an interval: after %s more', (failures, ms) => {
		const pollHistory = { ...polledWell, failures }
		const next = (reason: 'NotGranted' | 'SecretNotOurs') =>
			run({ kind: 'refused', reason, message: 'm' }, { pollHistory }).nextPollAt
		expect(next('NotGranted')).toBe(1_000_000 + ms)
		expect(next('SecretNotOurs')).toBe(1_000_000 + MINUTE)
	})
	it('never comes while suspended', () => {
		expect(run({ kind: 'suspended' }, { spec: undefined }).nextPollAt).toBeUndefined()
	})
})
