import { AsyncLocalStorage } from 'node:async_hooks'
import type { Agent } from 'node:https'
import type { PipelinePolicy } from '@azure/core-rest-pipeline'
import { ClientAssertionCredential } from '@azure/identity'
import { type KeyVaultSecret, SecretClient, type SecretProperties } from '@azure/keyvault-secrets'
import type { SecretFacts } from '../../plan/probe.ts'
import type { Tokens } from '../../ports/cluster.ts'
import {
	type SessionKey,
	VaultError,
	type VaultListing,
	type VaultReader,
	type VaultSecret,
} from '../../ports/vault.ts'
import type { Clock } from '../../runtime/clock.ts'
import { KubeError } from '../kube/errors.ts'
import { createAssertions } from './assertion.ts'
import { type Answer, vaultFaultOf } from './classify.ts'
import { createSingleFlightCredential } from './credential.ts'
import type { Limit } from './limit.ts'

/** What all sessions share. */
export interface AzureOptions {
	clock: Clock
	tokens: Tokens
	/** URL of Entra when it is not that of the public cloud */
	authorityHost?: string | undefined
	/** for an Entra that Microsoft's discovery does not know: an emulator, or a disconnected cloud */
	disableInstanceDiscovery?: boolean | undefined
	/** connections of tests; default: the library's */
	agent?: Agent | undefined
	/** name of this cluster in the vault's logs */
	clusterName: string
	observeVault?: ((vault: string, kind: 'get' | 'list', result: string) => void) | undefined
	observeToken?: ((issuer: 'kubernetes' | 'entra', result: 'ok' | 'error') => void) | undefined
	/** deadline of one request, milliseconds */
	timeoutMs?: number | undefined
}

// A healthy vault answers in a tenth of a second. Ten seconds tell a slow one from a dead one without holding a worker long.
const TIMEOUT_MS = 10_000
/** What the service puts on a page at most. */
export const PAGE_SIZE = 25

interface Call {
	signal: AbortSignal
	/** the server's Date header of the last answer within this call */
	date: string | undefined
	answer: Answer | undefined
}

/**
 * One vault read with one identity: one client, so that the 401 which starts a client's life is paid once, and one
 * credential. When Entra's token is refused both are made anew, because the client would send the same token until it ends.
 */
