import type { TokenCredential } from '@azure/identity'
import type { SecretClient, SecretClientOptions } from '@azure/keyvault-secrets'
import type { WriteOptions } from './writer.ts'

/**
 * Configuration of {@link AzureMountedSecretStore}: all options of PURISTA's `AzureSecretStore` with the same meaning, and
 * those of the mount. The options common to all PURISTA stores (`enableGet`, `enableSet`, `enableRemove`, `enableCache`,
 * `cacheTtl`, `logger`, `logLevel`) come on top.
 */
export type AzureMountedSecretStoreConfig = {
	/**
	 * Directory, or directories, where the secrets are mounted. With several, the first that has a name wins.
	 *
	 * @example
	 * ```typescript
	 * '/var/run/secrets/payments'
	 * ```
	 */
	mountPath: string | string[]
	/**
	 * HTTPS URL of the Key Vault for writes, and for reads of names that no mount covers.
	 *
	 * @default the vault that the mount's manifest names (for writes); no reads beyond the mount
	 */
	vaultUrl?: string
	/** Allow connections without TLS, for local emulators. Never enable this in production. */
	allowInsecureConnection?: boolean
	/** Additional options passed to the Azure `SecretClient`. */
	options?: SecretClientOptions
	/**
	 * Credential for Key Vault.
	 *
	 * @default `DefaultAzureCredential`, which takes the workload identity of the pod from the environment
	 */
	credential?: TokenCredential
	/** A client to use instead of one made from `vaultUrl`, `credential` and `options`. */
	client?: SecretClient
	/** Other names for mounted files or vault secrets, by the name the application uses. */
	aliases?: Record<string, string>
	/**
	 * Milliseconds a read waits for the first load of the mounts before it fails or goes to the vault.
	 *
	 * @default 10000
	 */
	readyTimeoutMs?: number
	/**
	 * Milliseconds between checks of the mount that no file event asked for.
	 *
	 * @default 5000
	 */
	pollMs?: number
	/**
	 * `refresh.interval` of the binding in milliseconds. It bounds how long a write of this process is read back from memory
	 * before the vault is asked whether it is still current: 2 x interval + 90 s.
	 *
	 * @default 60000
	 */
	refreshIntervalMs?: number
	/**
	 * Read names that no mount covers from the vault. Such values are kept in memory for `cacheTtl` milliseconds (60000 unless
	 * given; `enableCache: false` for not at all).
	 *
	 * @default true when `vaultUrl` or `client` is given
	 */
	readFallback?: boolean
	/**
	 * Milliseconds that a value read beyond the mounts is served when the vault cannot be reached, counted from its reading.
	 *
	 * @default 600000
	 */
	staleIfErrorMs?: number
	/**
	 * Milliseconds that "the vault has no such secret" is remembered for a name that no mount covers.
	 *
	 * @default 5000
	 */
	absentTtlMs?: number
	/**
	 * Milliseconds that a call to Key Vault may take, waiting for its turn and the SDK's own retries included. Over them the vault counts as
	 * away: a value that was read before is served, otherwise the call fails with 503.
	 *
	 * @default 10000
	 */
	requestTimeoutMs?: number
	/**
	 * Calls to one Key Vault that are under way at once; reads and writes are counted apart.
	 *
	 * @default 8
	 */
	concurrency?: number
	/**
	 * What a write does when the vault holds a deleted secret of the name: `fail` with 409, or `recover` it first, which brings its
	 * older versions back and needs the permission to recover.
	 *
	 * @default 'fail'
	 */
	onDeleted?: 'fail' | 'recover'
	/**
	 * Let `removeSecret` wait until the vault has finished the deletion (2 to 20 s), after which the name can be recovered.
	 *
	 * @default false
	 */
	awaitDelete?: boolean
	/** Tags and content type of what is written. */
	write?: WriteOptions
	/**
	 * Where writes go: to Key Vault, or, for local work, into the first `mountPath`, which must be a plain directory.
	 *
	 * @default 'vault'
	 */
	writeTo?: 'vault' | 'folder'
	/**
	 * Cut white space around the texts of plain directories, because editors end files with a line break. Mounted volumes and
	 * `getSecretBytes` are exact always.
	 *
	 * @default false
	 */
	trim?: boolean
}
