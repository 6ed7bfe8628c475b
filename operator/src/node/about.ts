import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { currentGeneration, isMissing } from '../destinations/mount/atomic-writer.ts'
import { bytesTaken } from '../destinations/volume/memory.ts'
import type { VolumeRequest } from './request.ts'

/** What is written beside the files of a volume, for a process that comes later. No token, no value. */
export type About = Pick<VolumeRequest, 'target' | 'namespace' | 'pod' | 'podUid' | 'binding'>

// A publish call lasts two minutes at most, and the kubelet comes again two minutes later: what no pod has after this time, and
// nobody has asked for, was left behind. Another process of this role may be at it until then.
const ABANDONED_MS = 5 * 60_000
const FILE = 'volume.json'
const FIELDS = ['target', 'namespace', 'pod', 'podUid', 'binding'] as const

/** By rename: half of it would say that no pod has the volume. Not written again as it is, so its time says when the volume was made. */
export async function writeAbout(directory: string, request: About): Promise<void> {
	const about = JSON.stringify(Object.fromEntries(FIELDS.map((field) => [field, request[field]])))
	if ((await readFile(join(directory, FILE), 'utf8').catch(() => '')) === about) return
	const next = join(directory, `${FILE}.next`)
	await writeFile(next, about, { mode: 0o600 })
	await rename(next, join(directory, FILE))
}

/** undefined: there is no such volume, or it was left behind while it was made */
export async function readAbout(directory: string): Promise<About | undefined> {
	try {
		const about: unknown = JSON.parse(await readFile(join(directory, FILE), 'utf8'))
		if (typeof about !== 'object' || about === null) return undefined
		const text = (field: string) => String((about as Record<string, unknown>)[field] ?? '')
		const [target, namespace, pod, podUid, binding] = FIELDS.map(text) as [string, string, string, string, string]
		return { target, namespace, pod, podUid, binding }
	} catch (error) {
		if (isMissing(error) || error instanceof SyntaxError) return undefined
		throw error
	}
}

/**
 * @param isFollowed one that waits for its first delivery has no target yet; the kubelet has made the directory above it
 * @returns the target of a volume that no pod has any more; undefined: a pod may have it
 */
export async function abandoned(
	directory: string,
	isFollowed: boolean,
	isAttached: (target: string) => Promise<boolean>,
): Promise<string | undefined> {
	try {
		const age = Date.now() - (await stat(join(directory, FILE)).catch(() => stat(directory))).mtimeMs
		if (age < ABANDONED_MS) return undefined
		const target = (await readAbout(directory))?.target ?? ''
		const isGone = isFollowed ? !(await isThere(dirname(target))) : !(await isAttached(target))
		return isGone ? target : undefined
	} catch (error) {
		if (isMissing(error)) return undefined
		throw error
	}
}

export async function isThere(path: string): Promise<boolean> {
	try {
		await stat(path)
		return true
	} catch (error) {
		if (isMissing(error)) return false
		throw error
	}
}

/** Memory that the files take that count in a directory of a volume. */
export async function bytesIn(data: string): Promise<number> {
	const generation = currentGeneration(data)
	if (generation === undefined) return 0
	const sizes: number[] = []
	for (const name of await readdir(join(data, generation))) sizes.push((await stat(join(data, generation, name))).size)
	return bytesTaken(sizes)
}
