import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { type Emulator, startEmulator } from 'azure-key-vault-emulator'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { FaultKind } from '../../engine/fault.ts'
import type { Tokens } from '../../ports/cluster.ts'
import { type Ask, type SessionKey, VaultError } from '../../ports/vault.ts'
import { systemClock } from '../../process/clock.ts'
import { type AzureVaults, createVaults, type PoolOptions } from '../pool.ts'

export const ISSUER = 'https://cluster.example/oidc'
export const ROLE = 'Key Vault Secrets User'
const AUDIENCE = 'api://AzureADTokenExchange'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** Issues ServiceAccount tokens as an API server does, and counts them. */
function createIssuer(): Tokens & { issued: number } {
	const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
	return {
		issued: 0,
		async request(namespace, serviceAccount, audience, uid) {
			this.issued++
			const now = Math.floor(Date.now() / 1000)
			const claims = {
				iss: ISSUER,
				sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
				aud: [audience],
				iat: now,
				nbf: now,
				exp: now + 600,
				// As in a token of a pod; Entra does not read it.
				'kubernetes.io': {
					namespace,
					pod: { name: 'app', uid: 'pod-1' },
					serviceaccount: { name: serviceAccount, uid },
				},
			}
			const text = `${part({ alg: 'RS256', kid: 'one', typ: 'JWT' })}.${part(claims)}`
			const signature = sign('sha256', Buffer.from(text), privateKey).toString('base64url')
			return { token: `${text}.${signature}`, expiresAt: (now + 600) * 1000 }
		},
	}
}

/** An emulator for a file of tests and, anew for each test, a client that may read its vault `payments`. */
export interface Tenant {
	readonly emulator: Emulator
	readonly key: SessionKey
	readonly tokens: Tokens & { issued: number }
	/** Sessions against the emulator. */
	vaults(options?: Partial<PoolOptions>): AzureVaults
	federate(clientId: string, serviceAccount?: string): Promise<void>
	/** How many requests with a token arrived for the route. */
	count(route: string): Promise<number>
}

export function useTenant(): Tenant {
	let emulator: Emulator
	let key: SessionKey
	let tokens: Tokens & { issued: number }
	beforeAll(async () => {
		emulator = await startEmulator({
			vaults: ['payments', { name: 'policies', access: 'policy' }],
			visibilityDelayMs: 0,
		})
	})
	afterAll(() => emulator?.close())
	beforeEach(async () => {
		await emulator.control.reset()
		tokens = createIssuer()
		await emulator.control.trustIssuer({
			issuer: ISSUER,
			jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }] },
		})
		const clientId = randomUUID()
		await emulator.control.addClient({ clientId })
		await tenant.federate(clientId)
		await emulator.control.grant({ clientId, role: ROLE, vault: 'payments' })
		key = {
			vaultUrl: emulator.vaultUrl('payments'),
			tenantId: emulator.tenantId,
			clientId,
			audience: AUDIENCE,
			namespace: 'team',
			serviceAccount: 'app',
			serviceAccountUid: randomUUID(),
		}
	})
	const tenant: Tenant = {
		get emulator() {
			return emulator
		},
		get key() {
			return key
		},
		get tokens() {
			return tokens
		},
		vaults: (options = {}) =>
			createVaults({
				clock: systemClock,
				random: () => 0,
				tokens,
				authorityHost: emulator.authorityHost,
				disableInstanceDiscovery: true,
				agent: emulator.agent(),
				clusterName: 'unit',
				vaultSuffixes: ['vault.emu.test'],
				...options,
			}),
		federate: (clientId, serviceAccount = 'app') =>
			emulator.control.addFederatedCredential({
				clientId,
				name: 'cluster',
				issuer: ISSUER,
				subject: `system:serviceaccount:team:${serviceAccount}`,
				audience: AUDIENCE,
			}),
		async count(route) {
			const requests = await emulator.control.requests()
			return requests.filter((each) => each.route === route && (each.clientId ?? '') !== '').length
		},
	}
	return tenant
}

const never = new AbortController().signal

/** A question that no earlier answer answers. */
export const ask = (given: Partial<Ask> = {}): Ask => ({
	since: systemClock.monotonic(),
	lane: 'refresh',
	signal: never,
	...given,
})

/** What a call failed with. */
export async function faultOf(work: Promise<unknown>): Promise<FaultKind> {
	const error = await work.then(
		() => undefined,
		(thrown: unknown) => thrown,
	)
	expect(error).toBeInstanceOf(VaultError)
	return (error as VaultError).fault.kind
}
