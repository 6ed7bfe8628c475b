import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process, so that a later one with the same number is not taken for it. */
export interface ProcessId {
	readonly pid: number
	/** Start time in clock ticks since boot (field 22 of /proc/PID/stat); '' where there is no /proc. */
	readonly started: string
}

/** Start time of a process; undefined when it does not run (a zombie does not). */
function startTime(pid: number): string | undefined {
	try {
		// The name in parentheses may hold spaces and parentheses itself: split after the last one.
		const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
		const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
		return fields[0] === 'Z' ? undefined : fields[19]
	} catch {
		return undefined
	}
}

export function identify(pid: number): ProcessId {
	return { pid, started: startTime(pid) ?? '' }
}

export function isAlive({ pid, started }: ProcessId): boolean {
	if (started !== '') return startTime(pid) === started
	try {
		process.kill(pid, 0)
		return true
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM'
	}
}

/** Asks a process to end, then kills it after `graceMs`. Answers when it is gone. */
export async function endProcess(id: ProcessId, graceMs: number): Promise<void> {
	for (const [signal, waitMs] of [
		['SIGTERM', graceMs],
		// A killed process is gone as soon as the kernel has its memory back.
		['SIGKILL', 10_000],
	] as const) {
		if (!isAlive(id)) return
		process.kill(id.pid, signal)
		for (const until = performance.now() + waitMs; isAlive(id) && performance.now() < until; ) await sleep(100)
	}
	if (isAlive(id)) throw new Error(`process ${id.pid} does not end`)
}

/** Running processes one of whose arguments contains `text`. Linux only: none elsewhere. */
export function processesWith(text: string): Array<ProcessId & { command: string }> {
	let entries: string[]
	try {
		entries = readdirSync('/proc')
	} catch {
		return []
	}
	const found: Array<ProcessId & { command: string }> = []
	for (const entry of entries) {
		if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue
		try {
			const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
			if (!command.includes(text)) continue
			const started = startTime(Number(entry))
			if (started !== undefined) found.push({ pid: Number(entry), started, command })
		} catch {
			// It ended while we looked.
		}
	}
	return found
}
