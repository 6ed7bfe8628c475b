import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { EventInput, EventRecorder } from '../ports/event-recorder.ts'
import type { KubeError } from '../ports/kube-error.ts'
import { FakeClock } from '../process/testing/fake-clock.ts'
import { createEventRecorder } from './events.ts'
import { type ScriptedServer, startScriptedServer } from './testing/api-server.ts'
import { createKubeTransport, type KubeTransport } from './transport.ts'

let server: ScriptedServer
let transport: KubeTransport
let clock: FakeClock
let recorder: EventRecorder
let results: string[]
let errors: KubeError[]
let isBusy: boolean

beforeEach(async () => {
	server = await startScriptedServer()
	transport = createKubeTransport({ kubeConfig: server.kubeConfig() })
	clock = new FakeClock()
	results = []
	errors = []
	isBusy = false
	recorder = createEventRecorder({
		transport,
		clock,
		reportingController: 'secrets.purista.dev/operator',
		reportingInstance: 'operator-1',
		isBusy: () => isBusy,
		observe: (result) => results.push(result),
		onError: (error) => errors.push(error),
	})
})
afterEach(async () => {
	await transport.close()
	await server.close()
})

// A request takes milliseconds; on a machine that is busy, seconds.
vi.setConfig({ testTimeout: 60_000 })
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 20_000 })

const regarding = {
	apiVersion: 'secrets.purista.dev/v1alpha1',
	kind: 'AzureSecretBinding',
	namespace: 'ns',
	name: 'b',
	uid: 'u',
}
const denied: EventInput = {
	regarding,
	type: 'Warning',
	reason: 'AccessDenied',
	action: 'ReadVault',
	note: 'a role is missing',
}
const sent = () =>
	server.seen.map(({ method, path, body }) => ({ method, path, body: JSON.parse(body) as Record<string, unknown> }))
/** n answers of success */
const answer = (n: number) => server.answer(...Array.from({ length: n }, () => ({ json: {} })))

describe('a series', () => {
	test('the first event is created whole, a repetition within ten minutes only counts', async () => {
		answer(3)
		recorder.record(denied)
		await recorder.flush()
		recorder.record({ ...denied, note: 'a role is still missing' })
		await clock.advance(599_000)
		recorder.record(denied)
		await recorder.flush()
		const [first, second, third] = sent()
		const { metadata, ...event } = first?.body ?? {}
		expect(first?.path).toBe('/apis/events.k8s.io/v1/namespaces/ns/events')
		expect(metadata).toHaveProperty('namespace', 'ns')
		expect(metadata).toHaveProperty('name', expect.stringMatching(/^b\.[0-9a-f]+$/))
		expect(event).toEqual({
			apiVersion: 'events.k8s.io/v1',
			kind: 'Event',
			eventTime: '2026-01-01T00:00:00.000000Z',
			reportingController: 'secrets.purista.dev/operator',
			reportingInstance: 'operator-1',
			action: 'ReadVault',
			reason: 'AccessDenied',
			regarding,
			note: 'a role is missing',
			type: 'Warning',
		})
		expect(second?.method).toBe('PUT')
		expect(second?.path).toMatch(/\/events\/b\.[0-9a-f]+$/)
		expect(third?.path).toBe(second?.path)
		expect(third?.body).toEqual({
			...first?.body,
			series: { count: 3, lastObservedTime: '2026-01-01T00:09:59.000000Z' },
		})
		expect(results).toEqual(['created', 'counted', 'counted'])
	})

	test('after ten quiet minutes, and for another reason, object or topic, a new event is created', async () => {
		answer(5)
		recorder.record(denied)
		recorder.record({ ...denied, reason: 'VaultUnreachable' })
		recorder.record({ ...denied, regarding: { ...regarding, uid: 'recreated' } })
		recorder.record({ ...denied, topic: 'payments.vault.azure.net' })
		await clock.advance(600_000)
		recorder.record(denied)
		await recorder.flush()
		expect(sent().map(({ method }) => method)).toEqual(Array.from({ length: 5 }, () => 'POST'))
	})

	test('repetitions while the first is on its way become one event, and one count', async () => {
		for (let i = 0; i < 3; i++) recorder.record(denied)
		answer(2)
		await recorder.flush()
		expect(sent().map(({ method }) => method)).toEqual(['POST', 'PUT'])
		expect(sent()[1]?.body).toMatchObject({ series: { count: 3 } })
	})

	test('an event that expired meanwhile is created again', async () => {
		server.answer({ json: {} }, { status: 404, json: { kind: 'Status', code: 404 } }, { json: {} })
		recorder.record(denied)
		recorder.record(denied)
		await recorder.flush()
		expect(sent().map(({ method }) => method)).toEqual(['POST', 'PUT', 'POST'])
	})
})

