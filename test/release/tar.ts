// Archives that are the same whenever and wherever they are written: sorted, of nobody, without times.
import { gzipSync } from 'node:zlib'

/** A file of an archive, or a folder when it has no content. */
export interface Entry {
	/** Relative, with `/`. A folder ends with one. */
	readonly path: string
	/** undefined: a folder */
	readonly content: Buffer | undefined
	/** Permission bits; default 0644 and 0755. */
	readonly mode?: number
}

const BLOCK = 512
const MAX_NAME = 100
const MAX_PREFIX = 155

/** @throws Error for a path that ustar cannot hold: 100 bytes after a slash, and 155 before it */
function header(entry: Entry): Buffer {
	const block = Buffer.alloc(BLOCK)
	let name = entry.path
	if (Buffer.byteLength(name) > MAX_NAME) {
		const cut = name.indexOf('/', name.length - MAX_NAME - 1)
		if (cut < 0 || cut > MAX_PREFIX) throw new Error(`${entry.path}: the path is too long for an archive`)
		block.write(name.slice(0, cut), 345)
		name = name.slice(cut + 1)
	}
	const octal = (value: number, at: number, length: number) =>
		block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at)
	block.write(name, 0)
	octal(entry.mode ?? (entry.content ? 0o644 : 0o755), 100, 8)
	octal(0, 108, 8)
	octal(0, 116, 8)
	octal(entry.content?.length ?? 0, 124, 12)
	octal(0, 136, 12)
	block.write('        ', 148)
	block.write(entry.content ? '0' : '5', 156)
	block.write('ustar\x0000', 257)
	octal(
		block.reduce((sum, byte) => sum + byte, 0),
		148,
		7,
	)
	return block
}

/** Folders that lead to the files are added. */
export function writeTar(entries: readonly Entry[]): Buffer {
	const all = new Map<string, Entry>()
	for (const entry of entries) {
		const steps = entry.path.split('/').slice(0, -1)
		for (let i = 1; i <= steps.length; i++) {
			const path = `${steps.slice(0, i).join('/')}/`
			if (!all.has(path)) all.set(path, { path, content: undefined })
		}
		all.set(entry.path, entry)
	}
	const sorted = [...all.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
	const parts = sorted.flatMap((entry) => {
		const content = entry.content ?? Buffer.alloc(0)
		return [header(entry), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]
	})
	return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])
}

/** Level 6 is zlib's own default. Node writes no time and no name into the header. */
export const gzip = (bytes: Buffer): Buffer => gzipSync(bytes, { level: 6 })
