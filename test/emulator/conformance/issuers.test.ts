// Keys of identity providers, fetched: discovery, rotation, logins, and a cluster's API server as a pod meets it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { inClusterIssuer } from '../src/cli/federate.ts'
import { createAuthority } from '../src/tls/authority.ts'
import { createLeaf } from '../src/tls/leaves.ts'
import { type Answer, AUDIENCE, type Bench, openBench, SUBJECT } from './kit.ts'

type Key = Awaited<ReturnType<typeof generateKeyPair>>

describe('issuers', () => {
	const folder = mkdtempSync(join(tmpdir(), 'emulator-issuers-'))
	const files = { bearerTokenFile: join(folder, 'token'), caFile: join(folder, 'ca.crt') }
	let bench: Bench
	let provider: Server
	let issuer: string
	let keys: Key[]
	/** Paths that were asked for, in order. */
	let asked: string[]
	let answer: (path: string) => { status: number; body: unknown }

	beforeAll(async () => {
		bench = await openBench()
		const authority = createAuthority(Date.now())
		writeFileSync(files.caFile, authority.certPem)
		provider = createServer(createLeaf(authority, ['127.0.0.1'], Date.now()), (request, response) => {
			asked.push(request.url ?? '')
			// The token of the file as it is now: a client that remembers an old one is caught.
			const { status, body } =
				request.headers.authorization === `Bearer ${currentToken}`
					? answer(request.url ?? '')
					: { status: 401, body: {} }
			response.writeHead(status, { 'content-type': 'application/json' })
			response.end(JSON.stringify(body))
		})
		await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
		issuer = `https://127.0.0.1:${(provider.address() as AddressInfo).port}`
	})
	afterAll(async () => {
		await bench.close()
		provider.closeAllConnections()
		await new Promise((resolve) => provider.close(resolve))
		rmSync(folder, { recursive: true, force: true })
	})

	let currentToken: string
	const giveToken = (token: string): void => {
		currentToken = token
		writeFileSync(files.bearerTokenFile, `${token}\n`)
	}
	const publicKeys = async (): Promise<object> => ({
		keys: await Promise.all(
			keys.map(async ({ publicKey }, index) => ({ ...(await exportJWK(publicKey)), kid: `key-${index}` })),
		),
	})
	let clientId: string
	let counter = 0
	beforeEach(async () => {
		keys = [await generateKeyPair('RS256')]
		asked = []
		giveToken(`token-${counter}`)
		const jwks = { ...(await publicKeys()) }
		answer = (path) =>
			path === '/.well-known/openid-configuration'
				? { status: 200, body: { issuer, jwks_uri: `${issuer}/jwks` } }
				: { status: 200, body: jwks }
		clientId = `client-${counter++}`
		await bench.emulator.control.addClient({ clientId })
		await bench.emulator.control.addFederatedCredential({
			clientId,
			name: 'fic',
			issuer,
			subject: SUBJECT,
			audience: AUDIENCE,
		})
	})
	afterEach(() => bench.emulator.control.advanceClock({ seconds: 600 }))

	const exchange = async (index = 0): Promise<Answer> => {
		const { now } = await bench.emulator.control.advanceClock({ seconds: 0 })
		const time = Math.floor(now / 1000)
		const assertion = await new SignJWT({ iss: issuer, sub: SUBJECT, aud: AUDIENCE, iat: time, exp: time + 600 })
			.setProtectedHeader({ alg: 'RS256', kid: `key-${index}` })
			.sign((keys[index] as Key).privateKey)
		return bench.askToken(await bench.form({ client_id: clientId, client_assertion: assertion }))
	}

	it('finds the keys by the discovery document of the issuer, and keeps them', async () => {
		await bench.emulator.control.trustIssuer({ issuer, ...files })
		expect((await exchange()).status).toBe(200)
		expect((await exchange()).status).toBe(200)
		expect(asked).toEqual(['/.well-known/openid-configuration', '/jwks'])
	})

	it('follows a key rotation: an unknown key id makes it fetch again, at most once in 5 s, with the token of then', async () => {
		await bench.emulator.control.trustIssuer({ issuer, jwksUrl: `${issuer}/jwks`, ...files })
		expect((await exchange()).status).toBe(200)
		keys.push(await generateKeyPair('RS256'))
		expect((await exchange(1)).entra.error_codes).toEqual([7000272])
		expect((await exchange(1)).entra.error_codes).toEqual([7000272])
		expect(asked).toHaveLength(1)
		const jwks = await publicKeys()
		answer = () => ({ status: 200, body: jwks })
		giveToken('the kubelet wrote a new one')
		await bench.emulator.control.advanceClock({ seconds: 6 })
		expect((await exchange(1)).status).toBe(200)
		expect(asked).toHaveLength(2)
	})

	it.each([
		['an error', () => ({ status: 503, body: {} })],
		['something else', () => ({ status: 200, body: { keys: 'none' } })],
		['no keys', () => ({ status: 200, body: [] })],
	])('answers 50166 when the issuer has %s, and works again when it has keys', async (_what, broken) => {
		await bench.emulator.control.trustIssuer({ issuer, jwksUrl: `${issuer}/jwks`, ...files })
		const good = answer
		answer = broken
		expect((await exchange()).entra.error_codes).toEqual([50166])
		answer = good
		expect((await exchange()).status).toBe(200)
	})

	it('reads issuer and keys of the cluster it runs in with the token of its pod', async () => {
		const { hostname, port } = new URL(issuer)
		const environment = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port }
		const trusted = await inClusterIssuer(environment, folder)
		expect(trusted).toEqual({ issuer, jwksUrl: `${issuer}/openid/v1/jwks`, ...files })
		await bench.emulator.control.trustIssuer(trusted)
		expect((await exchange()).status).toBe(200)
		expect(asked).toEqual(['/.well-known/openid-configuration', '/openid/v1/jwks'])
	})
})
