import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { readText } from './read-text.ts'

describe('the text of an answer', () => {
	let close: () => void = () => {}
	afterEach(() => close())
	const ask = async (handler: (response: ServerResponse) => void) => {
		const server = createServer((_, response) => handler(response))
		await once(server.listen(0, '127.0.0.1'), 'listening')
		close = () => {
			server.closeAllConnections()
			server.close()
		}
		const request = get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
		request.on('error', () => {})
		const [answer] = (await once(request, 'response')) as [IncomingMessage]
		return { request, answer }
	}
	const never = new AbortController().signal

	it('is put together across its pieces, between the bytes of a character too', async () => {
		const [first, second] = [Buffer.from('gr\u00fc').subarray(0, 3), Buffer.from('gr\u00fcn').subarray(3)]
		const { answer } = await ask((response) => {
			response.write(first)
			setImmediate(() => response.end(second))
		})
		expect(await readText(answer, 100, never)).toBe('gr\u00fcn')
	})

	it('may be none', async () => {
		const { answer } = await ask((response) => response.end())
		expect(await readText(answer, 100, never)).toBe('')
	})

	it('is not read when it is too long, whether it says so or not', async () => {
		for (const headers of [{ 'content-length': '101' }, {}]) {
			const { answer } = await ask((response) => {
				response.writeHead(200, headers)
				response.write('x'.repeat(101))
			})
			expect(await readText(answer, 100, never)).toBeUndefined()
			expect(answer.destroyed).toBe(true)
			close()
		}
	})

	it('that breaks off is an error, and so is one that has broken off before', async () => {
		const { answer } = await ask((response) => {
			response.writeHead(200, { 'content-length': '100' })
			response.write('x', () => response.destroy())
		})
		await expect(readText(answer, 100, never)).rejects.toThrow()
		await expect(readText(answer, 100, never)).rejects.toThrow()
	})

	it('of a request that is destroyed is its reason, also when all of it had arrived', async () => {
		const { request, answer } = await ask((response) => response.end('whole'))
		while (!answer.complete) await turn()
		const stop = new AbortController()
		stop.signal.addEventListener('abort', () => request.destroy())
		const reading = readText(answer, 100, stop.signal)
		stop.abort(new Error('too late'))
		await expect(reading).rejects.toThrow('too late')
	})
})
