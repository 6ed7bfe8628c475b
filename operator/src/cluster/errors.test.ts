import { describe, expect, test } from 'vitest'
import { isKubeError, type KubeErrorKind } from '../ports/kube-error.ts'
import { errorFromNetwork, errorFromStatus } from './errors.ts'

const answer = (status: number, body: object = {}, sensitive = false) =>
	errorFromStatus({ request: 'get /x', status, body: { kind: 'Status', ...body }, sensitive })

describe('the kind of an answer', () => {
	const rows: [number, string | undefined, KubeErrorKind][] = [
		[400, 'BadRequest', 'invalid'],
		[401, 'Unauthorized', 'unauthorized'],
		[403, 'Forbidden', 'forbidden'],
		[404, 'NotFound', 'notFound'],
		[405, 'MethodNotAllowed', 'other'],
		[409, 'Conflict', 'conflict'],
		[409, 'AlreadyExists', 'alreadyExists'],
		[410, 'Expired', 'gone'],
		[413, 'RequestEntityTooLarge', 'tooLarge'],
		[422, 'Invalid', 'invalid'],
		[429, 'TooManyRequests', 'throttled'],
		[500, 'InternalError', 'server'],
		[503, 'ServiceUnavailable', 'server'],
		[504, 'Timeout', 'timeout'],
	]
	test.each(rows)('%i %s is %s', (status, reason, kind) => {
		const error = answer(status, { reason, message: 'text' })
		expect([error.kind, error.status, error.reason]).toEqual([kind, status, reason])
		expect(isKubeError(error, kind)).toBe(true)
		expect(isKubeError(error, kind === 'gone' ? 'other' : 'gone')).toBe(false)
	})
})

describe('the message', () => {
	test("is the API server's own sentence after the request line", () => {
		expect(answer(404, { message: 'pods "x" not found' }).message).toBe('get /x: pods "x" not found')
	})

	test('does not quote a body that is not a Status', () => {
		const error = errorFromStatus({ request: 'get /x', status: 502, body: '<html>hunter2</html>', sensitive: false })
		expect(error.message).toBe('get /x: HTTP 502')
	})

	test('of a request with secret values does not repeat the values that were refused', () => {
		const message =
			'Secret "s" is invalid: [data[k]: Invalid value: "hunt\\"er2": too long, type: Unsupported value: hunter2]'
		const error = answer(422, { message }, true)
		expect(error.message).not.toContain('er2')
		expect(error.message).toContain('data[k]: Invalid value (withheld): too long')
		expect(answer(422, { message }, false).message).toContain('er2')
	})

	test('of a request with secret values that could not be decoded is withheld whole', () => {
		expect(answer(400, { message: 'error in #10 byte of ...|hunter2|...' }, true).message).not.toContain('hunter2')
	})

	test('has an end', () => {
		expect(answer(403, { message: 'x'.repeat(100_000) }).message.length).toBeLessThan(1_100)
	})
})

describe('the time to wait', () => {
	test('comes from the Status or from the header, and is at most five minutes', () => {
		expect(answer(429, { details: { retryAfterSeconds: 3 } }).retryAfterMs).toBe(3_000)
		const header = (retryAfter: string) =>
			errorFromStatus({ request: '', status: 429, retryAfter, body: {}, sensitive: false })
		expect(header('7').retryAfterMs).toBe(7_000)
		expect(header('86400').retryAfterMs).toBe(300_000)
		expect(header('Wed, 21 Oct 2026 07:28:00 GMT').retryAfterMs).toBeUndefined()
	})
})

describe('a network fault', () => {
	test('is told by its code, found anywhere in the chain of causes', () => {
		const error = errorFromNetwork(
			'get /x',
			new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED', secret: 1 } }),
		)
		expect([error.kind, error.code, error.message]).toEqual([
			'unreachable',
			'ECONNREFUSED',
			'get /x: API server unreachable (ECONNREFUSED)',
		])
	})

	test('carries nothing else of the original: no cause, no text', () => {
		const original = Object.assign(new Error('hunter2'), {
			code: 'bad code hunter2',
			headers: { authorization: 'hunter2' },
		})
		const error = errorFromNetwork('get /x', original)
		expect(JSON.stringify({ ...error, message: error.message, cause: error.cause })).not.toContain('hunter2')
	})
})

test('a refusal by the authoriser names the permission that is missing; one by admission or quota does not', () => {
	const permission = { verb: 'patch', resource: 'secrets', namespace: 'ns', name: 's' }
	const missing = (message: string, status = 403) =>
		errorFromStatus({ request: 'x', status, body: { kind: 'Status', message }, sensitive: true, permission }).missing
	const rbac =
		'secrets "s" is forbidden: User "system:serviceaccount:a:b" cannot patch resource "secrets" in API group ""'
	expect(missing(rbac)).toEqual(permission)
	expect(missing(rbac, 500)).toBeUndefined()
	expect(missing('secrets "s" is forbidden: exceeded quota: none')).toBeUndefined()
	expect(missing('secrets "s" is forbidden: ValidatingAdmissionPolicy \'x\' denied request: no')).toBeUndefined()
})
