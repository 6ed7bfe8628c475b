// The memory of a pod for a child of a test.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { imageSettings } from '../../bench/child.ts'

export const MIB = 1024 * 1024
// What the Deployment may use (deploy/kustomize/base/deployment.yaml).
export const LIMIT_MIB = 384

export interface Limit {
	/** what limits the memory */
	kind: 'cgroup' | 'heap'
	take(pid: number): void
	/** bytes that were used at most; undefined where nobody counts */
	peak(): number | undefined
	remove(): void
}

/** A memory cgroup of version 1 or 2, as root; elsewhere only V8's heap has a limit. */
export function limitOf(): Limit {
	const name = `asb-${randomUUID()}`
	for (const [parent, limit, peak] of [
		['/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.max_usage_in_bytes'],
		['/sys/fs/cgroup', 'memory.max', 'memory.peak'],
	] as const) {
		const folder = join(parent, name)
		try {
			mkdirSync(folder)
		} catch {
			continue
		}
		try {
			writeFileSync(join(folder, limit), String(LIMIT_MIB * MIB))
			return {
				kind: 'cgroup',
				take: (pid) => writeFileSync(join(folder, 'cgroup.procs'), String(pid)),
				peak: () => Number(readFileSync(join(folder, peak), 'utf8')),
				remove: () => rmdirSync(folder),
			}
		} catch {
			rmdirSync(folder)
		}
	}
	return { kind: 'heap', take: () => {}, peak: () => undefined, remove: () => {} }
}

/** A program of this folder in a child under the limit, started as the image starts the operator. */
export function startChild(
	file: string,
	limit: Limit,
): { child: ChildProcessByStdio<Writable, Readable, null>; ended: Promise<unknown> } {
	const flags = limit.kind === 'heap' ? [`--max-old-space-size=${LIMIT_MIB}`] : []
	const image = imageSettings()
	const like = [...image.flags, '--conditions=asb-source']
	const script = join(import.meta.dirname, file)
	const child = spawn(process.execPath, [...flags, ...like, script], {
		stdio: ['pipe', 'pipe', 'inherit'],
		env: { ...process.env, ...image.env },
	})
	const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
	limit.take(child.pid ?? 0)
	return { child, ended }
}
