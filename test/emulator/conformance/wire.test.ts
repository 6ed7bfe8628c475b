// Requests and answers as bytes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API, type Bench, openBench, type RawRequest } from './kit.ts'

describe('the wire', () => {
	let bench: Bench
	beforeAll(async () => {
		bench = await openBench()
		await bench.emulator.control.setSecret({ vault: 'payments', name: 'foo', value: 'bar' })
	})
	afterAll(() => bench.close())

	it('accepts the percent-encoded query key of the JS SDK: ?api%2Dversion=2026-04-01 (decode keys!)', async () => {
		expect((await bench.raw('/secrets/foo?api%2Dversion=2026-04-01')).status).toBe(200)
	})

	it('answers GET /secrets/{name}/ with a trailing slash like GET /secrets/{name}', async () => {
		const [slash, plain] = [await bench.raw(`/secrets/foo/?${API}`), await bench.raw(`/secrets/foo?${API}`)]
		expect(slash.text).toBe(plain.text)
		expect(slash.status).toBe(200)
	})

	it('evaluates authentication before routing and validation: even a bad route gives 401 first', async () => {
		for (const path of ['/no/such/route', '/secrets/my_secret', '/secrets/foo', '/', '/keys/k?api-version=0']) {
			const answer = await bench.raw(path, { token: null })
			expect([path, answer.status]).toEqual([path, 401])
			expect(answer.body).toEqual({
				error: { code: 'Unauthorized', message: 'AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token.' },
			})
		}
	})

	it('challenges with exactly Bearer authorization="<login>/<tenant>", resource="<parent domain>"', async () => {
		const { headers } = await bench.raw('/secrets/foo', { token: null })
		expect(headers['www-authenticate']).toBe(
			`Bearer authorization="${bench.emulator.authorityHost}/${bench.emulator.tenantId}", resource="https://vault.emu.test"`,
		)
	})

	it('takes a first request with PUT, an empty body and no Authorization as a question for the challenge', async () => {
		const headers = { 'content-length': '0', 'content-type': 'application/json' }
		const answer = await bench.raw(`/secrets/foo?${API}`, { method: 'PUT', token: null, headers })
		expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, expect.stringContaining('resource=')])
	})

	it('has the headers of the service on every answer, and echoes x-ms-client-request-id', async () => {
		const id = '0f61ab4c-65b1-46a5-8c5d-4a1c8c9dfc1e'
		for (const token of [null, undefined]) {
			const { headers } = await bench.raw(`/secrets/foo?${API}`, {
				headers: { 'x-ms-client-request-id': id },
				...(token === null ? { token } : {}),
			})
			expect(headers).toMatchObject({
				'cache-control': 'no-cache',
				pragma: 'no-cache',
				expires: '-1',
				'strict-transport-security': 'max-age=31536000;includeSubDomains',
				'x-content-type-options': 'nosniff',
				'x-ms-keyvault-region': 'westeurope',
				'x-ms-client-request-id': id,
				'x-ms-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
				'x-ms-keyvault-service-version': '1.9.3070.1',
				'x-ms-keyvault-network-info': 'conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;',
			})
			expect(headers['etag']).toBeUndefined()
		}
		expect((await bench.raw(`/secrets/foo?${API}`)).headers['x-ms-keyvault-rbac-assignment-id']).toMatch(
			/^[0-9a-f-]{36}$/,
		)
	})

	it('names the role assignment also on 400, 403 SecretDisabled, 404 and 409, and not where none allowed it', async () => {
		const { control } = bench.emulator
		await control.setSecret({ vault: 'payments', name: 'named', value: 'v', enabled: false })
		const asked = async (path: string, request: RawRequest = {}): Promise<[number, boolean]> => {
			const { status, headers } = await bench.raw(path, request)
			return [status, headers['x-ms-keyvault-rbac-assignment-id'] !== undefined]
		}
		expect(await asked(`/secrets/named?${API}`, { method: 'PUT', body: {} })).toEqual([400, true])
		expect(await asked(`/secrets?${API}&maxresults=26`)).toEqual([400, true])
		expect(await asked(`/secrets/named?${API}`)).toEqual([403, true])
		expect(await asked(`/secrets/nobody?${API}`)).toEqual([404, true])
		const { bundle } = await bench.raw(`/secrets/named/backup?${API}`, { method: 'POST' })
		const body = { value: bundle.value }
		expect(await asked(`/secrets/restore?${API}`, { method: 'POST', body })).toEqual([409, true])
		expect(await asked(`/secrets/named?${API}`, { token: null })).toEqual([401, false])
		await control.createVault({ name: 'foreign' })
		expect(await asked(`/secrets/x?${API}`, { origin: bench.emulator.vaultUrl('foreign') })).toEqual([403, false])
	})

	it('has no default api-version: the query parameter is mandatory', async () => {
		const answer = await bench.raw('/secrets/foo')
		expect([answer.status, answer.error.code]).toEqual([400, 'BadParameter'])
	})

	it('refuses an unknown api-version with 400 BadParameter and its text', async () => {
		const answer = await bench.raw('/secrets/foo?api-version=7.9')
		expect(answer.status).toBe(400)
		expect(answer.body).toEqual({
			error: {
				code: 'BadParameter',
				message: 'The specified version (7.9) is not recognized. Consider using the latest supported version (7.6).',
			},
		})
	})

	it.each(['7.0', '7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01', '2026-04-01', '7.6-preview.2', '2016-10-01'])(
		'accepts api-version %s',
		async (version) => {
			expect((await bench.raw(`/secrets/foo?api-version=${version}`)).status).toBe(200)
		},
	)

	it('answers PUT /secrets/ with 405 MethodNotAllowed "HTTP PUT not allowed"', async () => {
		const answer = await bench.raw(`/secrets/?${API}`, { method: 'PUT', body: { value: 'x' } })
		expect(answer.status).toBe(405)
		expect(answer.body).toEqual({ error: { code: 'MethodNotAllowed', message: 'HTTP PUT not allowed' } })
	})

	it('refuses a name with _ or . with "The request URI contains an invalid name: my_secret"', async () => {
		const answer = await bench.raw(`/secrets/my_secret?${API}`)
		expect(answer.status).toBe(400)
		expect(answer.body).toEqual({
			error: { code: 'BadParameter', message: 'The request URI contains an invalid name: my_secret' },
		})
		expect((await bench.raw(`/secrets/a.b?${API}`)).status).toBe(400)
		expect((await bench.raw(`/secrets/${'n'.repeat(127)}?${API}`)).status).toBe(404)
		expect((await bench.raw(`/secrets/${'n'.repeat(128)}?${API}`)).status).toBe(400)
	})

	it('honours the documented X-HTTP-METHOD override over POST', async () => {
		const headers = { 'x-http-method': 'PUT' }
		const answer = await bench.raw(`/secrets/overridden?${API}`, { method: 'POST', headers, body: { value: 'v' } })
		expect([answer.status, answer.bundle.value]).toEqual([200, 'v'])
	})

	it('answers for a host that is no vault of its own with an error, not with another vault', async () => {
		const answer = await bench.raw(`/secrets/foo?${API}`, { origin: bench.emulator.vaultUrl('other') })
		expect([answer.status, answer.error.code]).toEqual([404, 'VaultNotFound'])
	})
})
