// For tests of other repositories: `import { openLab } from 'azure-key-vault-emulator/kind'`.
export type { Binding, LabBinding } from './binding.ts'
export { type Forwarded, forward } from './forward.ts'
export type { ClusterAccess } from './kubectl.ts'
export { type Lab, type LabOptions, type LabTenant, openLab } from './lab.ts'
export { caConfigMap, type HostAlias, hostAliasesFor, type PodParts, podParts } from './pods.ts'
export { type UntilOptions, until } from './until.ts'
