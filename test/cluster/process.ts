import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process, so that a later one with the same number is not taken for it. */
export interface ProcessId {
	readonly pid: number
	/** Start time in clock ticks since boot (field 22 of /proc/PID/stat); '' where there is no /proc. */
	readonly started: string
}

/** Parent and start time of a process; undefined when it does not run (a zombie does not). */
function readStat(pid: number): { parent: number; started: string } | undefined {
	try {
		// The name in parentheses may hold spaces and parentheses itself: split after the last one.
		const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
		const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
		return fields[0] === 'Z' ? undefined : { parent: Number(fields[1]), started: fields[19] ?? '' }
	} catch {
		return undefined
	}
}

const startTime = (pid: number) => readStat(pid)?.started

/** Numbers of all processes; none where there is no /proc. */
function allProcesses(): number[] {
	try {
		return readdirSync('/proc')
			.filter((entry) => /^\d+$/.test(entry))
			.map(Number)
	} catch {
		return []
	}
}

/** Children of these processes, and theirs. */
export function descendantsOf(ids: readonly ProcessId[]): ProcessId[] {
	const all = allProcesses().flatMap((pid) => {
		const stat = readStat(pid)
		return stat ? [{ pid, ...stat }] : []
	})
	const found: ProcessId[] = []
	for (let parents = new Set(ids.map(({ pid }) => pid)); parents.size > 0; ) {
		const children = all.filter(({ parent }) => parents.has(parent))
		found.push(...children.map(({ pid, started }) => ({ pid, started })))
		parents = new Set(children.map(({ pid }) => pid))
	}
	return found
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

/** Asks a process to end, then kills it after `graceMs` (0: at once). Answers when it is gone. */
export async function endProcess(id: ProcessId, graceMs: number): Promise<void> {
	for (const [signal, waitMs] of [
		['SIGTERM', graceMs],
		// A killed process is gone as soon as the kernel has its memory back.
		['SIGKILL', 10_000],
	] as const) {
		if (!isAlive(id)) return
		if (waitMs === 0) continue
		process.kill(id.pid, signal)
		for (const until = performance.now() + waitMs; isAlive(id) && performance.now() < until; ) await sleep(100)
	}
	if (isAlive(id)) throw new Error(`process ${id.pid} does not end`)
}

/** Running processes one of whose arguments contains `text`. Linux only: none elsewhere. */
export function processesWith(text: string): Array<ProcessId & { command: string }> {
	const found: Array<ProcessId & { command: string }> = []
	for (const pid of allProcesses()) {
		if (pid === process.pid) continue
		try {
			const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
			if (!command.includes(text)) continue
			const started = startTime(pid)
			if (started !== undefined) found.push({ pid, started, command })
		} catch {
			// It ended while we looked.
		}
	}
	return found
}
