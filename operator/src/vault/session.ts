import { AsyncLocalStorage } from 'node:async_hooks'
import type { Agent } from 'node:https'
import type { PipelinePolicy } from '@azure/core-rest-pipeline'
import type { TokenCredential } from '@azure/identity'
import type { SecretClient, SecretProperties } from '@azure/keyvault-secrets'
import type { Tokens } from '../ports/cluster.ts'
import { KubeError } from '../ports/kube-error.ts'
import {
	type Ask,
	type ListedSecret,
	type PageLimit,
	type SessionKey,
	VaultError,
	type VaultListing,
	type VaultReader,
	type VaultSecret,
	type VersionFacts,
	type VersionListing,
} from '../ports/vault.ts'
import type { Clock } from '../process/clock.ts'
import { createAssertions } from './assertion.ts'
import type { Budget } from './budget.ts'
import { type Answer, retryAfterMs, vaultFaultOf } from './classify.ts'
import { createSingleFlightCredential } from './credential.ts'
import { bytesOf, listedOf, secretOf, versionOf } from './facts.ts'
import { createBoundedClient } from './http.ts'
import { createOpening } from './opening.ts'
import { PAGE_SIZE, readPages } from './pages.ts'
import type { Room } from './room.ts'
import { createSender } from './sender.ts'
import { BINDING_AUDIENCE, createTokenProxySender, type TokenProxy } from './token-proxy.ts'

export type CallKind = 'get' | 'list' | 'versions'

/** What all sessions share. */
export interface AzureOptions {
	clock: Clock
	/** measures the time of Entra; default: `clock`. Apart for tests, which hurry the work and cannot hurry a network */
	networkClock?: Clock | undefined
	tokens: Tokens
	/** URL of Entra when it is not that of the public cloud */
	authorityHost?: string | undefined
	/** for an Entra that Microsoft's discovery does not know: an emulator, or a disconnected cloud */
	disableInstanceDiscovery?: boolean | undefined
	/** who asks; default: the ServiceAccount, whose token Entra exchanges. Called anew after each failure */
	credential?: (() => TokenCredential) | undefined
	/** where tokens of identity bindings of AKS are exchanged; undefined: at Entra, as others */
	tokenProxy?: TokenProxy | undefined
	/** connections of tests, to vaults and Entra; default: our own to vaults, the library's to Entra */
	agent?: Agent | undefined
	/** name of this cluster in the vault's logs */
	clusterName: string
	observeVault?: ((vault: string, kind: CallKind, result: string) => void) | undefined
	observeToken?: ((issuer: 'kubernetes' | 'entra', result: 'ok' | 'error') => void) | undefined
	/** deadline of one request, milliseconds */
	timeoutMs?: number | undefined
}

// A healthy vault answers in a tenth of a second. Ten seconds tell a slow one from a dead one without holding a worker long.
const TIMEOUT_MS = 10_000
// A page of 25 secrets with 15 tags of 512 characters (FACTS.md#limits), each escaped as six bytes, is 2.3 MB; a value 150 kB.
const MAX_VAULT_BYTES = 4 * 1024 * 1024
// A token has some kilobytes, and the answer of the discovery ten.
const MAX_ENTRA_BYTES = 1024 * 1024

// An exchange is one to three requests within a second, and the next one comes after an hour.
const ENTRA_KEPT_MS = 2_000

/** What all sessions of one vault share. */
export interface Vault {
	budget: Budget
	connections: Agent
	/** whether a host is reached without the proxy that the environment names */
	bypass(host: string): boolean
	/** for lists while they are read; of all vaults */
	room: Room
}

interface Call {
	ask: Ask
	/** to be called when there is a token for it */
	opened(): void
	/** the last request was sent: the step after the last page sends none, and the budget may turn one away */
	sent: boolean
	/** the server's Date header of the last answer within this call */
	date: string | undefined
	answer: Answer | undefined
}

/**
 * One vault read with one identity: one client, so that the 401 which starts a client's life is paid once, and one
 * credential. When Entra's token is refused both are made anew, because the client would send the same token until it ends.
 */
