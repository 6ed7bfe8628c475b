import { afterAll, beforeAll, expect, test } from 'vitest'
import { LeaseLostError, runLeaderElection } from '../../../operator/src/cluster/lease.ts'
import type { Lease } from '../../../operator/src/cluster/lease-record.ts'
import type { KubeTransport } from '../../../operator/src/cluster/transport.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { type Api, openApi } from './api.ts'
import { startProxy } from './proxy.ts'

let api: Api
beforeAll(async () => {
	api = await openApi()
})
afterAll(() => api?.close())

/** Short enough for a test, long enough that a busy machine does not lose the lease by itself. */
const times = { leaseDurationMs: 5_000, renewDeadlineMs: 4_000, retryPeriodMs: 500 }

function candidate(identity: string, name: string, transport: KubeTransport, log: string[]) {
	const stop = new AbortController()
	const ended = runLeaderElection(
		{
			transport,
			namespace: api.namespace,
			name,
			identity,
			clock: systemClock,
			random: Math.random,
			signal: stop.signal,
			...times,
		},
		async (signal) => {
			log.push(`${identity} leads`)
			await new Promise<void>((resolve) => {
				signal.addEventListener('abort', () => resolve(), { once: true })
			})
			log.push(`${identity} stopped`)
		},
	).then(
		() => 'ended',
		(error: unknown) => error,
	)
	return { stop, ended }
}
const read = (name: string) =>
	api.transport.request<Lease>({
		method: 'GET',
		path: `/apis/coordination.k8s.io/v1/namespaces/${api.namespace}/leases/${name}`,
	})

test('of two candidates one leads, renews, and hands over when it stops', async () => {
	const log: string[] = []
	const a = candidate('a', 'handover', api.transport, log)
	await expect.poll(() => log, { timeout: 20_000 }).toEqual(['a leads'])
	const b = candidate('b', 'handover', api.transport, log)
	const first = await read('handover')
	expect(first.spec).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 5, leaseTransitions: 0 })
	expect(first.spec?.renewTime).toMatch(/\.\d{6}Z$/)
	await expect
		.poll(async () => (await read('handover')).spec?.renewTime, { timeout: 20_000 })
		.not.toBe(first.spec?.renewTime)
	a.stop.abort()
	expect(await a.ended).toBe('ended')
	await expect.poll(() => log, { timeout: 20_000 }).toEqual(['a leads', 'a stopped', 'b leads'])
	expect((await read('handover')).spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 })
	b.stop.abort()
	expect(await b.ended).toBe('ended')
	expect((await read('handover')).spec?.holderIdentity).toBe('')
})

test('a leader cut off from the API server stops before the other starts', async () => {
	const log: string[] = []
	const proxy = await startProxy(api.address)
	const a = candidate('a', 'cut', api.connect({ server: proxy.server }), log)
	await expect.poll(() => log, { timeout: 20_000 }).toEqual(['a leads'])
	const b = candidate('b', 'cut', api.transport, log)
	proxy.cut()
	expect(await a.ended).toBeInstanceOf(LeaseLostError)
	await expect.poll(() => log, { timeout: 20_000 }).toEqual(['a leads', 'a stopped', 'b leads'])
	b.stop.abort()
	await b.ended
	await proxy.close()
})
