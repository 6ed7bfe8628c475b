import { readFile } from 'node:fs/promises'
import { request } from 'node:https'

/** A bearer token and a private CA, both read from files at each call because the kubelet replaces them. */
export interface FetchOptions {
	readonly bearerTokenFile?: string | undefined
	readonly caFile?: string | undefined
	/** Whole request, in milliseconds. */
	readonly timeoutMs?: number
}

/** A discovery document or key set is a few KB. */
const MAX_BYTES = 1024 * 1024

/** An API server answers a key set as application/jwk-set+json only, and 406 to whoever accepts just application/json. */
const ACCEPT = 'application/json, application/jwk-set+json'

/** GET of a JSON document over https. Rejects for anything but a 200 with JSON. */
export async function fetchJson(url: string, options: FetchOptions = {}): Promise<unknown> {
	const { bearerTokenFile, caFile, timeoutMs = 10_000 } = options
	const token = bearerTokenFile === undefined ? undefined : (await readFile(bearerTokenFile, 'utf8')).trim()
	const ca = caFile === undefined ? undefined : await readFile(caFile)
	return new Promise((resolve, reject) => {
		const call = request(
			url,
			{
				headers: { accept: ACCEPT, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
				signal: AbortSignal.timeout(timeoutMs),
				...(ca === undefined ? {} : { ca }),
			},
			(answer) => {
				const chunks: Buffer[] = []
				let size = 0
				answer.on('data', (chunk: Buffer) => {
					size += chunk.length
					if (size > MAX_BYTES) call.destroy(new Error(`${url} answered with more than ${MAX_BYTES} bytes`))
					else chunks.push(chunk)
				})
				answer.on('error', reject)
				answer.on('end', () => {
					if (answer.statusCode !== 200) return reject(new Error(`${url} answered ${answer.statusCode}`))
					try {
						resolve(JSON.parse(Buffer.concat(chunks).toString()) as unknown)
					} catch {
						reject(new Error(`${url} did not answer with JSON`))
					}
				})
			},
		)
		call.on('error', reject)
		call.end()
	})
}
