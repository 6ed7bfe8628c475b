/** An entry of a tar archive. `content` is a view into the archive, not a copy. */
export interface TarEntry {
	readonly path: string
	readonly kind: 'file' | 'folder' | 'link' | 'other'
	/** Permission bits. */
	readonly mode: number
	/** Target of a symbolic or hard link, as it stands. */
	readonly link: string
	readonly content: Buffer
}

const BLOCK = 512
const text = (bytes: Buffer) => {
	const end = bytes.indexOf(0)
	return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}
const octal = (bytes: Buffer) => Number.parseInt(text(bytes).trim() || '0', 8)

/** True for an archive in the format of POSIX 1988 and later, which is what container engines write. */
export const isTar = (bytes: Buffer): boolean => bytes.length >= BLOCK && bytes.toString('latin1', 257, 262) === 'ustar'

/**
 * The entries of an archive: ustar, with the long names of pax and of GNU tar.
 * @throws Error when it is cut short
 */
export function* tarEntries(archive: Buffer): Generator<TarEntry, void, undefined> {
	let longPath: string | undefined
	for (let at = 0; at + BLOCK <= archive.length; ) {
		const header = archive.subarray(at, at + BLOCK)
		if (header.every((byte) => byte === 0)) return
		const size = octal(header.subarray(124, 136))
		const content = archive.subarray(at + BLOCK, at + BLOCK + size)
		if (content.length < size) throw new Error('the archive is cut short')
		at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
		const type = String.fromCharCode(header[156] ?? 0)
		if (type === 'x') {
			longPath = paxPath(content) ?? longPath
			continue
		}
		if (type === 'L') {
			longPath = text(content)
			continue
		}
		if (type === 'g') continue
		const prefix = text(header.subarray(345, 500))
		const name = text(header.subarray(0, 100))
		const path = longPath ?? (prefix ? `${prefix}/${name}` : name)
		longPath = undefined
		const kind =
			type === '0' || type === '\0' ? 'file' : type === '5' ? 'folder' : type === '1' || type === '2' ? 'link' : 'other'
		yield {
			path,
			kind,
			mode: octal(header.subarray(100, 108)) & 0o7777,
			link: text(header.subarray(157, 257)),
			content,
		}
	}
}

/** Records are `LENGTH key=value\n`, LENGTH being that of the record. */
function paxPath(content: Buffer): string | undefined {
	for (let at = 0; at < content.length; ) {
		const space = content.indexOf(0x20, at)
		const length = Number(content.toString('latin1', at, space))
		if (space < 0 || !(length > 0)) return undefined
		const record = content.toString('utf8', space + 1, at + length - 1)
		if (record.startsWith('path=')) return record.slice('path='.length)
		at += length
	}
	return undefined
}
