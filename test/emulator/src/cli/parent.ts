// Whoever started the emulator in the background of a script or a terminal does not want it to outlive that.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Often enough that the port is free again when somebody starts the script anew. */
const POLL_MS = 500
/** `npx` puts at most a shell and itself between us and the one who called it. */
const MAX_CLIMB = 4

interface ProcessInfo {
	readonly parent: number
	readonly command: string
}

/** Undefined for a process that is not there, or where neither /proc nor `ps` tells. */
export function processInfo(pid: number): ProcessInfo | undefined {
	try {
		// The name is in parentheses and may have any character; the parent is the second field after it.
		const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
		const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
		return { parent, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') }
	} catch {
		// Not Linux, or it has ended.
	}
	try {
		const line = execFileSync('ps', ['-o', 'ppid=,args=', '-p', String(pid)], { encoding: 'utf8' }).trim()
		const match = /^(\d+)\s+(.*)$/.exec(line)
		return match ? { parent: Number(match[1]), command: match[2] ?? '' } : undefined
	} catch {
		return undefined
	}
}

/**
 * The processes whose end is ours: the one that started us, and when that was `npx` or `npm`, the one that called it.
 *
 * 1. The parent, unless it is the first process: then nobody waits for us (a container, a service manager).
 * 2. The highest of the few next ancestors that is npm, if there is one: its parent too, by the same rule.
 */
export function watchedParents(
	parent: number,
	info: (pid: number) => ProcessInfo | undefined = processInfo,
): readonly number[] {
	if (parent <= 1) return []
	const watched = new Set([parent])
	for (let pid = parent, climbed = 0; climbed < MAX_CLIMB && pid > 1; climbed += 1) {
		const found = info(pid)
		if (!found) break
		if (/(^|[\s/])(npm|npx)([\s-]|$)/.test(found.command) && found.parent > 1) watched.add(found.parent)
		pid = found.parent
	}
	return [...watched]
}

/** Calls `end` once when one of the processes is gone. Does not keep this process alive. */
export function watchParents(parents: readonly number[], end: () => void): void {
	if (parents.length === 0) return
	const timer = setInterval(() => {
		if (parents.every(isThere)) return
		clearInterval(timer)
		end()
	}, POLL_MS)
	timer.unref()
}

function isThere(pid: number): boolean {
	try {
		process.kill(pid, 0)
		return true
	} catch (error) {
		// It is there and somebody else's.
		return (error as NodeJS.ErrnoException).code === 'EPERM'
	}
}
