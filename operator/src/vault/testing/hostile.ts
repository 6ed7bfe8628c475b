import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:tls'
import forge from 'node-forge'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { SessionKey } from '../../ports/vault.ts'
import { systemClock } from '../../process/clock.ts'
import { createVaults, type PoolOptions } from '../pool.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export const VAULT = 'evil.vault.test'
const LOGIN = 'login.test'
export const TENANT = '11111111-1111-1111-1111-111111111111'
export const VERSION = '0123456789abcdef0123456789abcdef'

/** A vault and an Entra that answer what a test wants, on loopback, and a second vault host that only counts. */
export interface Hostile {
	/** answers requests to the vault that carry a token */
	vault: Handler
	/** answers the exchange */
	token: Handler
	/** of the vault's challenge */
	tenant: string
	/** requests to hosts that are neither, with whether they carried a token */
	readonly elsewhere: { host: string; token: boolean }[]
	/** where it listens, and what its certificate is judged by: for another process */
	readonly port: number
	readonly ca: string
	/** requests to Entra */
	readonly exchanges: number
	open(
		options?: Partial<PoolOptions>,
		key?: Partial<SessionKey>,
	): ReturnType<ReturnType<typeof createVaults>['session']>
}

export const json = (response: ServerResponse, value: unknown, status = 200, headers = {}) => {
	response.writeHead(status, { 'content-type': 'application/json', date: new Date().toUTCString(), ...headers })
	response.end(typeof value === 'string' ? value : JSON.stringify(value))
}

/** A secret as the service answers it. */
export const bundle = (given: object = {}) => ({
	value: 'v',
	id: `https://${VAULT}/secrets/db/${VERSION}`,
	attributes: { enabled: true, created: 1, updated: 1 },
	...given,
})

function createPair() {
	const keys = forge.pki.rsa.generateKeyPair({ bits: 2048 })
	const certificate = forge.pki.createCertificate()
	certificate.publicKey = keys.publicKey
	certificate.serialNumber = '01'
	certificate.validity.notBefore = new Date(Date.now() - 3_600_000)
	certificate.validity.notAfter = new Date(Date.now() + 3_600_000)
	const name = [{ name: 'commonName', value: 'loopback' }]
	certificate.setSubject(name)
	certificate.setIssuer(name)
	const hosts = ['*.vault.test', LOGIN, 'other.test']
	certificate.setExtensions([
		{ name: 'basicConstraints', cA: true },
		{ name: 'subjectAltName', altNames: hosts.map((value) => ({ type: 2, value })) },
	])
	certificate.sign(keys.privateKey, forge.md.sha256.create())
	return { cert: forge.pki.certificateToPem(certificate), key: forge.pki.privateKeyToPem(keys.privateKey) }
}

export function useHostile(): Hostile {
	const pair = createPair()
	let exchanges = 0
	let port = 0
	const server = createServer(pair, (request, response) => {
		request.resume()
		const host = (request.headers.host ?? '').split(':')[0] ?? ''
		const hasToken = request.headers.authorization !== undefined
		if (host === LOGIN) {
			exchanges++
			if (request.url?.includes('.well-known')) return json(response, discovery())
			return hostile.token(request, response)
		}
		if (host !== VAULT) {
			hostile.elsewhere.push({ host, token: hasToken })
			return json(response, { value: [] })
		}
		if (hasToken) return hostile.vault(request, response)
		const challenge = `Bearer authorization="https://${LOGIN}/${hostile.tenant}", resource="https://vault.test"`
		json(response, {}, 401, { 'www-authenticate': challenge })
	})
	// A stalled answer would keep it open.
	beforeAll(async () => {
		server.listen(0, '127.0.0.1')
		await once(server, 'listening')
		port = (server.address() as AddressInfo).port
	})
	afterAll(() => {
		server.closeAllConnections()
		server.close()
	})
	beforeEach(() => {
		exchanges = 0
		hostile.elsewhere.length = 0
		hostile.tenant = TENANT
		hostile.vault = (_, response) => json(response, bundle())
		hostile.token = (_, response) => json(response, { token_type: 'Bearer', expires_in: 3600, access_token: 'entra' })
	})
	const discovery = () => ({
		issuer: `https://${LOGIN}/${TENANT}/v2.0`,
		authorization_endpoint: `https://${LOGIN}/${TENANT}/oauth2/v2.0/authorize`,
		token_endpoint: `https://${LOGIN}/${TENANT}/oauth2/v2.0/token`,
		jwks_uri: `https://${LOGIN}/keys`,
	})
	const hostile: Hostile = {
		vault: () => {},
		token: () => {},
		tenant: TENANT,
		elsewhere: [],
		get port() {
			return port
		},
		ca: pair.cert,
		get exchanges() {
			return exchanges
		},
		open(options = {}, key = {}) {
			const agent = new Agent({ ca: pair.cert })
			// Whatever host is asked for is here.
			agent.createConnection = ((given: object) =>
				connect({ ...given, host: '127.0.0.1', port, ca: pair.cert })) as unknown as typeof agent.createConnection
			const tokens = {
				request: async () => ({ token: 'a.e30.c', expiresAt: Date.now() + 600_000 }),
			}
			return createVaults({
				clock: systemClock,
				random: () => 0,
				tokens,
				authorityHost: `https://${LOGIN}`,
				disableInstanceDiscovery: true,
				agent,
				clusterName: 'unit',
				vaultSuffixes: ['vault.test'],
				timeoutMs: 1_500,
				...options,
			}).session({
				vaultUrl: `https://${VAULT}`,
				tenantId: TENANT,
				clientId: '22222222-2222-2222-2222-222222222222',
				audience: 'api://AzureADTokenExchange',
				namespace: 'team',
				serviceAccount: 'app',
				serviceAccountUid: 'uid',
				...key,
			})
		},
	}
	return hostile
}