export function createSession(key: SessionKey, options: AzureOptions, limit: Limit): VaultReader {
	const { clock, tokens, observeVault = () => {}, observeToken = () => {}, timeoutMs = TIMEOUT_MS } = options
	const calls = new AsyncLocalStorage<Call>()
	const observed: Tokens = {
		async request(...args) {
			try {
				const token = await tokens.request(...args)
				observeToken('kubernetes', 'ok')
				return token
			} catch (error) {
				observeToken('kubernetes', 'error')
				throw error
			}
		},
	}
	const assertions = createAssertions(observed, key, clock)

	// Options of a list reach only its first page; here every request gets the deadline, and every answer's clock is read.
	const eachRequest: PipelinePolicy = {
		name: 'asbEachRequest',
		async sendRequest(request, next) {
			const call = calls.getStore()
			request.timeout = timeoutMs
			if (!call) return next(request)
			request.abortSignal = call.signal
			// An answer before this one (the challenge) must not explain what happens to this one.
			call.answer = undefined
			const response = await next(request)
			const { status, headers, bodyAsText } = response
			call.date = headers.get('date')
			call.answer = {
				status,
				body: status >= 400 ? (bodyAsText ?? undefined) : undefined,
				retryAfter: headers.get('retry-after'),
			}
			return response
		},
	}
	const build = () => {
		const { authorityHost, disableInstanceDiscovery, agent } = options
		// One attempt each: the queue backs off, and two layers of retries multiply.
		const retryOptions = { maxRetries: 0 }
		const shared = { retryOptions, ...(agent ? { agent } : {}) }
		const credential = createSingleFlightCredential({
			clock,
			assertions,
			create: (assertion) =>
				new ClientAssertionCredential(key.tenantId, key.clientId, assertion, {
					...shared,
					...(authorityHost ? { authorityHost } : {}),
					...(disableInstanceDiscovery ? { disableInstanceDiscovery } : {}),
				}),
			observe: (result) => observeToken('entra', result),
		})
		return new SecretClient(key.vaultUrl, credential, {
			...shared,
			additionalPolicies: [{ policy: eachRequest, position: 'perRetry' }],
			userAgentOptions: { userAgentPrefix: userAgent(options.clusterName, key) },
		})
	}
	let client = build()

	const vault = new URL(key.vaultUrl).hostname
	const call = async <T>(kind: 'get' | 'list', signal: AbortSignal, work: (at: Call) => Promise<T>): Promise<T> => {
		const release = await limit.acquire(signal)
		const at: Call = { signal, date: undefined, answer: undefined }
		try {
			const answer = await calls.run(at, () => work(at))
			observeVault(vault, kind, 'ok')
			return answer
		} catch (error) {
			if (signal.aborted) throw signal.reason
			// The API server's refusal of a token is told as such, further up.
			if (error instanceof KubeError) throw error
			const fault = vaultFaultOf(error, at.answer)
			observeVault(vault, kind, fault.kind)
			if (fault.kind === 'unauthorized') {
				assertions.drop()
				client = build()
			}
			throw new VaultError(fault)
		} finally {
			release()
		}
	}

	return {
		get issuer() {
			return assertions.issuer
		},
		read: (objectName, version, signal) =>
			call('get', signal, async (at): Promise<VaultSecret> => {
				const secret = await client.getSecret(objectName, version === undefined ? {} : { version })
				return readSecret(secret, at)
			}),
		async list(maxPages, signal): Promise<VaultListing> {
			const items = new Map<string, SecretFacts>()
			const pages = client.listPropertiesOfSecrets().byPage({ maxPageSize: PAGE_SIZE })
			for (let count = 1; ; count++) {
				const page = await call('list', signal, () => pages.next())
				if (page.done) return { complete: true, pages: Math.max(count - 1, 1), items }
				if (count > maxPages) return { complete: false, pages: count }
				for (const item of page.value) items.set(item.name.toLowerCase(), factsOf(item))
			}
		},
	}
}

function readSecret({ value, properties }: KeyVaultSecret, { date }: Call): VaultSecret {
	const { version } = properties
	if (value === undefined || version === undefined) throw new VaultError({ kind: 'garbage' })
	const serverTime = Date.parse(date ?? '')
	return {
		version,
		value: () => value,
		facts: factsOf(properties),
		serverTime: Number.isFinite(serverTime) ? serverTime : undefined,
	}
}

function factsOf(properties: SecretProperties): SecretFacts {
	const { enabled, createdOn, updatedOn, notBefore, expiresOn, contentType, tags } = properties
	const seconds = <K extends string>(key: K, date: Date | undefined) => {
		const time = date?.getTime()
		// The client makes an invalid date of a time that is none: no vault says that.
		if (Number.isNaN(time)) throw new VaultError({ kind: 'garbage' })
		return (time === undefined ? {} : { [key]: Math.floor(time / 1000) }) as { [P in K]?: number }
	}
	return {
		enabled: enabled !== false,
		...seconds('created', createdOn),
		...seconds('updated', updatedOn),
		...seconds('notBefore', notBefore),
		...seconds('expires', expiresOn),
		...(contentType === undefined ? {} : { contentType }),
		tags: tags ?? {},
	}
}

/** Says in the vault's log whose read this is. No secrets, and nothing that a header may not hold. */
function userAgent(cluster: string, { namespace, serviceAccount }: SessionKey): string {
	const clean = (text: string) => text.replaceAll(/[^A-Za-z0-9.-]/g, '-').slice(0, 64)
	return `azure-secret-binding/0.1 (${clean(cluster)}/${clean(namespace)}/${clean(serviceAccount)})`
}
