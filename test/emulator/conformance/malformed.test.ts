// Whatever is sent, the answer is a 4xx in the service's error shape, and the emulator goes on.
import { connect } from 'node:tls'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API, type Bench, CLIENT, openBench } from './kit.ts'

/** A small number in the unit run; the whole 20,000 with ASB_LONG=1, in one to two minutes. */
const REQUESTS = process.env['ASB_LONG'] ? 20_000 : 500
/** Each property draws its share of all requests. */
const share = (part: number): number => Math.ceil(REQUESTS * part)
/** A request that takes longer hangs: everything here is answered within milliseconds. */
const HANG_MS = 5_000

describe('malformed requests', () => {
	let bench: Bench
	let token: string
	beforeAll(async () => {
		// Without limits, or the number of requests that pass would depend on the speed of the machine.
		bench = await openBench()
		await bench.emulator.control.configure({ throttle: { create: 1e9, other: 1e9 } })
		await bench.emulator.control.setSecret({ vault: 'payments', name: 'valid', value: 'v' })
		token = await bench.token()
	})
	afterAll(() => bench.close())

	const isErrorShape = (status: number, body: string): void => {
		expect(status, body).toBeGreaterThanOrEqual(400)
		expect(status, body).toBeLessThan(500)
		const parsed = JSON.parse(body) as { error: { code: string; message: string } | string; error_description?: string }
		if (typeof parsed.error === 'string') expect(parsed.error_description).toMatch(/^AADSTS\d+: /)
		else expect([typeof parsed.error.code, typeof parsed.error.message]).toEqual(['string', 'string'])
	}
	const stillWorks = async (): Promise<void> => {
		expect((await bench.raw(`/secrets/valid?${API}`, { token })).status).toBe(200)
	}

	/** Resumed by every connection to the same name: most of the time here goes into handshakes. */
	const sessions = new Map<string, Buffer>()

	/** One request as raw bytes on a connection of its own: no client library tidies it up. */
	const sendBytes = (
		head: string,
		body: string,
		host = 'payments.vault.emu.test',
	): Promise<{ status: number; body: string }> =>
		new Promise((resolve, reject) => {
			const session = sessions.get(host)
			const socket = connect({
				port: bench.emulator.port,
				host: '127.0.0.1',
				servername: host,
				ca: bench.emulator.caPem,
				...(session ? { session } : {}),
			})
			socket.on('session', (fresh: Buffer) => sessions.set(host, fresh))
			const timer = setTimeout(
				() => socket.destroy(new Error(`no answer within ${HANG_MS} ms to ${JSON.stringify(head.slice(0, 300))}`)),
				HANG_MS,
			)
			let text = ''
			socket.setEncoding('utf8')
			socket.on('data', (chunk: string) => {
				text += chunk
				const length = /^[\s\S]*?\r\ncontent-length: (\d+)\r\n[\s\S]*?\r\n\r\n/i.exec(text)
				// One answer is enough: what follows a broken head may be taken for a second request.
				if (length && text.length >= length[0].length + Number(length[1])) socket.destroy()
			})
			socket.on('error', reject)
			socket.on('close', () => {
				clearTimeout(timer)
				const match = /^HTTP\/1\.1 (\d{3})[\s\S]*?\r\ncontent-length: (\d+)[\s\S]*?\r\n\r\n([\s\S]*)$/i.exec(text)
				if (match) resolve({ status: Number(match[1]), body: (match[3] ?? '').slice(0, Number(match[2])) })
				else reject(new Error(`not an HTTP answer: ${JSON.stringify(text.slice(0, 200))}`))
			})
			socket.write(
				`${head}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body, 'latin1')}\r\n\r\n${body}`,
				'latin1',
			)
		})

	const visible = fc.string({
		unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
		maxLength: 60,
	})
	const line = fc.string({
		unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
		maxLength: 80,
	})
	const method = fc.constantFrom('GET', 'PUT', 'PATCH', 'DELETE', 'POST', 'HEADX', 'OPTIONS')
	/** Segments that no secret has: names with a forbidden character, or too long. */
	const badSegment = fc.oneof(
		visible.map((text) => `_${encodeURIComponent(text)}`),
		fc.constantFrom('%', '%zz', '%00', '..', '.', 'a.b', '%2e%2e', 'n'.repeat(128), '%ff%fe', '%F0%9F%98%80'),
	)
	const badPath = fc.oneof(
		badSegment.map((segment) => `/secrets/${segment}`),
		fc.tuple(badSegment, badSegment).map(([a, b]) => `/secrets/${a}/${b}`),
		badSegment.map((segment) => `/deletedsecrets/${segment}`),
		fc
			.array(visible.map(encodeURIComponent), { minLength: 1, maxLength: 6 })
			.map((segments) => `/x/${segments.join('/')}`),
		visible.map((text) => `/${text.replace(/[?#]/g, '')}_`),
	)
	const host = 'payments.vault.emu.test'

	it('paths', async () => {
		await fc.assert(
			fc.asyncProperty(method, badPath, visible, async (verb, path, query) => {
				const head = `${verb} ${path}?${API}&${query.replace(/#/g, '')} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}`
				const answer = await sendBytes(head, '')
				isErrorShape(answer.status, answer.body)
			}),
			{ numRuns: share(0.2) },
		)
		await stillWorks()
	}, 300_000)

	it('queries', async () => {
		const badQuery = fc.oneof(
			visible.map((text) => `api-version=${encodeURIComponent(`!${text}`)}`),
			visible.map((text) => `api_version=${encodeURIComponent(text)}`),
			fc.constantFrom('', '&&&', '=', '%', 'api-version', 'api-version=', 'api-version=%00', '%61pi-version=7.9'),
			fc
				.tuple(
					fc.constant(API),
					fc.oneof(fc.integer({ min: 26 }), fc.integer({ max: 0 }), fc.double({ min: 1.1, max: 1.9 })),
				)
				.map(([api, n]) => `${api}&maxresults=${n}`),
			visible.map((text) => `${API}&$skiptoken=${encodeURIComponent(`!${text}`)}`),
		)
		await fc.assert(
			fc.asyncProperty(
				fc.constantFrom('/secrets', '/deletedsecrets', '/secrets/valid/versions'),
				badQuery,
				async (path, query) => {
					const answer = await sendBytes(
						`GET ${path}?${query} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}`,
						'',
					)
					isErrorShape(answer.status, answer.body)
				},
			),
			{ numRuns: share(0.2) },
		)
		await stillWorks()
	}, 300_000)

	it('headers', async () => {
		const badHeader = fc.oneof(
			line.map((text) => `host: ${host}\r\nauthorization: ${text}`),
			line.map((text) => `host: ${text}_ ,`),
			line.map((text) => `host: ${host}\r\n${text.replace(/:/g, '') || 'x'} : y`),
			fc.constantFrom(
				'',
				`host: ${host}\r\nhost: ${host}`,
				`host: ${host}\r\ntransfer-encoding: nonsense`,
				'host: other.example',
				`host: ${host}:99999999`,
			),
			fc.integer({ min: 17_000, max: 40_000 }).map((length) => `host: ${host}\r\nx-long: ${'x'.repeat(length)}`),
		)
		await fc.assert(
			fc.asyncProperty(badHeader, async (header) => {
				const answer = await sendBytes(`GET /secrets/valid?${API} HTTP/1.1\r\n${header}`, '')
				isErrorShape(answer.status, answer.body)
			}),
			{ numRuns: share(0.2) },
		)
		await stillWorks()
	}, 300_000)

	it('bodies', async () => {
		const wrongValue = fc.oneof(
			fc.integer(),
			fc.boolean(),
			fc.constant(null),
			fc.array(fc.jsonValue(), { maxLength: 3 }),
			fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
		)
		const badBody = fc.oneof(
			line.map((text) => `!${text}`),
			fc
				.jsonValue()
				.filter((value) => typeof value !== 'object' || value === null || Array.isArray(value))
				.map((value) => JSON.stringify(value)),
			fc
				.dictionary(
					fc.string().filter((key) => key !== 'value'),
					fc.jsonValue(),
				)
				.map((object) => JSON.stringify(object)),
			wrongValue.map((value) => JSON.stringify({ value })),
			wrongValue
				.filter((value) => value !== null && !(typeof value === 'object' && !Array.isArray(value)))
				.map((tags) => JSON.stringify({ value: 'v', tags })),
			fc
				.oneof(fc.string(), fc.double({ noInteger: true, noNaN: true }), fc.constant(-1), fc.constant(253_402_300_800))
				.map((exp) => JSON.stringify({ value: 'v', attributes: { exp } })),
			fc.integer({ min: 25 * 1024 + 1, max: 60_000 }).map((length) => JSON.stringify({ value: 'v'.repeat(length) })),
			fc.constantFrom(
				'{"value":"v"',
				'{"__proto__":{"value":"v"}}',
				'{"constructor":{}}',
				'\u00ff\u00fe',
				'[[[[[[',
				'{"value":"v","attributes":[]}',
			),
		)
		const target = fc.constantFrom('PUT /secrets/malformed', 'POST /secrets/restore')
		await fc.assert(
			fc.asyncProperty(target, badBody, async (request, body) => {
				const head = `${request}?${API} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json`
				const answer = await sendBytes(head, body)
				isErrorShape(answer.status, answer.body)
			}),
			{ numRuns: share(0.2) },
		)
		await stillWorks()
	}, 300_000)

	it('bodies of keys and certificates', async () => {
		await bench.emulator.control.grant({ clientId: CLIENT, role: 'Key Vault Administrator', vault: 'payments' })
		const json = fc.jsonValue()
		// Not by its text: JSON may have a field called toString.
		const isEmpty = (value: unknown) => value === '' || (Array.isArray(value) && value.length === 0)
		const noObject = json.filter((value) => value !== null && (typeof value !== 'object' || Array.isArray(value)))
		const key = fc.oneof(
			fc.record({ kty: json.filter((value) => typeof value !== 'string' || !/^(RSA|EC)(-HSM)?$|^oct/.test(value)) }),
			fc.record({ kty: fc.constant('RSA'), key_size: json.filter((value) => value !== null) }),
			fc.record({ kty: fc.constant('EC'), crv: fc.oneof(fc.string(), fc.integer()).map((crv) => `!${crv}`) }),
			fc.record({ kty: fc.constant('EC'), key_ops: json.filter((value) => value !== null && !isEmpty(value)) }),
			fc.record({ kty: fc.constant('EC'), tags: noObject }),
		)
		const imported = fc.oneof(
			fc.record({ key: noObject }),
			fc.record({ key: fc.dictionary(fc.constantFrom('kty', 'n', 'e', 'd', 'crv', 'x', 'y'), fc.string()) }),
			fc.record({ key: fc.record({ kty: fc.constantFrom('RSA', 'EC'), n: fc.base64String(), d: json }) }),
		)
		const policy = fc.oneof(
			noObject,
			fc.record({ key_props: noObject }),
			fc.record({ key_props: fc.record({ kty: fc.string({ minLength: 1 }).map((kty) => `!${kty}`) }) }),
			fc.record({ x509_props: fc.record({ validity_months: fc.oneof(fc.string(), fc.integer({ max: 0 })) }) }),
			fc.record({ x509_props: fc.record({ subject: fc.string().map((text) => `QQ=${text}`) }) }),
			fc.record({ x509_props: fc.record({ sans: fc.record({ dns_names: fc.constantFrom(['a b'], [1], 'x') }) }) }),
			fc.record({ lifetime_actions: fc.oneof(fc.string(), fc.integer()) }),
		)
		const certificate = fc.oneof(
			fc.record({
				value: fc.oneof(
					json,
					fc.base64String(),
					fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64')),
				),
			}),
			line.map((text) => ({ value: `-----BEGIN CERTIFICATE-----${text}-----END CERTIFICATE-----` })),
			fc.record({ value: fc.base64String(), pwd: json }),
		)
		const request = fc.oneof(
			key.map((body) => ['POST /keys/odd/create', body] as const),
			imported.map((body) => ['PUT /keys/odd', body] as const),
			policy.map((body) => ['POST /certificates/odd/create', { policy: body }] as const),
			certificate.map((body) => ['POST /certificates/odd/import', body] as const),
		)
		await fc.assert(
			fc.asyncProperty(request, async ([target, body]) => {
				const head = `${target}?${API} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json`
				const text = Buffer.from(JSON.stringify(body), 'utf8').toString('latin1')
				const answer = await sendBytes(head, text)
				isErrorShape(answer.status, answer.body)
			}),
			{ numRuns: share(0.2) },
		)
		await stillWorks()
	}, 300_000)

	it('tokens and token requests', async () => {
		const [header = '', payload = '', signature = ''] = token.split('.')
		const text = fc.base64String({ maxLength: 60 })
		const badToken = fc.oneof(
			text,
			fc.tuple(text, text, text).map((parts) => parts.join('.')),
			text.map((end) => `${header}.${payload}.${end}`),
			fc
				.jsonValue()
				.map((value) => `${header}.${Buffer.from(JSON.stringify(value)).toString('base64url')}.${signature}`),
			fc
				.jsonValue()
				.map((value) => `${Buffer.from(JSON.stringify(value)).toString('base64url')}.${payload}.${signature}`),
			fc.constantFrom(`${token}.x`, token.toUpperCase(), `${token} ${token}`, '..', ''),
		)
		const onVault = badToken.map((bad) => ({
			host,
			head: `GET /secrets/valid?${API} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${bad}`,
			body: '',
		}))
		const login = 'login.emu.test'
		const path = `POST /${bench.emulator.tenantId}/oauth2/v2.0/token HTTP/1.1\r\nhost: ${login}\r\ncontent-type: application/x-www-form-urlencoded`
		const form = fc.oneof(
			line,
			badToken.map((bad) =>
				new URLSearchParams({
					client_id: CLIENT,
					scope: 'https://vault.emu.test/.default',
					grant_type: 'client_credentials',
					client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
					client_assertion: bad,
				}).toString(),
			),
			fc
				.dictionary(fc.constantFrom('client_id', 'scope', 'grant_type', 'client_secret', 'claims'), fc.string())
				.map((fields) => new URLSearchParams(fields).toString()),
		)
		const onLogin = fc.oneof(
			form.map((body) => ({ host: login, head: path, body })),
			visible.map((text) => ({
				host: login,
				head: `POST /${encodeURIComponent(text)}/oauth2/v2.0/token HTTP/1.1\r\nhost: ${login}`,
				body: '',
			})),
			visible.map((text) => ({
				host: login,
				head: `GET /${encodeURIComponent(text)}_ HTTP/1.1\r\nhost: ${login}`,
				body: '',
			})),
		)
		await fc.assert(
			fc.asyncProperty(fc.oneof(onVault, onLogin), async (request) => {
				const answer = await sendBytes(request.head, request.body, request.host)
				isErrorShape(answer.status, answer.body)
			}),
			{ numRuns: share(0.2) },
		)
		await stillWorks()
	}, 300_000)
})
