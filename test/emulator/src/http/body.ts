import type { IncomingMessage } from 'node:http'

/** The largest body that is read: a value of 25 KB, JSON-escaped, with room; a backup of 500 versions needs more. */
const MAX_BODY_BYTES: number = 32 * 1024 * 1024

/** Whole body; undefined when it is larger than `limit` (the rest is not read). */
export async function readBody(message: IncomingMessage, limit: number = MAX_BODY_BYTES): Promise<Buffer | undefined> {
	const chunks: Buffer[] = []
	let size = 0
	for await (const chunk of message as AsyncIterable<Buffer>) {
		size += chunk.length
		if (size > limit) return undefined
		chunks.push(chunk)
	}
	return Buffer.concat(chunks)
}
