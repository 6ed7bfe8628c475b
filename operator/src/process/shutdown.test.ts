import { EventEmitter } from 'node:events'
import { expect, test, vi } from 'vitest'
import { createShutdown, StopRequested } from './shutdown.ts'

function setUp(deadlineMs: number) {
	const source = new EventEmitter()
	const log: string[] = []
	const shutdown = createShutdown({
		deadlineMs,
		source: source as unknown as NodeJS.Process,
		onStop: (why) => log.push(`stop ${why}`),
		onDeadline: () => log.push('deadline'),
	})
	return { source, log, shutdown }
}

test('SIGTERM aborts the signal once and tells why', () => {
	const { source, log, shutdown } = setUp(60_000)
	source.emit('SIGTERM', 'SIGTERM')
	expect(shutdown.signal.reason).toBeInstanceOf(StopRequested)
	shutdown.stop('lease lost')
	expect(log).toEqual(['stop SIGTERM'])
	shutdown.dispose()
})

test('a second signal does not wait for the deadline', () => {
	const { source, log, shutdown } = setUp(60_000)
	source.emit('SIGTERM', 'SIGTERM')
	source.emit('SIGINT', 'SIGINT')
	expect(log).toEqual(['stop SIGTERM', 'deadline'])
	shutdown.dispose()
})

test('a stop that takes too long reaches the deadline, one that ended in time does not', async () => {
	const slow = setUp(10)
	const quick = setUp(10)
	slow.shutdown.stop('lease lost')
	quick.shutdown.stop('lease lost')
	quick.shutdown.dispose()
	await vi.waitFor(() => expect(slow.log).toEqual(['stop lease lost', 'deadline']))
	expect(quick.log).toEqual(['stop lease lost'])
	expect(quick.source.listenerCount('SIGTERM') + quick.source.listenerCount('SIGINT')).toBe(0)
	slow.shutdown.dispose()
})
