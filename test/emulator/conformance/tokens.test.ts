// Entra: discovery, token endpoint, AADSTS codes, managed identity.
import { createHash, createPublicKey, randomUUID, X509Certificate } from 'node:crypto'
import { ManagedIdentityCredential } from '@azure/identity'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificate, createKeyPair } from '../src/tls/certificate.ts'
import {
	type Answer,
	API,
	AUDIENCE,
	addFederatedClient,
	type Bench,
	CLIENT,
	ISSUER,
	openBench,
	SUBJECT,
} from './kit.ts'
import { send } from './send.ts'

const now = (): number => Math.floor(Date.now() / 1000)

describe('tokens', () => {
	let bench: Bench
	beforeAll(async () => {
		bench = await openBench()
	})
	afterAll(() => bench.close())

	const refused = (answer: Answer, status: number, error: string, code: number, text: RegExp): void => {
		expect([answer.status, answer.entra.error, answer.entra.error_codes]).toEqual([status, error, [code]])
		expect(answer.entra.error_description).toMatch(new RegExp(`^AADSTS${code}: `))
		expect(answer.entra.error_description).toMatch(text)
	}

	describe('the token endpoint', () => {
		it('answers token_type, expires_in, ext_expires_in, refresh_in (only for long-lived tokens), access_token', async () => {
			const long = await bench.askToken(await bench.form())
			expect(Object.keys(long.entra)).toEqual([
				'token_type',
				'expires_in',
				'ext_expires_in',
				'refresh_in',
				'access_token',
			])
			expect(long.entra).toMatchObject({
				token_type: 'Bearer',
				expires_in: 86399,
				ext_expires_in: 86399,
				refresh_in: 43200,
			})
			await bench.emulator.control.configure({ tokenLifetimeSeconds: 3600 })
			const short = await bench.askToken(await bench.form())
			expect(Object.keys(short.entra)).toEqual(['token_type', 'expires_in', 'ext_expires_in', 'access_token'])
			expect(short.entra.expires_in).toBe(3599)
			await bench.emulator.control.configure({ tokenLifetimeSeconds: 86_400 })
		})

		it('issues v1 tokens: aud, iss https://sts.windows.net/{tid}/, appid, appidacr "2" for assertions, oid, sub, tid, idp, uti, ver "1.0", xms_cc when claims were asked', async () => {
			const { tenantId } = bench.emulator
			const { entra: json } = await bench.askToken(
				await bench.form({ claims: '{"access_token":{"xms_cc":{"values":["cp1"]}}}' }),
			)
			const issuer = `https://sts.windows.net/${tenantId}/`
			expect(decodeJwt(json.access_token)).toMatchObject({
				aud: 'https://vault.emu.test',
				iss: issuer,
				idp: issuer,
				appid: CLIENT,
				appidacr: '2',
				tid: tenantId,
				ver: '1.0',
				xms_cc: ['CP1'],
				uti: expect.stringMatching(/^.{22}$/) as unknown,
				oid: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
			})
			const { sub, oid } = decodeJwt(json.access_token)
			expect(sub).toBe(oid)
			expect(decodeProtectedHeader(json.access_token)).toMatchObject({ alg: 'RS256', typ: 'JWT' })
		})

		it('has the error body error, error_description, error_codes, timestamp, trace_id, correlation_id, error_uri', async () => {
			const { entra: json } = await bench.askToken({})
			expect(Object.keys(json)).toEqual([
				'error',
				'error_description',
				'error_codes',
				'timestamp',
				'trace_id',
				'correlation_id',
				'error_uri',
			])
			expect(json.timestamp).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/)
			expect(json.error_description).toContain(
				`Trace ID: ${json.trace_id} Correlation ID: ${json.correlation_id} Timestamp: ${json.timestamp}`,
			)
		})

		it('takes client-request-id of the form as the correlation id', async () => {
			const id = randomUUID()
			expect((await bench.askToken({ 'client-request-id': id })).entra.correlation_id).toBe(id)
		})

		it('accepts a client secret, with appidacr "1"', async () => {
			const clientId = randomUUID()
			await bench.emulator.control.addClient({ clientId, clientSecret: 's3cr3t~value' })
			const form = await bench.form({
				client_id: clientId,
				client_assertion: undefined,
				client_assertion_type: undefined,
				client_secret: 's3cr3t~value',
			})
			expect(decodeJwt((await bench.askToken(form)).entra.access_token as string)['appidacr']).toBe('1')
			refused(
				await bench.askToken({ ...form, client_secret: 'wrong' }),
				401,
				'invalid_client',
				7000215,
				/Invalid client secret provided/,
			)
		})

		it('accepts an assertion signed with the key of a registered certificate, and no other', async () => {
			const clientId = randomUUID()
			const pair = await generateKeyPair('RS256', { extractable: true })
			const other = await generateKeyPair('RS256', { extractable: true })
			const signer = createKeyPair()
			const { publicKey } = pair
			const certificatePem = createCertificate({
				subject: 'app',
				issuer: 'app',
				publicKey: createPublicKey({ key: (await exportJWK(publicKey)) as never, format: 'jwk' }),
				signer,
				notBefore: new Date(Date.now() - 1000),
				notAfter: new Date(Date.now() + 86_400_000),
				use: { kind: 'server', names: ['app'] },
			})
			await bench.emulator.control.addClient({ clientId, certificatePem })
			const x5t = createHash('sha1').update(new X509Certificate(certificatePem).raw).digest('base64url')
			const sign = (key: typeof pair.privateKey, over: { aud?: string; exp?: number } = {}): Promise<string> =>
				new SignJWT({
					iss: clientId,
					sub: clientId,
					aud: over.aud ?? `${bench.emulator.authorityHost}/${bench.emulator.tenantId}/oauth2/v2.0/token`,
					exp: over.exp ?? now() + 600,
				})
					.setProtectedHeader({ alg: 'RS256', x5t })
					.sign(key)
			const ask = async (assertion: string): Promise<Answer> =>
				bench.askToken(await bench.form({ client_id: clientId, client_assertion: assertion }))
			expect((await ask(await sign(pair.privateKey))).status).toBe(200)
			refused(await ask(await sign(other.privateKey)), 401, 'invalid_client', 700027, /failed signature validation/)
			refused(await ask(await sign(pair.privateKey, { aud: 'https://elsewhere' })), 401, 'invalid_client', 700027, /./)
			refused(
				await ask(await sign(pair.privateKey, { exp: now() - 10 })),
				401,
				'invalid_client',
				700024,
				/valid time range/,
			)
		})
	})

	describe('federated assertions', () => {
		const ask = async (claims: Parameters<Bench['assertion']>[0], client = CLIENT): Promise<Answer> =>
			bench.askToken(await bench.form({ client_id: client, client_assertion: await bench.assertion(claims) }))

		it('700211: the issuer matches no credential; a trailing slash counts', async () => {
			refused(
				await ask({ iss: `${ISSUER}/` }),
				401,
				'invalid_client',
				700211,
				/presented assertion issuer '.*local\/'\. Please check your federated/,
			)
		})

		it('700213: the subject matches no credential', async () => {
			const sub = 'system:serviceaccount:shop:other'
			refused(
				await ask({ sub }),
				401,
				'invalid_client',
				700213,
				new RegExp(`presented assertion subject '${sub}'\\. Check your federated`),
			)
		})

		it('7002138: the subject matches only case-insensitively (matching is case-sensitive)', async () => {
			refused(await ask({ sub: SUBJECT.toUpperCase() }), 401, 'invalid_client', 7002138, /case-sensitive/)
		})

		it('700212: the audience matches no credential; exactly one audience', async () => {
			refused(
				await ask({ aud: 'https://kubernetes.default.svc' }),
				401,
				'invalid_client',
				700212,
				/audience 'https:\/\/kubernetes/,
			)
			refused(await ask({ aud: [AUDIENCE, 'other'] }), 401, 'invalid_client', 700212, /audience/)
			expect((await ask({ aud: [AUDIENCE] })).status).toBe(200)
		})

		it('70025: the client has no configured federated identity credentials', async () => {
			const clientId = randomUUID()
			await bench.emulator.control.addClient({ clientId, name: 'bare-app' })
			refused(
				await ask({}, clientId),
				401,
				'invalid_client',
				70025,
				new RegExp(`The client 'bare-app'\\(${clientId}\\) has no configured`),
			)
		})

		it('700024: the assertion is not within its valid time range', async () => {
			for (const claims of [{ exp: now() - 1 }, { nbf: now() + 600 }]) {
				refused(
					await ask(claims),
					401,
					'invalid_client',
					700024,
					/Client assertion is not within its valid time range\. Current time: .*, assertion valid from .*, expiry time of assertion /,
				)
			}
		})

		it('claims of the wrong type are refused as the claims that they are not, and are no defect', async () => {
			const odd = (claims: object) => ask(claims as Parameters<typeof ask>[0])
			for (const sub of [7, null, ['x']]) refused(await odd({ sub }), 401, 'invalid_client', 700213, /subject/)
			for (const exp of ['soon', 1e20, null, -1e20])
				expect((await odd({ exp, nbf: now() + 600 })).entra.error_codes).toEqual([700024])
		})

		it('judges the times by the emulator clock', async () => {
			const assertion = await bench.assertion({ exp: now() + 60 })
			await bench.emulator.control.advanceClock({ seconds: 61 })
			const answer = await bench.askToken(await bench.form({ client_assertion: assertion }))
			await bench.emulator.control.advanceClock({ seconds: -61 })
			refused(answer, 401, 'invalid_client', 700024, /./)
		})

		it('7000272: the key that signed could not be found in the metadata of the identity provider', async () => {
			refused(
				await ask({ kid: 'unknown' }),
				401,
				'invalid_client',
				7000272,
				new RegExp(`identifier unknown .* identity provider ${ISSUER}`),
			)
		})

		it('refuses a signature by another key', async () => {
			const { privateKey } = await generateKeyPair('RS256')
			refused(await ask({ key: privateKey }), 401, 'invalid_client', 700027, /signature/)
		})

		it('accepts RS256 only: no other algorithm, and not "none"', async () => {
			const claims = { iss: ISSUER, sub: SUBJECT, aud: AUDIENCE, exp: now() + 60 }
			const { privateKey, publicKey } = await generateKeyPair('ES256')
			await bench.emulator.control.trustIssuer({
				issuer: 'https://ec.example',
				jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'ec' }] },
			})
			const ec = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'ec' }).sign(privateKey)
			const none = new UnsecuredJWT(claims).encode()
			const hmac = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32))
			for (const assertion of [ec, none, hmac]) {
				const answer = await bench.askToken(await bench.form({ client_assertion: assertion }))
				expect([answer.status, answer.entra.error_codes]).toEqual([400, [5002738]])
			}
		})

		it.each(['x', 'a.b.c', '..', 'eyJhbGciOiJSUzI1NiJ9.e30'])(
			'refuses the malformed assertion %s',
			async (assertion) => {
				const answer = await bench.askToken(await bench.form({ client_assertion: assertion }))
				expect([answer.status, answer.entra.error_codes]).toEqual([400, [50027]])
			},
		)

		it('700222: Entra-issued tokens may not be used for federation', async () => {
			for (const iss of [
				`https://sts.windows.net/${bench.emulator.tenantId}/`,
				`${bench.emulator.authorityHost}/${bench.emulator.tenantId}/v2.0`,
			]) {
				refused(await ask({ iss }), 400, 'invalid_request', 700222, /AAD-issued tokens/)
			}
		})

		it('50166: the issuer or its keys are unreachable', async () => {
			// Nothing listens on port 1 of loopback.
			const issuer = 'https://127.0.0.1:1'
			await bench.emulator.control.trustIssuer({ issuer })
			const clientId = randomUUID()
			await bench.emulator.control.addClient({ clientId })
			await bench.emulator.control.addFederatedCredential({
				clientId,
				name: 'far',
				issuer,
				subject: SUBJECT,
				audience: AUDIENCE,
			})
			refused(await ask({ iss: issuer }, clientId), 400, 'invalid_request', 50166, /External OIDC endpoint failed/)
		})

		it('70021 with issuer, subject and audience while a new credential propagates, then a token', async () => {
			const clientId = randomUUID()
			await bench.emulator.control.configure({ propagationDelayMs: 120_000 })
			await addFederatedClient(bench.emulator, clientId)
			await bench.emulator.control.configure({ propagationDelayMs: 0 })
			refused(
				await ask({}, clientId),
				400,
				'invalid_request',
				70021,
				new RegExp(`Assertion Issuer: '${ISSUER}'. Assertion Subject: '${SUBJECT}'. Assertion Audience: '${AUDIENCE}'`),
			)
			await bench.emulator.control.advanceClock({ seconds: 121 })
			expect((await ask({}, clientId)).status).toBe(200)
			await bench.emulator.control.advanceClock({ seconds: -121 })
		})

		it('accepts at most 20 credentials for one client', async () => {
			const clientId = randomUUID()
			await bench.emulator.control.addClient({ clientId })
			const add = (name: string): Promise<void> =>
				bench.emulator.control.addFederatedCredential({
					clientId,
					name,
					issuer: ISSUER,
					subject: name,
					audience: AUDIENCE,
				})
			for (let i = 0; i < 20; i += 1) await add(`fic-${i}`)
			await expect(add('fic-20')).rejects.toThrow(/at most 20/)
		})
	})

	describe('requests that are wrong', () => {
		it.each([
			['90002', {}, 'no-such-tenant', 400, 'invalid_request', 90002],
			['700016', { client_id: '99999999-9999-4999-8999-999999999999' }, undefined, 400, 'unauthorized_client', 700016],
			['7000218', { client_assertion: undefined }, undefined, 401, 'invalid_client', 7000218],
			['1002012: needs /.default', { scope: 'https://vault.emu.test' }, undefined, 400, 'invalid_scope', 1002012],
			['70011: two scopes', { scope: 'a/.default b/.default' }, undefined, 400, 'invalid_scope', 70011],
			['500011', { scope: 'https://graph.microsoft.com/.default' }, undefined, 400, 'invalid_resource', 500011],
			[
				'900382: another cloud',
				{ scope: 'https://vault.usgovcloudapi.net/.default' },
				undefined,
				400,
				'invalid_request',
				900382,
			],
			['70003', { grant_type: 'password' }, undefined, 400, 'unsupported_grant_type', 70003],
			['900144: no client', { client_id: undefined }, undefined, 400, 'invalid_request', 900144],
			['900144: assertion type', { client_assertion_type: 'x' }, undefined, 400, 'invalid_request', 900144],
		] as const)('%s', async (_name, over, tenant, status, error, code) => {
			const answer = await bench.askToken(await bench.form(over), tenant === undefined ? {} : { tenant })
			refused(answer, status, error, code, /./)
		})

		it.each([
			[{ status: 503 }, 503, 90033],
			[{ status: 429, retryAfter: 60 }, 429, 50196],
			[{ code: '50196' }, 429, 50196],
			[{ code: '90061' }, 400, 90061],
			[{ code: '501661' }, 400, 501661],
			[{ code: '70021', status: 401 }, 401, 70021],
			[{ code: '700212', status: 400 }, 400, 700212],
		] as const)('answers the fault %j', async (fault, status, code) => {
			const { control } = bench.emulator
			await control.addFault({ match: { route: 'token' }, action: 'status', times: 1, ...fault })
			const answer = await bench.askToken(await bench.form())
			expect([answer.status, answer.entra.error_codes]).toEqual([status, [code]])
			expect(answer.headers['retry-after']).toBe('retryAfter' in fault ? '60' : undefined)
			expect((await bench.askToken(await bench.form())).status).toBe(200)
		})
	})

	describe('discovery', () => {
		const get = (path: string): Promise<Answer> =>
			send(bench.emulator.agent(), `${bench.emulator.authorityHost}${path}`, {})

		it('serves an openid-configuration whose issuer has the same origin as the authority', async () => {
			const { entra: json } = await get(`/${bench.emulator.tenantId}/v2.0/.well-known/openid-configuration`)
			for (const name of ['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const) {
				expect(new URL(json[name]).origin).toBe(bench.emulator.authorityHost)
			}
		})

		it('serves instance discovery for its own hosts', async () => {
			const { entra: json } = await get('/common/discovery/instance?api-version=1.1&authorization_endpoint=x')
			expect(json.metadata[0]?.aliases).toContain('login.emu.test')
		})

		it('serves the public keys that verify its tokens', async () => {
			const { entra: json } = await get(`/${bench.emulator.tenantId}/discovery/v2.0/keys`)
			const { kid } = decodeProtectedHeader(await bench.token())
			expect(json.keys.map((key: { kid: string }) => key.kid)).toContain(kid)
			expect(JSON.stringify(json)).not.toMatch(/"(d|p|q)":/)
		})
	})

	describe('on the vault', () => {
		it('AKV10022 for another audience (a trailing slash counts), AKV10032 for another tenant, TokenExpired, AKV10046 for an unknown key', async () => {
			const { control, tenantId } = bench.emulator
			const managed = randomUUID()
			await control.addClient({ clientId: managed, managedIdentity: true })
			const imds = await fetch(
				`${bench.emulator.controlUrl}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.emu.test/&client_id=${managed}`,
				{ headers: { Metadata: 'true' } },
			)
			const { access_token: slashed } = (await imds.json()) as { access_token: string }
			const text = async (token: string): Promise<[number, string]> => {
				const answer = await bench.raw(`/secrets/x?${API}`, { token })
				expect(answer.headers['www-authenticate']).toContain('Bearer authorization=')
				return [answer.status, answer.error.message as string]
			}
			expect(await text(slashed)).toEqual([
				401,
				'AKV10022: Invalid audience. Expected https://vault.emu.test or cfa8b339-82a2-471a-a3c9-0fc0be7a4093, found: https://vault.emu.test/',
			])

			const otherTenant = randomUUID()
			const guest = randomUUID()
			await control.addClient({ clientId: guest, tenantId: otherTenant, clientSecret: 'x' })
			const foreign = await bench.askToken(
				{
					client_id: guest,
					client_secret: 'x',
					grant_type: 'client_credentials',
					scope: 'https://vault.emu.test/.default',
				},
				{ tenant: otherTenant },
			)
			expect(await text(foreign.entra.access_token as string)).toEqual([
				401,
				`AKV10032: Invalid issuer. Expected one of https://sts.windows.net/${tenantId}/, found https://sts.windows.net/${otherTenant}/`,
			])

			const token = await bench.token()
			await control.advanceClock({ seconds: 86_400 })
			expect(await text(token)).toEqual([401, "[TokenExpired] Error validating token: 'S2S12086'."])
			await control.advanceClock({ seconds: -86_400 })
			expect((await bench.raw(`/secrets?${API}`, { token })).status).toBe(200)

			const { privateKey } = await generateKeyPair('RS256')
			const forged = await new SignJWT(decodeJwt(token))
				.setProtectedHeader({ alg: 'RS256', kid: 'forged' })
				.sign(privateKey)
			expect(await text(forged)).toEqual([
				401,
				expect.stringMatching(
					/^AKV10046: Unable to resolve the key used for signature validation\. EncodedJwtHeader: ey/,
				),
			])
			const { kid } = decodeProtectedHeader(token)
			const signedByOther = await new SignJWT(decodeJwt(token))
				.setProtectedHeader({ alg: 'RS256', kid: kid ?? '' })
				.sign(privateKey)
			expect((await text(signedByOther))[0]).toBe(401)
			expect((await text(`${token.slice(0, -4)}AAAA`))[0]).toBe(401)
		})

		it('verifies tokens of the last key after a rotation, and with forgetOld answers AKV10046', async () => {
			const token = await bench.token()
			await bench.emulator.control.rotateKeys()
			expect((await bench.raw(`/secrets?${API}`, { token })).status).toBe(200)
			await bench.emulator.control.rotateKeys({ forgetOld: true })
			const answer = await bench.raw(`/secrets?${API}`, { token })
			expect([answer.status, answer.error.message]).toEqual([401, expect.stringContaining('AKV10046')])
			expect((await bench.raw(`/secrets?${API}`, { token: await bench.token() })).status).toBe(200)
		})

		it('answers a revoked token with a CAE claims challenge, and the SDK then gets a new token', async () => {
			const clientId = randomUUID()
			await addFederatedClient(bench.emulator, clientId)
			await bench.emulator.control.grant({ clientId, role: 'Key Vault Secrets Officer', vault: 'payments' })
			const client = bench.sdk('payments', clientId)
			await client.setSecret('cae', 'v')
			const old = await bench.token(clientId)
			await bench.emulator.control.revokeTokens({ clientId })
			const answer = await bench.raw(`/secrets/cae?${API}`, { token: old })
			expect(answer.status).toBe(401)
			const header = answer.headers['www-authenticate'] ?? ''
			expect(header).toMatch(
				/^Bearer realm="", authorization_uri="https:\/\/login\.emu\.test:\d+\/common\/oauth2\/authorize", error="insufficient_claims", claims="[A-Za-z0-9+/=]+"$/,
			)
			const claims = /claims="([^"]+)"/.exec(header)?.[1] ?? ''
			expect(JSON.parse(Buffer.from(claims, 'base64').toString())).toHaveProperty('access_token.nbf.essential', true)
			expect((await client.getSecret('cae')).value).toBe('v')
		})
	})

	describe('the managed identity endpoint', () => {
		it('serves the unmodified ManagedIdentityCredential', async () => {
			const clientId = randomUUID()
			await bench.emulator.control.addClient({ clientId, managedIdentity: true })
			process.env['AZURE_POD_IDENTITY_AUTHORITY_HOST'] = bench.emulator.controlUrl
			try {
				const token = await new ManagedIdentityCredential({ clientId }).getToken('https://vault.emu.test/.default')
				expect(decodeJwt(token.token)).toMatchObject({ appid: clientId, aud: 'https://vault.emu.test' })
			} finally {
				delete process.env['AZURE_POD_IDENTITY_AUTHORITY_HOST']
			}
		})

		it('demands the header Metadata: true, a resource, and an identity', async () => {
			const url = `${bench.emulator.controlUrl}/metadata/identity/oauth2/token`
			const metadata = { headers: { Metadata: 'true' } }
			expect((await fetch(`${url}?resource=https://vault.emu.test`)).status).toBe(400)
			expect((await fetch(url, metadata)).status).toBe(400)
			expect((await fetch(`${url}?resource=https://vault.emu.test&client_id=${randomUUID()}`, metadata)).status).toBe(
				400,
			)
		})
	})
})
