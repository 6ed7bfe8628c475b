import type { Dispatcher } from 'undici'

/** An answer's text; undefined when it is longer than allowed: what is left of it is not read. */
export async function readText(
	{ body, headers }: Dispatcher.ResponseData,
	maxBytes: number,
): Promise<string | undefined> {
	const chunks: Buffer[] = []
	let length = Number(headers['content-length'] ?? 0)
	// Leaving the loop destroys the body, and its connection with it.
	if (length <= maxBytes) {
		length = 0
		for await (const chunk of body) {
			chunks.push(chunk as Buffer)
			length += (chunk as Buffer).length
			if (length > maxBytes) break
		}
	}
	if (length <= maxBytes) return Buffer.concat(chunks).toString('utf8')
	discard(body)
	return undefined
}

/** Closes the connection of an answer that nobody reads. */
export function discard(body: Dispatcher.ResponseData['body']): void {
	// What is destroyed tells so as an error, and one without a listener ends the process.
	body.on('error', () => {})
	body.destroy()
}

export function header(response: Dispatcher.ResponseData, name: string): string | undefined {
	const value = response.headers[name]
	return Array.isArray(value) ? value[0] : value
}
