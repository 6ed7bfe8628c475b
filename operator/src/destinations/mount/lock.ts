import { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../process/clock.ts'

/** Of several processes on one machine, one writes at a time. */
export interface WriterLock {
	/**
	 * Waits until no other process is at it, and keeps all others away until the work has ended. Work of this process runs side by side:
	 * it has turns of its own.
	 *
	 * @throws the signal's reason
	 */
	run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>
	close(): void
}

// A write of a volume takes milliseconds; asking costs 0.1 ms.
const RETRY_MS = 5
// Many writes that follow each other let nobody else in otherwise. As long as a hundred of them take.
const HOLD_MS = 1_000
// Without the first SQLite writes a journal: where the disk is full no lock would be had, and so no volume removed that fills it.
const TAKE = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'
// SQLITE_BUSY: somebody else has it.
const BUSY = 5

/**
 * A lock on a file, for processes that do not know each other: in an upgrade two of them are in containers of their own, where
 * no process sees the other's number. The kernel takes it back from a process that was killed, so none is ever stale.
 *
 * Node has no call for such locks but the one inside: an exclusive transaction of SQLite on an empty file takes them, and writes nothing.
 * The file is never deleted, for a lock on a deleted file keeps nobody away.
 */
export function createWriterLock(path: string, clock: Pick<Clock, 'monotonic' | 'sleep'>): WriterLock {
	let database: DatabaseSync | undefined
	let users = 0
	let takenAt = 0
	const take = (): boolean => {
		database ??= new DatabaseSync(path, { timeout: 0 })
		try {
			database.exec(TAKE)
			return true
		} catch (error) {
			if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) return false
			throw error
		}
	}
	const enter = async (signal: AbortSignal | undefined) => {
		for (;;) {
			signal?.throwIfAborted()
			if (users === 0 && take()) takenAt = clock.monotonic()
			else if (users === 0 || clock.monotonic() - takenAt > HOLD_MS) {
				await clock.sleep(RETRY_MS, signal)
				continue
			}
			users++
			return
		}
	}
	return {
		async run(work, signal) {
			await enter(signal)
			try {
				return await work()
			} finally {
				if (--users === 0) database?.exec('ROLLBACK')
			}
		},
		close() {
			database?.close()
			database = undefined
		},
	}
}
