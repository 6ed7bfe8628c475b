import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { BindingStatus } from '../../operator/src/api/schema.ts'
import type { EntryResult } from '../../operator/src/engine/entry.ts'
import type { VaultFault } from '../../operator/src/engine/fault.ts'
import { NO_POLLS } from '../../operator/src/engine/knowledge.ts'
import type { Outcome } from '../../operator/src/engine/outcome.ts'
import { entryOf, polledOf } from '../../operator/src/engine/testing/samples.ts'
import { type SummaryInput, summarize } from '../../operator/src/status/summarize.ts'
import { runHealth } from './lua.ts'

const script = readFileSync(new URL('../../deploy/argocd/health.lua', import.meta.url), 'utf8')
const NOW = Date.UTC(2026, 0, 1)
const DAY = 86_400_000

const at = {
	namespace: 'payments',
	serviceAccount: 'payments',
	clientId: '11111111-2222-3333-4444-555555555555',
	tenantId: '66666666-7777-8888-9999-000000000000',
	audience: 'api://AzureADTokenExchange',
	issuer: 'https://issuer.example',
	vaultUrl: 'https://payments.vault.azure.net',
}
const wanted = { name: 'apiKey', objectName: 'apiKey', optional: false }
const entry = (rest: Partial<EntryResult>): EntryResult => entryOf({ wanted, ...rest })
const polled = (result: EntryResult): Outcome => polledOf({ results: [result], at })
const failed = (fault: VaultFault): Outcome => ({ kind: 'failed', fault, at })
const current = entry({
	state: 'Current',
	inManifest: {
		objectName: 'apiKey',
		version: '0123456789abcdef0123456789abcdef',
		state: 'Current',
		pinned: false,
		tags: {},
		previous: [],
	},
})

/** The status as the operator itself writes it. */
function statusOf(outcome: Outcome, previous: BindingStatus = {}, rest: Partial<SummaryInput> = {}): BindingStatus {
	const spec = {
		secrets: [wanted],
		secretName: 'payments',
		selects: false,
		name: 'payments',
		interval: 60_000,
		staleAfter: DAY,
		requested: undefined,
	}
	return summarize({
		outcome,
		spec: outcome.kind === 'suspended' || outcome.kind === 'invalid' ? undefined : spec,
		generation: 3,
		previous,
		pollHistory: NO_POLLS,
		workedUntil: undefined,
		now: NOW,
		at: DAY,
		random: 0.5,
		...rest,
	}).status
}
const failingFor = (ms: number, lastPoll?: number): Partial<SummaryInput> => ({
	pollHistory: { ...NO_POLLS, failures: 9, failingSince: DAY - ms, lastPoll },
})
const goodStatus = statusOf(polled(current))
const health = (status: BindingStatus | undefined, spec: object = {}, generation: number | undefined = 3) =>
	runHealth(script, { metadata: { name: 'payments', generation }, spec, ...(status ? { status } : {}) })

test.each<[string, BindingStatus | undefined, string, RegExp]>([
	['not looked at yet', undefined, 'Progressing', /^Waiting/],
	['an empty status', {}, 'Progressing', /^Waiting/],
	['delivered', goodStatus, 'Healthy', /^All secrets/],
	[
		'delivered, and the vault away since an hour',
		statusOf(failed({ kind: 'unreachable' }), goodStatus, failingFor(3_600_000, NOW - 3_600_000)),
		'Healthy',
		/cannot be reached/,
	],
	[
		'delivered, and the vault away for longer than staleAfter',
		statusOf(failed({ kind: 'unreachable' }), goodStatus, failingFor(2 * DAY, NOW - 2 * DAY)),
		'Degraded',
		/staleAfter/,
	],
	[
		'delivered, and the role gone for longer than staleAfter',
		statusOf(failed({ kind: 'accessDenied' }), goodStatus, failingFor(2 * DAY, NOW - 2 * DAY)),
		'Degraded',
		/staleAfter/,
	],
	['new, and the vault away', statusOf(failed({ kind: 'timeout' })), 'Progressing', /apiKey/],
	[
		'new, and the credential may still propagate',
		statusOf(failed({ kind: 'federation', code: '70021' }), {}, failingFor(60_000)),
		'Progressing',
		/az identity/,
	],
	[
		'new, and the credential is missing for good',
		statusOf(failed({ kind: 'federation', code: '70021' }), {}, failingFor(3_600_000)),
		'Degraded',
		/az identity/,
	],
	[
		'a secret that the vault does not have',
		statusOf(polled(entry({ state: 'Absent', reason: 'SecretAbsent', fault: { kind: 'absent' } }))),
		'Degraded',
		/does not have/,
	],
	[
		"somebody else's Secret",
		statusOf({ kind: 'refused', reason: 'SecretNotOurs', message: 'line one\nline "two"' }, goodStatus),
		'Degraded',
		/line one\nline "two"/,
	],
	['a spec that cannot be read', statusOf({ kind: 'invalid', problem: 'write a name' }), 'Degraded', /write a name/],
])('%s', (_, status, expected, message) => {
	const answer = health(status)
	expect(answer.status).toBe(expected)
	expect(answer.message).toMatch(message)
})

test('suspended wins over everything, delivered or not', () => {
	for (const status of [
		undefined,
		goodStatus,
		statusOf({ kind: 'suspended' }),
		statusOf({ kind: 'suspended' }, goodStatus),
	])
		expect(health(status, { suspend: true }).status).toBe('Suspended')
	expect(health(goodStatus, { suspend: false }).status).toBe('Healthy')
})

test('a status or a condition about an earlier generation is no answer', () => {
	expect(health(goodStatus, {}, 4).status).toBe('Progressing')
	expect(health({ ...goodStatus, observedGeneration: 4 }, {}, 4).status).toBe('Progressing')
	const stalled = statusOf({ kind: 'refused', reason: 'SecretNotOurs', message: 'x' })
	expect(health(stalled, {}, 4).status).toBe('Progressing')
	expect(health(stalled, {}, 3).status).toBe('Degraded')
})
