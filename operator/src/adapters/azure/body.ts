/** An answer's text; undefined when it is longer than allowed, or packed although nothing packed was asked for. */
export async function readText(
	stream: NodeJS.ReadableStream,
	headers: { get(name: string): string | undefined },
	maxBytes: number,
	signal: AbortSignal,
): Promise<string | undefined> {
	// Destroyed and not only left: what nobody reads would keep its connection.
	const end = () => (stream as NodeJS.ReadableStream & { destroy(error?: Error): void }).destroy(asError(signal.reason))
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

// What a vault or Entra answers is five deep at most: an error in an error.
const MAX_DEPTH = 32
const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\[]{}'].map((each) =>
	each.charCodeAt(0),
)

/** Whether JSON is nested deeper than any answer of a vault: whatever walks through it afterwards may do so by recursion. */
export function isTooDeep(json: string, max = MAX_DEPTH): boolean {
	let depth = 0
	let quoted = false
	for (let at = 0; at < json.length; at++) {
		const char = json.charCodeAt(at)
		if (quoted) {
			if (char === BACKSLASH) at++
			else if (char === QUOTE) quoted = false
		} else if (char === QUOTE) quoted = true
		else if (char === OPEN_LIST || char === OPEN_OBJECT) {
			if (++depth > max) return true
		} else if (char === CLOSE_LIST || char === CLOSE_OBJECT) depth--
	}
	return false
}
