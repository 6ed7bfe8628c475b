import { GROUP, PLURAL, VERSION } from '../../api/constants.ts'
import type { Bindings } from '../../ports/cluster.ts'
import { isKubeError } from './errors.ts'
import type { KubeTransport } from './transport.ts'

/** Path of all bindings of the cluster, for the watch. */
export const BINDINGS_PATH = `/apis/${GROUP}/${VERSION}/${PLURAL}`

export function createBindings(transport: Pick<KubeTransport, 'request'>): Bindings {
	return {
		async patchStatus(namespace, name, patch) {
			try {
				const path = `/apis/${GROUP}/${VERSION}/namespaces/${namespace}/${PLURAL}/${name}/status`
				const answer = await transport.request<{ metadata: { resourceVersion: string } }>({
					method: 'PATCH',
					path,
					body: { status: patch },
				})
				return answer.metadata.resourceVersion
			} catch (error) {
				if (isKubeError(error, 'notFound')) return undefined
				throw error
			}
		},
	}
}