describe('limits', () => {
	test('one object gets 25 at once, then one each five minutes; the count goes on meanwhile', async () => {
		answer(26)
		for (let i = 0; i < 30; i++) {
			recorder.record(denied)
			await recorder.flush()
		}
		expect(results.filter((result) => result === 'dropped')).toHaveLength(5)
		expect(server.seen).toHaveLength(25)
		await clock.advance(300_000)
		recorder.record(denied)
		await recorder.flush()
		expect(sent()[25]?.body).toMatchObject({ series: { count: 31 } })
	})

	test('one object gets 250 about topics at once, of its own share', async () => {
		answer(251)
		for (let i = 0; i < 300; i++) recorder.record({ ...denied, topic: `vault-${i}` })
		recorder.record(denied)
		await recorder.flush()
		expect(results.filter((result) => result === 'created')).toHaveLength(251)
		expect(results.filter((result) => result === 'dropped')).toHaveLength(50)
	})

	test('a note is cut by bytes, between characters', async () => {
		answer(1)
		recorder.record({ ...denied, note: 'ü'.repeat(600) })
		await recorder.flush()
		expect(sent()[0]?.body['note']).toBe(`${'ü'.repeat(510)}…`)
	})

	test('long notes and names are cut to what the API takes; cluster-scoped objects go to default', async () => {
		answer(1)
		const node = { apiVersion: 'v1', kind: 'Node', name: 'n'.repeat(253) }
		recorder.record({ ...denied, regarding: node, note: 'x'.repeat(5_000) })
		await recorder.flush()
		const { metadata, note } = sent()[0]?.body ?? {}
		expect(metadata).toHaveProperty('namespace', 'default')
		expect(metadata).toHaveProperty('name', expect.stringMatching(/^n+\.[0-9a-f]+$/))
		expect((metadata as { name: string }).name).toHaveLength(253)
		expect(note).toBe(`${'x'.repeat(1021)}…`)
	})
})

describe('while there is work that somebody waits for', () => {
	const ready = (n: number): EventInput => ({
		...denied,
		regarding: { ...regarding, name: `b${n}`, uid: `u${n}` },
		type: 'Normal',
		reason: 'Delivered',
	})

	test('what is wrong is told at once, and what is well a second after the work, with the time at which it was', async () => {
		answer(3)
		isBusy = true
		recorder.record(ready(1))
		recorder.record(denied)
		await eventually(() => expect(results).toEqual(['created']))
		await clock.advance(5_000)
		expect(sent().map(({ body }) => body['reason'])).toEqual(['AccessDenied'])
		isBusy = false
		// It does not go before the one that waits.
		recorder.record(ready(2))
		await clock.advance(1_000)
		await eventually(() => expect(results).toHaveLength(3))
		expect(sent().map(({ body }) => body['eventTime'])).toEqual([
			'2026-01-01T00:00:00.000000Z',
			'2026-01-01T00:00:00.000000Z',
			'2026-01-01T00:00:05.000000Z',
		])
	})

	test('nothing waits longer than half a minute', async () => {
		answer(1)
		isBusy = true
		recorder.record(ready(1))
		await clock.advance(29_000)
		expect(server.seen).toHaveLength(0)
		await clock.advance(1_000)
		await eventually(() => expect(results).toEqual(['created']))
	})

	test('they are sent eight at once, and all at the end of the process', async () => {
		isBusy = true
		for (let n = 0; n < 20; n++) recorder.record(ready(n))
		isBusy = false
		await clock.advance(1_000)
		await eventually(() => expect(server.seen).toHaveLength(8))
		answer(20)
		await recorder.flush()
		expect(server.seen).toHaveLength(20)
		expect(results).toEqual(Array.from({ length: 20 }, () => 'created'))
	})

	test('one without an answer keeps none of the others', async () => {
		isBusy = true
		for (let n = 0; n < 20; n++) recorder.record(ready(n))
		recorder.record(ready(0))
		isBusy = false
		server.answer({ after: 'reset' })
		answer(21)
		await clock.advance(1_000)
		await eventually(() => expect(results).toHaveLength(19))
		expect(clock.sleeping).toBe(1)
		await clock.advance(10_000)
		await eventually(() => expect(results).toHaveLength(21))
		expect(new Set(results)).toEqual(new Set(['created', 'counted']))
	})

	test('while nothing is answered they wait, but for 64', async () => {
		isBusy = true
		for (let n = 0; n < 100; n++) recorder.record(ready(n))
		isBusy = false
		server.answer(...Array.from({ length: 64 }, () => ({ after: 'reset' }) as const))
		await clock.advance(1_000)
		// Each waits for its next try, and the others for a place.
		await eventually(() => expect(clock.sleeping).toBe(65))
		expect(server.seen).toHaveLength(64)
		answer(200)
		for (let i = 0; i < 12; i++) {
			await clock.advance(1_000)
			await eventually(() => expect(clock.sleeping).toBeLessThanOrEqual(65))
		}
		await eventually(() => expect(results).toHaveLength(100))
	})

	test('more than two thousand are not kept', () => {
		isBusy = true
		for (let n = 0; n < 2_003; n++) recorder.record(ready(n))
		expect(results).toEqual(['dropped', 'dropped', 'dropped'])
	})
})

