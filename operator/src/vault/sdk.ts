// The client libraries of Key Vault and Entra, imported with the first call to a vault and not before: they take 5 MB, and a process
// that reads no vault yet (a replica that waits for the lease, a node without a volume) has no use for them.
export { RestError } from '@azure/core-rest-pipeline'
export { ClientAssertionCredential } from '@azure/identity'
export { SecretClient } from '@azure/keyvault-secrets'
