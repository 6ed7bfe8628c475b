/**
 * PURISTA secret store on mounted Azure Key Vault secrets.
 *
 * @example
 * ```typescript
 * import { AzureMountedSecretStore } from 'purista-azure-mounted-secret-store'
 *
 * const secretStore = new AzureMountedSecretStore({ mountPath: '/var/run/secrets/payments' })
 * const service = await paymentsV1Service.getInstance(eventBridge, { secretStore })
 * ```
 *
 * @module
 */
export { AzureMountedSecretStore } from './AzureMountedSecretStore.impl.ts'
export type { ChangeListener, SecretChange, SecretsChanged } from './changes.ts'
export type { SecretDescription } from './describe.ts'
export { reasonOf, type StoreErrorReason } from './errors.ts'
export type { ExpiringListener, SecretExpiring } from './expiring.ts'
export type { FallbackStatus } from './fallback.ts'
export type { MountProblem } from './mount/mount.ts'
export type { ManifestMapping, ManifestState } from './mount/snapshot.ts'
export { azureMountedSecretStoreConfigSchema } from './options.ts'
export { Rotating, type RotatingOptions, type RotatingStore, rotating, type WorkError } from './rotating.ts'
export type { MountStatus, StoreStatus } from './status.ts'
export type { AzureMountedSecretStoreConfig } from './types.ts'
export { puristaVersion } from './version.ts'
export type { WriteOptions } from './writer.ts'
