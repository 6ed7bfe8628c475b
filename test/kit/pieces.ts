import { closeSync, openSync, readSync } from 'node:fs'

// A string of node has 512 MB at most, and the audit log of a cluster that is kept for hours has more.
const PIECE_BYTES = 64 * 1024 * 1024

/** A file of lines in pieces of whole lines, of about so many bytes. */
export function* piecesOf(path: string, bytes = PIECE_BYTES): Generator<string, void, undefined> {
	const file = openSync(path, 'r')
	try {
		let rest = Buffer.alloc(0)
		const next = Buffer.alloc(bytes)
		for (let read = readSync(file, next); read > 0; read = readSync(file, next)) {
			const all = Buffer.concat([rest, next.subarray(0, read)])
			const end = all.lastIndexOf('\n') + 1
			if (end > 0) yield all.subarray(0, end).toString('utf8')
			rest = all.subarray(end)
		}
		if (rest.length > 0) yield rest.toString('utf8')
	} finally {
		closeSync(file)
	}
}
