import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isAlive, type ProcessId } from './process.ts'

/** Who uses the cluster. */
export interface Holder extends ProcessId {
	readonly holder: string
	/** RFC 3339. */
	readonly since: string
	/** Tells our own lock, and that of a parent process, from another one. */
	readonly token: string
}

export interface LockOptions {
	readonly file: string
	readonly holder: string
	readonly token: string
	/** A token that a parent process holds the lock with: then it is ours, too. */
	readonly inherited?: string | undefined
	readonly now: () => number
	/** Told who holds it, at once and then every half minute. */
	readonly onWait: (holder: Holder) => void
	readonly signal?: AbortSignal | undefined
	/** Milliseconds between polls. */
	readonly pollMs?: number
}

const TELL_EVERY_MS = 30_000

export function readHolder(file: string): Holder | undefined {
	try {
		return JSON.parse(readFileSync(file, 'utf8')) as Holder
	} catch {
		return undefined
	}
}

/**
 * Waits for the lock. Answers what releases it; a lock that was ours already (this process, or a parent of it) is entered
 * again, and then releasing does nothing.
 *
 * 1. The lock is a file with its holder in it. It is written under another name first and then linked: so it is never seen
 *    half written, and of two that try at once only one link succeeds.
 * 2. When it is there and its process is alive: wait.
 * 3. When its process is dead: remove it. Two may find it dead at once, and the slower one must not remove the new lock of
 *    the faster one. So only who holds a second file, the guard, removes, and looks again before it does.
 */
export async function acquireLock(options: LockOptions): Promise<() => void> {
	const { file, holder, token, inherited, now, onWait, signal, pollMs = 500 } = options
	const own: Holder = { holder, ...identify(process.pid), since: new Date(now()).toISOString(), token }
	mkdirSync(dirname(file), { recursive: true })
	let told = Number.NEGATIVE_INFINITY
	for (;;) {
		signal?.throwIfAborted()
		const present = readHolder(file)
		if (!present) {
			if (tryLink(file, own)) return () => release(file, token)
			continue
		}
		const sameProcess = present.pid === own.pid && present.started === own.started
		if (sameProcess || present.token === token || present.token === inherited) return () => {}
		if (!isAlive(present)) {
			removeDead(file, present, own)
			continue
		}
		if (now() - told >= TELL_EVERY_MS) {
			told = now()
			onWait(present)
		}
		await sleep(pollMs, undefined, { ...(signal ? { signal } : {}) })
	}
}

function tryLink(file: string, own: Holder): boolean {
	const draft = `${file}.${own.pid}.${own.token}`
	writeFileSync(draft, `${JSON.stringify(own)}\n`)
	try {
		linkSync(draft, file)
		return true
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
		return false
	} finally {
		rmSync(draft, { force: true })
	}
}

function removeDead(file: string, dead: Holder, own: Holder): void {
	const guard = `${file}.guard`
	if (!tryLink(guard, own)) {
		// Somebody is at it, or died at it: held for microseconds, so that is all but impossible.
		const other = readHolder(guard)
		if (other && !isAlive(other)) rmSync(guard, { force: true })
		return
	}
	try {
		if (readHolder(file)?.token === dead.token) rmSync(file, { force: true })
	} finally {
		rmSync(guard, { force: true })
	}
}

function release(file: string, token: string): void {
	if (readHolder(file)?.token === token) rmSync(file, { force: true })
}
