import { afterEach, beforeEach, expect, test } from 'vitest'
import type { BindingStatus } from '../api/schema.ts'
import type { EntryResult } from '../engine/entry.ts'
import type { VaultFault } from '../engine/fault.ts'
import type { Outcome } from '../engine/outcome.ts'
import { AT as at, entryOf, polledOf } from '../engine/testing/samples.ts'
import { createMetrics, type Metrics } from '../process/metrics.ts'
import { FakeClock } from '../process/testing/fake-clock.ts'
import { createObserver, type Observer } from './observer.ts'

const { vaultUrl } = at
const host = 'payments.vault.azure.net'
const SECRET_NAME = 'dbConnectionString'

let clock: FakeClock
let metrics: Metrics
let observer: Observer
beforeEach(() => {
	clock = new FakeClock()
	metrics = createMetrics({ clock, process: false })
	observer = createObserver(metrics)
})
afterEach(() => metrics.close())

const result = (fault: VaultFault | undefined, expires?: string): EntryResult =>
	entryOf({
		wanted: { name: SECRET_NAME, objectName: SECRET_NAME, optional: false },
		inManifest: {
			objectName: SECRET_NAME,
			version: '0123456789abcdef0123456789abcdef',
			state: 'Current',
			pinned: false,
			...(expires === undefined ? {} : { expires }),
			tags: {},
			previous: [],
		},
		value: 'canary-value',
		state: 'Current',
		fault,
	})
const polled = (...results: EntryResult[]): Outcome => polledOf({ results, at })
const failed = (fault: VaultFault): Outcome => ({ kind: 'failed', fault, at })
const status: BindingStatus = {
	conditions: (['Ready', 'Fresh', 'Stalled'] as const).map((type) => ({
		type,
		status: 'True',
		reason: 'Delivered',
		message: SECRET_NAME,
		lastTransitionTime: '2026-01-01T00:00:00Z',
		observedGeneration: 1,
	})),
}
const reconcile = (outcome: Outcome) => {
	observer.uses('ns/payments', vaultUrl)
	observer.reconciled('ns/payments', outcome, status, 0.1)
}
const series = async (name: string) => (await metrics.text()).split('\n').filter((line) => line.startsWith(`${name}{`))

test.each<[string, Outcome, string | undefined]>([
	['a poll that worked', polled(result(undefined)), 'reason="Reachable"} 1'],
	['a secret that is absent', polled(result({ kind: 'absent' })), 'reason="Reachable"} 1'],
	['one identity without a role', failed({ kind: 'forbiddenRbac' }), 'reason="Reachable"} 1'],
	['a timeout', failed({ kind: 'timeout' }), 'reason="VaultTimeout"} 0'],
	['a poll that broke off', polled(result(undefined), result({ kind: 'unreachable' })), 'reason="VaultUnreachable"} 0'],
	['a firewall', failed({ kind: 'firewall' }), 'reason="ForbiddenByFirewall"} 0'],
	['Entra away: the vault was not asked', failed({ kind: 'entraUnavailable' }), undefined],
	['no federated credential', failed({ kind: 'federation', code: '70021' }), undefined],
])('whether the vault is reachable: %s', async (_, outcome, expected) => {
	reconcile(outcome)
	expect(await series('asb_vault_reachable')).toEqual(
		expected === undefined ? [] : [`asb_vault_reachable{vault="${host}",${expected}`],
	)
})

test('expiry: the earliest of what is delivered, kept while the vault is away, gone with the binding', async () => {
	reconcile(
		polled(result(undefined, '2026-01-03T00:00:00Z'), result(undefined, '2026-01-02T00:00:00Z'), result(undefined)),
	)
	const expected = [`asb_vault_earliest_expiry_seconds{namespace="ns",vault="${host}"} 86400`]
	expect(await series('asb_vault_earliest_expiry_seconds')).toEqual(expected)
	reconcile(failed({ kind: 'timeout' }))
	expect(await series('asb_vault_earliest_expiry_seconds')).toEqual(expected)
	observer.gone('ns/payments')
	expect(await metrics.text()).not.toContain(host)
})

test('a suspended binding uses no vault', async () => {
	reconcile(polled(result(undefined, '2026-01-02T00:00:00Z')))
	observer.reconciled('ns/payments', { kind: 'suspended' }, status, 0.1)
	expect(await metrics.text()).not.toContain(host)
	expect(await series('asb_bindings')).toHaveLength(2)
})

test('neither name nor value of a secret, nor the binding, is in the page', async () => {
	reconcile(polled(result(undefined, '2026-01-02T00:00:00Z')))
	observer.polled(vaultUrl)
	observer.written(2_000)
	observer.propagated(1)
	const text = await metrics.text()
	expect(text).toContain('asb_secret_bytes_bucket{le="4096"} 1')
	expect(text).not.toMatch(/canary-value|dbConnectionString|ns\/|0123456789abcdef/)
})
