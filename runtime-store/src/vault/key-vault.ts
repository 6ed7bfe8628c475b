import type { KeyVaultSecret, SecretClient } from '@azure/keyvault-secrets'
import type { Clock } from '../clock.ts'
import { Lanes } from '../limit.ts'
import { reasonOfFault } from './faults.ts'
import { normalUrl, type SecretAddress, type Vault, VaultFault, type VaultValue } from './vault.ts'

export interface KeyVaultOptions {
	readonly clientOf: (vault: string | undefined) => Promise<SecretClient>
	readonly clock: Clock
	/** Calls of one kind that are under way at one vault. */
	readonly concurrency: number
	/** Milliseconds that a call may take, waiting for its turn included. */
	readonly requestTimeoutMs: number
}

// What waits for the end of a deletion or a recovery: the service takes 2 to 20 s for one, so three times the longest.
const POLL_TIMEOUT_MS = 60_000

type Method = 'getSecret' | 'setSecret' | 'beginDeleteSecret' | 'beginRecoverDeletedSecret'

/** Clients of tests are sparing: AzureSecretStore takes one that answers with a value alone, or with nothing. */
type Sparing = Partial<Pick<KeyVaultSecret, 'value' | 'properties'>> | undefined

function vaultValue(secret: Sparing, value: unknown): VaultValue {
	if (typeof value !== 'string') throw new VaultFault('Client', undefined)
	const { version, contentType, tags, createdOn, updatedOn, notBefore, expiresOn } = secret?.properties ?? {}
	return {
		value,
		// Never absent in an answer of the service.
		version: version ?? '',
		contentType,
		tags: tags ?? {},
		created: createdOn,
		updated: updatedOn,
		notBefore,
		expires: expiresOn,
	}
}

/** Rejects when the signal is aborted: a client that does not heed it must not hold a place for ever. */
function aborted(signal: AbortSignal): { readonly promise: Promise<never>; forget(): void } {
	const { promise, reject } = Promise.withResolvers<never>()
	const onAbort = () => reject(new VaultFault('Unavailable', { name: 'TimeoutError', code: 'ETIMEDOUT' }))
	signal.addEventListener('abort', onAbort)
	return { promise, forget: () => signal.removeEventListener('abort', onAbort) }
}

/**
 * Key Vault by the Azure SDK.
 *
 * 1. Each vault has a lane for reads and one for writes, so that a vault that never answers holds up no other, and a slow write no read.
 * 2. Each call has a deadline from the moment it is made. Over it the call is `Unavailable`, and its place in the lane is free.
 */
export function keyVault({ clientOf, clock, concurrency, requestTimeoutMs }: KeyVaultOptions): Vault {
	const lanes = new Lanes(concurrency)
	async function call<T>(
		address: SecretAddress,
		method: Method,
		make: (client: SecretClient, abortSignal: AbortSignal) => Promise<T>,
		timeoutMs = requestTimeoutMs,
	): Promise<T> {
		const deadline = new AbortController()
		const { signal } = deadline
		const cancel = clock.after(timeoutMs, () => deadline.abort(), true)
		const { promise: late, forget } = aborted(signal)
		const work = async () => {
			const client = await clientOf(address.vault)
			if (typeof client[method] !== 'function') throw new VaultFault('Client', undefined)
			try {
				return await make(client, signal)
			} catch (error) {
				throw error instanceof VaultFault ? error : new VaultFault(reasonOfFault(error), error)
			}
		}
		const lane = `${method === 'getSecret' ? 'read' : 'write'} ${normalUrl(address.vault ?? '')}`
		const turn = lanes.run(lane, async () => (signal.aborted ? late : await Promise.race([work(), late])))
		try {
			// The race outside is for a call that still waits for its turn.
			return await Promise.race([turn, late])
		} finally {
			cancel()
			forget()
			// Whoever loses a race is heard by nobody.
			turn.catch(() => {})
			late.catch(() => {})
		}
	}
	return {
		get: (address, version) =>
			call(address, 'getSecret', async (client, abortSignal) => {
				const options = { abortSignal, ...(version === undefined ? {} : { version }) }
				const secret: Sparing = await client.getSecret(address.objectName, options)
				if (secret?.value === undefined) throw new VaultFault('NotFound', undefined)
				return vaultValue(secret, secret.value)
			}),
		set: (address, value, { tags, contentType }) =>
			call(address, 'setSecret', async (client, abortSignal) => {
				const options = {
					abortSignal,
					...(tags === undefined ? {} : { tags: { ...tags } }),
					...(contentType === undefined ? {} : { contentType }),
				}
				return vaultValue(await client.setSecret(address.objectName, value, options), value)
			}),
		remove: (address, wait) =>
			call(
				address,
				'beginDeleteSecret',
				async (client, abortSignal) => {
					const poller = await client.beginDeleteSecret(address.objectName, { abortSignal })
					if (wait) await poller?.pollUntilDone({ abortSignal })
				},
				wait ? POLL_TIMEOUT_MS : requestTimeoutMs,
			),
		recover: (address) =>
			call(
				address,
				'beginRecoverDeletedSecret',
				async (client, abortSignal) => {
					const poller = await client.beginRecoverDeletedSecret(address.objectName, { abortSignal })
					await poller?.pollUntilDone({ abortSignal })
				},
				POLL_TIMEOUT_MS,
			),
	}
}
