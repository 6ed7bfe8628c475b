import type { TokenCredential } from '@azure/identity'
import type { SecretClient, SecretClientOptions } from '@azure/keyvault-secrets'
import type { Clock } from './clock.ts'

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
	 * Milliseconds between looks at the mount that no file event asked for.
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
	/** Time, for tests. */
	clock?: Clock
}
