import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { KubeError } from '../ports/kube-error.ts'
import { createLogger, describeError, type LogLevel, scrub } from './log.ts'

const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJl'

function logged(write: (log: ReturnType<typeof createLogger>) => void, level: LogLevel = 'debug'): string {
	let text = ''
	const destination = new Writable({
		write(chunk, _encoding, done) {
			text += String(chunk)
			done()
		},
	})
	write(createLogger({ level, destination, base: { role: 'test' } }))
	return text
}

describe('the logger', () => {
	test('writes one JSON object a line with level, time and fields by name', () => {
		const line: unknown = JSON.parse(logged((log) => log.info({ binding: 'ns/a', vault: 'payments' }, 'synced')))
		expect(line).toMatchObject({ level: 'info', role: 'test', binding: 'ns/a', vault: 'payments', msg: 'synced' })
		expect(line).toHaveProperty('time', expect.stringMatching(/^\d{4}-.*Z$/))
	})

	test('leaves out what is below its level', () => {
		expect(logged((log) => log.debug('x'), 'info')).toBe('')
	})

	test('blanks values, data, tokens and headers at every depth that a line may have', () => {
		const secret = {
			value: 'hunter2',
			data: { key: 'hunter2' },
			token: 'hunter2',
			headers: { authorization: 'hunter2' },
		}
		const text = logged((log) => {
			log.info(secret, 'top')
			log.info({ secret }, 'one down')
			log.info({ a: { secret } }, 'two down')
			log.info({ request: { body: 'hunter2' } })
			log.info({ list: [1, { password: 'hunter2' }] })
			log.info({ other: Object.assign(new Error('x'), { response: 'hunter2' }) })
		})
		expect(text).not.toContain('hunter2')
		expect(text.match(/\(redacted\)/g)).toHaveLength(4 * 3 + 3)
		expect(text).toContain('"list":[1,{"password":"(redacted)"}]')
	})

	test('leaves what it was given as it was', () => {
		const given = { secret: { value: 'hunter2' } }
		logged((log) => log.info(given))
		expect(given).toEqual({ secret: { value: 'hunter2' } })
	})

	test('prints an SDK error without its request, response and headers, wherever it is put', () => {
		const error = Object.assign(new Error(`refused: ${JWT}`), {
			code: 'Forbidden',
			statusCode: 403,
			request: { headers: { authorization: 'hunter2' } },
			response: { bodyAsText: 'hunter2' },
			details: { inner: 'hunter2' },
			cause: Object.assign(new Error('inner'), { code: 'ECONNRESET', config: 'hunter2' }),
		})
		const text = logged((log) => {
			log.error(error)
			log.error({ err: error }, 'with text')
			log.error({ error, cause: error }, 'other names')
		})
		expect(text).not.toMatch(/hunter2|eyJ/)
		expect(text).toContain('"code":"Forbidden","status":403')
		expect(text).toContain('ECONNRESET')
	})
})

describe('an error in a log', () => {
	test('keeps what tells faults apart, and frames of our own code only', () => {
		const described = describeError(new KubeError('throttled', 'busy', { status: 429, reason: 'TooManyRequests' }))
		expect(described).toMatchObject({
			name: 'KubeError',
			message: 'busy',
			kind: 'throttled',
			status: 429,
			reason: 'TooManyRequests',
		})
		expect(described.stack?.[0]).toContain('log.test.ts')
		expect(described.stack?.join()).not.toContain('node_modules')
	})

	test('that is no Error is not printed', () => {
		expect(describeError({ secret: 'hunter2' })).toEqual({ name: 'object', message: '(not an Error)' })
	})

	test('with a cause that is itself ends', () => {
		const error = new Error('loop')
		error.cause = error
		expect(JSON.stringify(describeError(error)).match(/loop/g)).toHaveLength(4)
	})
})

test('scrubbing removes tokens and authorization, also when they are cut short, and limits the length', () => {
	expect(scrub(`a ${JWT} b`)).toBe('a (redacted token) b')
	expect(scrub(`a ${JWT.slice(0, 30)}`)).toBe('a (redacted token)')
	expect(scrub('Authorization: Bearer abcdefgh.ijk')).toBe('Authorization: Bearer (redacted)')
	expect(scrub('x'.repeat(5_000))).toHaveLength(2_001)
})
