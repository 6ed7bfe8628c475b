// One kubectl for our tests and for the library that other repositories use.
import type { ClusterAccess } from '../emulator/src/kind/kubectl.ts'

export { applyObjects, getObject, kubectl } from '../emulator/src/kind/kubectl.ts'

/** What kubectl needs to know of a cluster; a `Cluster` of test/cluster is one. */
export interface KubectlTarget extends ClusterAccess {
	readonly kubectl: string
	readonly kubeconfig: string
	readonly context: string
	readonly env: Record<string, string>
}