export function createSession(
	key: SessionKey,
	options: AzureOptions,
	{ budget, connections, bypass, room }: Vault,
): VaultReader {
	const { clock, networkClock, tokens, timeoutMs = TIMEOUT_MS } = options
	const { observeVault = () => {}, observeToken = () => {} } = options
	/** Emptied at the end of the call: connections keep what was current when they were made or used last, for as long as they live. */
	const calls = new AsyncLocalStorage<{ call: Call | undefined }>()
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

	// Options of a list reach only its first page; here every request is reached, and every answer's clock is read.
	const eachRequest: PipelinePolicy = {
		name: 'asbEachRequest',
		async sendRequest(request, next) {
			const current = calls.getStore()
			// Not as an option of the client, where it would go before a proxy that the environment names.
			request.agent ??= connections
			if (!current) return next(request)
			const { call } = current
			if (!call) throw new Error('the call has ended')
			const { lane, signal } = call.ask
			request.abortSignal = signal
			// An answer before this one (the challenge) must not explain what happens to this one.
			call.answer = undefined
			call.sent = false
			const send = async () => {
				call.sent = true
				const response = await next(request)
				const { status, headers, bodyAsText } = response
				call.date = headers.get('date')
				call.answer = {
					status,
					body: status >= 400 ? (bodyAsText ?? undefined) : undefined,
					retryAfter: headers.get('retry-after'),
				}
				return response
			}
			// Only a request with a token is one that the budget counts. The one without is the first of a client's life, is
			// refused whatever the vault holds, and an exchange at Entra and a read that waits its turn follow it. Taking the
			// place here and not around the whole call, a tenant whose Entra hangs holds no place of a vault that others use.
			if (!request.headers.has('authorization')) {
				// At a start many vaults are asked for this at one moment. Who comes first would take all connections, and lose them to the others.
				return send().finally(budget.expect())
			}
			call.opened()
			call.ask.waits?.(true)
			const place = await budget
				.acquire({ lane, namespace: key.namespace, signal })
				.finally(() => call.ask.waits?.(false))
			try {
				const response = await send()
				if (response.status === 429) place.throttled(call.answer && retryAfterMs(call.answer))
				return response
			} finally {
				place.release()
			}
		},
	}
	// What the library makes of NO_PROXY is less than what curl does.
	const direct = { to: bypass, agent: connections }
	let exchanges = 0
	const { origin, hostname: vault } = new URL(key.vaultUrl)
	const build = async (): Promise<SecretClient> => {
		const { ClientAssertionCredential, RestError, SecretClient } = await import('./sdk.ts')
		const library = { RestError }
		const identity = identityOf(key)
		const sender = createSender(library, connections, { identity })
		const onSend = () => {
			exchanges++
		}
		const { tokenProxy } = options
		const isBound = tokenProxy !== undefined && key.audience === BINDING_AUDIENCE
		const exchange = createSender(library, connections, { identity, keptMs: ENTRA_KEPT_MS })
		const toEntra = isBound ? createTokenProxySender(tokenProxy, exchange) : exchange
		const entraClient = createBoundedClient({ timeoutMs, maxBytes: MAX_ENTRA_BYTES, direct, onSend }, toEntra)
		const vaultClient = createBoundedClient({ timeoutMs, maxBytes: MAX_VAULT_BYTES, origin, direct }, sender)
		const { authorityHost, disableInstanceDiscovery, agent } = options
		// One attempt each: the queue backs off, and two layers of retries multiply.
		const retryOptions = { maxRetries: 0 }
		const credential = createSingleFlightCredential({
			clock,
			networkClock,
			assertions,
			tenantId: key.tenantId,
			exchanges: () => exchanges,
			create: (assertion) =>
				options.credential?.() ??
				new ClientAssertionCredential(key.tenantId, key.clientId, assertion, {
					retryOptions,
					httpClient: entraClient,
					...(agent ? { agent } : {}),
					...(authorityHost ? { authorityHost } : {}),
					...(disableInstanceDiscovery ? { disableInstanceDiscovery } : {}),
				}),
			observe: (result) => observeToken('entra', result),
		})
		return new SecretClient(key.vaultUrl, credential, {
			retryOptions,
			httpClient: vaultClient,
			additionalPolicies: [{ policy: eachRequest, position: 'perRetry' }],
			userAgentOptions: { userAgentPrefix: userAgent(options.clusterName, key) },
		})
	}
	let opening = createOpening()
	// Made with the first call: an operator without a binding never loads the library.
	let client: Promise<SecretClient> | undefined
	const clientNow = () => {
		if (client) return client
		const building = build()
		client = building
		// The next call tries again.
		building.catch(() => {
			if (client === building) client = undefined
		})
		return building
	}

	const send = async <T>(kind: CallKind, at: Call, work: (at: Call) => Promise<T>): Promise<T> => {
		const { signal } = at.ask
		const current: { call: Call | undefined } = { call: at }
		try {
			signal.throwIfAborted()
			const answer = await calls.run(current, () => work(at))
			if (at.sent) observeVault(vault, kind, 'ok')
			return answer
		} catch (error) {
			if (signal.aborted) throw signal.reason
			// The API server's refusal of a token is told as such, further up.
			if (error instanceof KubeError) throw error
			const fault = vaultFaultOf(error, at.answer)
			// What never left because the budget or Entra did not let it is no call to the vault.
			if (at.sent) observeVault(vault, kind, fault.kind)
			if (fault.kind === 'unauthorized') {
				assertions.drop()
				opening = createOpening()
				client = undefined
			}
			throw new VaultError(fault)
		} finally {
			current.call = undefined
		}
	}
	const call = <T>(kind: CallKind, ask: Ask, work: (at: Call) => Promise<T>): Promise<T> =>
		opening.through(ask.signal, (opened) =>
			send(kind, { ask, opened, sent: false, date: undefined, answer: undefined }, work),
		)

	/** One call for each page. What is kept of an item is made of it at once: pages may hold much that nobody asked for. */
	const pagesOf = async <T extends ListedSecret | VersionFacts>(
		kind: CallKind,
		pagesOfClient: (client: SecretClient) => AsyncIterator<SecretProperties[]>,
		limit: PageLimit,
		ask: Ask,
		keep: (item: SecretProperties) => T,
	) => {
		let serverTime: number | undefined
		// One client for all of it, also when a refused token has made a new one meanwhile.
		let pages: AsyncIterator<SecretProperties[]> | undefined
		const share = room.take()
		try {
			const read = await readPages(limit, () =>
				call(kind, ask, async (at): Promise<IteratorResult<T[]>> => {
					pages ??= pagesOfClient(await clientNow())
					const page = await pages.next()
					if (at.sent) serverTime = timeOf(at)
					if (page.done) return { done: true, value: undefined }
					const kept = page.value.map(keep)
					share.grow(kept.reduce((sum, item) => sum + bytesOf(item), 0))
					return { done: false, value: kept }
				}),
			)
			return { ...read, serverTime }
		} finally {
			share.release()
		}
	}

	return {
		get issuer() {
			return assertions.issuer
		},
		read: (objectName, version, ask) =>
			call('get', ask, async (at): Promise<VaultSecret> => {
				const secret = await (await clientNow()).getSecret(objectName, version === undefined ? {} : { version })
				return { ...secretOf(secret, objectName, version), serverTime: timeOf(at) }
			}),
		async list(limit, ask): Promise<VaultListing> {
			const pages = (of: SecretClient) => of.listPropertiesOfSecrets().byPage({ maxPageSize: PAGE_SIZE })
			const {
				complete,
				pages: count,
				items,
				serverTime,
			} = await pagesOf('list', pages, limit, ask, (item) => listedOf(item, ask.tags))
			if (!complete) return { complete, pages: count }
			const byName = new Map(items.map((item) => [item.objectName.toLowerCase(), item]))
			return { complete, pages: count, items: byName, serverTime }
		},
		async versions(objectName, limit, ask): Promise<VersionListing> {
			const pages = (of: SecretClient) =>
				of.listPropertiesOfSecretVersions(objectName).byPage({ maxPageSize: PAGE_SIZE })
			const {
				complete,
				pages: count,
				items,
			} = await pagesOf('versions', pages, limit, ask, (item) => versionOf(item, objectName, ask.tags))
			return complete ? { complete, versions: items } : { complete, pages: count }
		},
	}
}

const identityOf = ({ tenantId, clientId, audience, namespace, serviceAccount, serviceAccountUid }: SessionKey) =>
	JSON.stringify([tenantId, clientId, audience, namespace, serviceAccount, serviceAccountUid])

function timeOf({ date }: Call): number | undefined {
	const time = Date.parse(date ?? '')
	return Number.isFinite(time) ? time : undefined
}

/** Says in the vault's log whose read this is. No secrets, and nothing that a header may not hold. */
export function userAgent(cluster: string, { namespace, serviceAccount }: SessionKey): string {
	const clean = (text: string) => text.replaceAll(/[^A-Za-z0-9.-]/g, '-').slice(0, 64)
	return `azure-secret-binding/0.1 (${clean(cluster)}/${clean(namespace)}/${clean(serviceAccount)})`
}
