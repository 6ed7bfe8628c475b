/** An answer's text; undefined when it is longer than allowed, or packed although nothing packed was asked for. */
export async function readText(
	stream: NodeJS.ReadableStream,
	headers: { get(name: string): string | undefined },
	maxBytes: number,
	signal: AbortSignal,
): Promise<string | undefined> {
	// Destroyed and not only left: what nobody reads would keep its connection.
	const end = () => (stream as NodeJS.ReadableStream & { destroy(error?: Error): void }).destroy(asError(signal.reason))
	// Also of an answer of which nothing is read: an error without a listener ends the process.
	stream.on('error', () => {})
	if (signal.aborted) end()
	signal.addEventListener('abort', end, { once: true })
	try {
		const encoding = headers.get('content-encoding') ?? 'identity'
		if (encoding.toLowerCase() !== 'identity' || Number(headers.get('content-length')) > maxBytes) return undefined
		const chunks: Buffer[] = []
		let length = 0
		for await (const chunk of stream) {
			const bytes = Buffer.from(chunk)
			length += bytes.length
			if (length > maxBytes) return undefined
			chunks.push(bytes)
		}
		return Buffer.concat(chunks).toString('utf8')
	} finally {
		signal.removeEventListener('abort', end)
	}
}

const asError = (reason: unknown) => (reason instanceof Error ? reason : new Error('aborted'))
