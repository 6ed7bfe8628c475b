import type { IncomingMessage } from 'node:http'

/** An answer's text; undefined when it is longer than allowed: what is left of it is not read. */
export async function readText(response: IncomingMessage, maxBytes: number): Promise<string | undefined> {
	const chunks: Buffer[] = []
	let length = Number(response.headers['content-length'] ?? 0)
	// Leaving the loop destroys the answer, and its connection with it.
	if (length <= maxBytes) {
		length = 0
		for await (const chunk of response) {
			chunks.push(chunk as Buffer)
			length += (chunk as Buffer).length
			if (length > maxBytes) break
		}
	}
	if (length <= maxBytes) return Buffer.concat(chunks).toString('utf8')
	response.destroy()
	return undefined
}
