// What the conformance tests share: an emulator with one federated client, raw requests, and SDK clients.
import type { IncomingHttpHeaders } from 'node:http'
import type { Agent } from 'node:https'
import { ClientAssertionCredential, type TokenCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type Emulator, type EmulatorOptions, startEmulator } from '../src/index.ts'
import { realBench, VARIABLES } from './real-vault.ts'
import { send } from './send.ts'

export const ISSUER = 'https://kubernetes.default.svc.cluster.local'
export const SUBJECT = 'system:serviceaccount:shop:payments'
export const AUDIENCE = 'api://AzureADTokenExchange'
export const CLIENT = '11111111-1111-4111-8111-111111111111'
export const OFFICER = 'Key Vault Secrets Officer'
export const USER = 'Key Vault Secrets User'
export const API = 'api-version=7.6'

/** A secret as the service answers it; which fields are there is what the tests are about. */
export interface Bundle {
	readonly value: string
	readonly contentType: string
	readonly id: string
	readonly attributes: {
		readonly enabled: boolean
		readonly nbf: number
		readonly exp: number
		readonly created: number
		readonly updated: number
		readonly recoveryLevel: string
		readonly recoverableDays: number
	}
	readonly tags: Readonly<Record<string, string>>
	readonly kid: string
	readonly managed: boolean
	readonly previousVersion: string
	readonly recoveryId: string
	readonly deletedDate: number
	readonly scheduledPurgeDate: number
}

/** A document of the login host. */
export interface EntraBody {
	readonly error: string
	readonly error_description: string
	readonly error_codes: readonly number[]
	readonly timestamp: string
	readonly trace_id: string
	readonly correlation_id: string
	readonly access_token: string
	readonly expires_in: number
	readonly keys: ReadonlyArray<{ kid: string }>
	readonly metadata: ReadonlyArray<{ aliases: readonly string[] }>
	readonly issuer: string
	readonly authorization_endpoint: string
	readonly token_endpoint: string
	readonly jwks_uri: string
}

/** An answer, with its body parsed and typed as what the test expects it to be; undefined when it is not JSON. */
export interface Answer {
	readonly status: number
	readonly headers: IncomingHttpHeaders
	readonly text: string
	readonly body: unknown
	readonly bundle: Bundle
	readonly page: { readonly value: readonly Bundle[]; readonly nextLink: string | null }
	readonly error: { readonly code: string; readonly message: string; readonly innererror?: { readonly code: string } }
	readonly entra: EntraBody
}

export interface RawRequest {
	readonly method?: string
	readonly headers?: Record<string, string>
	/** A string is sent as it is, anything else as JSON. */
	readonly body?: unknown
	/** Bearer token; by default one of CLIENT's. `null` sends none. */
	readonly token?: string | null
	/** Host to ask; default: the vault `payments`. */
	readonly origin?: string
}

/** Header, claims and key of a ServiceAccount token; everything has the value that is accepted. */
export interface AssertionClaims {
	readonly iss?: string
	readonly sub?: string
	readonly aud?: string | string[]
	readonly iat?: number
	readonly nbf?: number
	readonly exp?: number
	readonly kid?: string
	readonly key?: CryptoKey
}

export interface Bench {
	readonly emulator: Emulator
	readonly key: CryptoKey
	/** Raw request to a vault; path begins with `/`. */
	raw(path: string, request?: RawRequest): Promise<Answer>
	/** The token endpoint's answer for a form. */
	askToken(form: Record<string, string>, options?: { tenant?: string }): Promise<Answer>
	/** A good form for CLIENT, with other fields put over it. */
	form(over?: Record<string, string | undefined>): Promise<Record<string, string>>
	assertion(claims?: AssertionClaims): Promise<string>
	/** An access token, fresh. */
	token(clientId?: string): Promise<string>
	credential(clientId?: string): TokenCredential
	/** The unmodified SDK's client, with its own defaults but for retries that would only cost time. */
	sdk(vault?: string, clientId?: string): SecretClient
	close(): Promise<void>
}

