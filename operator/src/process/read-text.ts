import type { IncomingMessage } from 'node:http'

/**
 * An answer's text; undefined when it is longer than allowed: what is left of it is not read. By its events: to iterate over a stream takes
 * longer than everything else that is done for a short answer.
 *
 * @param signal destroys the request when it aborts
 * @throws what broke it off, or `signal.reason`
 */
export function readText(answer: IncomingMessage, maxBytes: number, signal: AbortSignal): Promise<string | undefined> {
	return new Promise((resolve, reject) => {
		const chunks: Buffer[] = []
		let length = 0
		// Destroyed, and its connection with it: what nobody reads would keep it.
		const tooLong = () => {
			resolve(undefined)
			answer.destroy()
		}
		const brokeOff = () => reject(answer.errored ?? new Error('the answer broke off'))
		answer.on('error', reject)
		if (answer.destroyed) return brokeOff()
		if (Number(answer.headers['content-length']) > maxBytes) return tooLong()
		answer.on('close', () => {
			if (!answer.readableEnded) brokeOff()
		})
		answer.on('data', (chunk: Buffer) => {
			length += chunk.length
			if (length > maxBytes) tooLong()
			else chunks.push(chunk)
		})
		// A request that is destroyed throws away what had arrived of its answer, and ends it.
		answer.on('end', () => (signal.aborted ? reject(signal.reason) : resolve(textOf(chunks))))
	})
}

const textOf = ([first, ...others]: readonly Buffer[]): string => {
	if (!first) return ''
	return (others.length === 0 ? first : Buffer.concat([first, ...others])).toString('utf8')
}
