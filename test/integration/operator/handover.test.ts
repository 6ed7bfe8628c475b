// Two operators and one lease: whatever becomes of the one that leads, the other goes on with its work.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
	LEASE_DURATION_MS,
	LeaseLostError,
	RETRY_JITTER,
	RETRY_PERIOD_MS,
} from '../../../operator/src/cluster/lease.ts'
import { until } from '../../kit/until.ts'
import { startProxy, type TcpProxy } from '../runtime/proxy.ts'
import { openStage, type RunningOperator, type Stage, value } from './stage.ts'

// The lease's clock is one that the stage does not hurry.
const LEASE_MS = LEASE_DURATION_MS
const RETRY_MS = RETRY_PERIOD_MS * (1 + RETRY_JITTER)
// For the list of bindings on a machine that is busy; with a look less than the lease, so that waiting for its end would show.
const BUSY_MS = 10_000

describe('two replicas', () => {
	let stage: Stage
	let proxy: TcpProxy
	let first: RunningOperator
	let second: RunningOperator
	const set = (text: string) =>
		stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: text, contentType: 'text/plain' })
	const delivered = (text: string) =>
		until(text, async () => value(await stage.secret('payments-secrets'), 'a') === text, { timeoutMs: 30_000 })
	const holder = async () => {
		const path = `/apis/coordination.k8s.io/v1/namespaces/${stage.namespace}/leases/azure-secret-binding-operator`
		const lease = await stage.api.request<{ spec: { holderIdentity?: string } }>({ method: 'GET', path })
		return lease.spec.holderIdentity
	}
	const leads = async ({ metrics }: RunningOperator) => (await metrics.leader.get()).values[0]?.value === 1

	beforeAll(async () => {
		stage = await openStage({ name: 'handover' })
		proxy = await startProxy(stage.address)
		await set('one')
		// The first one reaches the API server through a proxy that can take it away.
		first = await stage.start({ kubeConfig: stage.connect({ server: proxy.server }) })
		second = await stage.start({ wait: false })
		await stage.apply('payments', { secrets: [{ name: 'a' }] })
		await delivered('one')
	})
	afterAll(async () => {
		await stage?.close()
		await proxy?.close()
	})

	it('do not work at the same time', async () => {
		await until('the second one sees who leads', async () => second.logs.some((line) => line.includes('lease holder')))
		expect([await leads(first), await leads(second)]).toEqual([true, false])
		expect(second.logs.join('')).not.toContain('reconciled')
	})

	it('of which the leader vanishes in the middle: the other takes over within the lease', async () => {
		const before = await holder()
		const cutAt = performance.now()
		const ended = first.done.catch((error: unknown) => ({ error, at: performance.now() }))
		// As when its node loses power: it can say nothing more to the API server, neither work nor a release of the lease.
		proxy.cut()
		await set('two')
		await second.ready
		const readyAt = performance.now()
		// The lease counts from when the other one saw the last renewal, and its end is seen at the look that follows.
		expect(readyAt - cutAt).toBeLessThan(LEASE_MS + 2 * RETRY_MS + BUSY_MS)
		expect(await holder()).not.toBe(before)
		await delivered('two')
		// Cut off from the API server it stops by itself, and before the other one starts.
		const end = await ended
		expect(end?.error).toBeInstanceOf(LeaseLostError)
		expect(end?.at).toBeLessThan(readyAt)
	})

	it('of which the leader stops as asked: the other leads without waiting for the lease to end', async () => {
		const third = await stage.start({ wait: false })
		await until('the third one sees who leads', async () => third.logs.some((line) => line.includes('lease holder')))
		expect(await leads(third)).toBe(false)
		await second.stop()
		const stoppedAt = performance.now()
		await third.ready
		expect(performance.now() - stoppedAt).toBeLessThan(RETRY_MS + BUSY_MS)
		await set('three')
		await delivered('three')
	})
})