/** An emulator with the vault `payments`, on which CLIENT has every right, and a client of the name; or a real vault, which takes no options. */
export async function openBench(options: EmulatorOptions = {}): Promise<Bench> {
	const { [VARIABLES.url]: real, [VARIABLES.prefix]: prefix = '', [VARIABLES.settleMs]: settleMs } = process.env
	if (real) return realBench(real, prefix, Number(settleMs ?? 0))
	const emulator = await startEmulator({ vaults: ['payments'], seed: 'conformance', ...options })
	const { privateKey, publicKey } = await generateKeyPair('RS256')
	const jwk = { ...(await exportJWK(publicKey)), kid: 'sa-key' }
	const { control } = emulator
	await control.trustIssuer({ issuer: ISSUER, jwks: { keys: [jwk] } })
	await addFederatedClient(emulator, CLIENT)
	if ((await control.listVaults()).some((vault) => vault.name === 'payments')) {
		await control.grant({ clientId: CLIENT, role: OFFICER, vault: 'payments' })
	}

	const agent: Agent = emulator.agent()
	const tokens = new Map<string, string>()
	const assertion = (claims: AssertionClaims = {}): Promise<string> => {
		const now = Math.floor(Date.now() / 1000)
		const {
			iss = ISSUER,
			sub = SUBJECT,
			aud = AUDIENCE,
			iat = now,
			nbf = now,
			exp = now + 3600,
			kid = 'sa-key',
			key = privateKey,
		} = claims
		return new SignJWT({ iss, sub, aud, iat, nbf, exp }).setProtectedHeader({ alg: 'RS256', kid }).sign(key)
	}
	const form: Bench['form'] = async (over = {}) => {
		const filled: Record<string, string | undefined> = {
			client_id: CLIENT,
			scope: 'https://vault.emu.test/.default',
			grant_type: 'client_credentials',
			client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
			client_assertion: 'client_assertion' in over ? undefined : await assertion(),
			...over,
		}
		return Object.fromEntries(
			Object.entries(filled).filter((entry): entry is [string, string] => entry[1] !== undefined),
		)
	}
	const askToken: Bench['askToken'] = (fields, { tenant = emulator.tenantId } = {}) =>
		send(agent, `${emulator.authorityHost}/${tenant}/oauth2/v2.0/token`, {
			method: 'POST',
			headers: { 'content-type': 'application/x-www-form-urlencoded;charset=utf-8' },
			body: new URLSearchParams(fields).toString(),
		})
	const token: Bench['token'] = async (clientId = CLIENT) =>
		(await askToken(await form({ client_id: clientId }))).entra.access_token
	const credential: Bench['credential'] = (clientId = CLIENT) =>
		new ClientAssertionCredential(emulator.tenantId, clientId, () => assertion(), {
			authorityHost: emulator.authorityHost,
			disableInstanceDiscovery: true,
			agent,
		})
	return {
		emulator,
		key: privateKey,
		assertion,
		form,
		askToken,
		token,
		credential,
		raw: async (path, request = {}) => {
			const { origin = emulator.vaultUrl('payments'), token: given } = request
			let bearer = given
			if (bearer === undefined) {
				bearer = tokens.get(CLIENT) ?? (await token())
				tokens.set(CLIENT, bearer)
			}
			const headers = { ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }), ...request.headers }
			return send(agent, `${origin}${path}`, { ...request, headers })
		},
		sdk: (vault = 'payments', clientId = CLIENT) =>
			new SecretClient(emulator.vaultUrl(vault), credential(clientId), { agent }),
		close: () => emulator.close(),
	}
}

/** A client whose ServiceAccount tokens are accepted. */
export async function addFederatedClient(emulator: Emulator, clientId: string): Promise<void> {
	await emulator.control.addClient({ clientId, name: `app-${clientId.slice(0, 4)}` })
	await emulator.control.addFederatedCredential({
		clientId,
		name: 'cluster',
		issuer: ISSUER,
		subject: SUBJECT,
		audience: AUDIENCE,
	})
}

/** All items of a listing, page by page. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
	const all: T[] = []
	for await (const item of items) all.push(item)
	return all
}

/** All items of a list that is asked for by path, over its pages: a first page may be short, or even empty. */
export async function itemsOf(raw: Bench['raw'], path: string): Promise<Bundle[]> {
	const items: Bundle[] = []
	for (let next: string | null = path; next !== null; ) {
		const { page }: Answer = await raw(next)
		items.push(...page.value)
		next = page.nextLink === null ? null : page.nextLink.replace(/^https:\/\/[^/]+/, '')
	}
	return items
}
