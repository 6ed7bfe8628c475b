import { StringDecoder } from 'node:string_decoder'
import { KubeError } from '../ports/kube-error.ts'

// etcd refuses objects over 1.5 MiB; as JSON with escapes one watch event stays below this. More is not an event.
const MAX_LINE = 8 * 1024 * 1024
// The fields of a binding are five deep, and who manages which of them (managedFields) is told nine deep.
export const MAX_DEPTH = 64

export interface ReadLinesHooks {
	/** called before each wait for data, with whether a line was completed since the last one (the first is), and */
	waiting(isFresh: boolean): void
	/** after it: the time that the consumer takes between two lines is not the server's silence */
	arrived(): void
}

/** Splits a byte stream into lines. A last line without its newline is a line that broke off, and is dropped. */
export async function* readLines(
	body: AsyncIterable<Uint8Array>,
	hooks: ReadLinesHooks,
): AsyncGenerator<string, void, undefined> {
	const decoder = new StringDecoder('utf8')
	let rest = ''
	const chunks = body[Symbol.asyncIterator]()
	try {
		let isFresh = true
		for (;;) {
			hooks.waiting(isFresh)
			const chunk = await chunks.next()
			hooks.arrived()
			if (chunk.done) return
			const text = decoder.write(chunk.value)
			const lines = text.split('\n')
			lines[0] = rest + (lines[0] ?? '')
			rest = lines.pop() ?? ''
			// A byte now and then is no sign of life: a line is.
			isFresh = lines.length > 0
			if (rest.length > MAX_LINE) throw new KubeError('other', 'a line of the watch is too long')
			for (const line of lines) if (line.trim() !== '') yield line
		}
	} finally {
		// Also when the consumer leaves its loop: this is what closes the connection.
		await chunks.return?.()
	}
}