test('a refused event is told and forgotten, never thrown', async () => {
	server.answer({ status: 403, json: { kind: 'Status', code: 403, message: 'no' } }, { json: {} })
	recorder.record(denied)
	await recorder.flush()
	recorder.record(denied)
	await recorder.flush()
	expect(errors.map(({ kind }) => kind)).toEqual(['forbidden'])
	expect(results).toEqual(['failed', 'created'])
})

describe('an event that got no answer', () => {
	const lost = { after: 'reset' } as const

	test('is sent again under its name ten seconds later, and one that is there already has come', async () => {
		server.answer(lost, { status: 409, json: { kind: 'Status', code: 409, reason: 'AlreadyExists' } }, { json: {} })
		recorder.record(denied)
		await eventually(() => expect(server.seen).toHaveLength(1))
		await eventually(() => expect(clock.sleeping).toBe(1))
		await clock.advance(10_000)
		await eventually(() => expect(results).toEqual(['created']))
		recorder.record(denied)
		await eventually(() => expect(results).toEqual(['created', 'counted']))
		const [first, second, third] = sent()
		expect(second).toEqual(first)
		const { name } = (first?.body['metadata'] ?? {}) as { name?: string }
		expect(third?.path).toBe(`${first?.path}/${name}`)
		expect(errors).toEqual([])
	})

	test('is given up after two minutes, and told', async () => {
		server.answer(...Array.from({ length: 12 }, () => lost))
		recorder.record(denied)
		for (let tries = 1; tries < 12; tries++) {
			await eventually(() => expect(clock.sleeping).toBe(1))
			await clock.advance(10_000)
		}
		await eventually(() => expect(results).toEqual(['failed']))
		expect(server.seen).toHaveLength(12)
		expect(errors.map(({ kind }) => kind)).toEqual(['unreachable'])
	})

	test('holds no process: at its end it is tried once more, and not longer', async () => {
		server.answer(lost, lost)
		recorder.record(denied)
		await eventually(() => expect(clock.sleeping).toBe(1))
		await recorder.flush()
		expect(server.seen).toHaveLength(2)
		expect(results).toEqual(['failed'])
	})

	test('a series of an outage is told by one creation and one count after it', async () => {
		server.answer(lost)
		for (let i = 0; i < 20; i++) recorder.record(denied)
		await eventually(() => expect(clock.sleeping).toBe(1))
		answer(2)
		await clock.advance(10_000)
		await eventually(() => expect(results).toEqual(['created', 'counted']))
		expect(sent().map(({ method }) => method)).toEqual(['POST', 'POST', 'PUT'])
		expect(sent()[2]?.body).toMatchObject({ series: { count: 20 } })
	})

	test('keeps no process from its end: an API server that does not answer is waited for five seconds', async () => {
		for (let i = 0; i < 25; i++) recorder.record(denied)
		await eventually(() => expect(server.seen).toHaveLength(1))
		const flushed = recorder.flush()
		await eventually(() => expect(clock.sleeping).toBe(1))
		await clock.advance(5_000)
		await flushed
		expect(server.seen).toHaveLength(1)
	})
})
