import { GROUP, PLURAL, VERSION } from '../../api/constants.ts'
import type { Bindings } from '../../ports/cluster.ts'
import { isKubeError } from './errors.ts'
import type { KubeTransport } from './transport.ts'

/** Path of all bindings of a namespace, or of the cluster, for the watch. */
export const bindingsPath = (namespace: string | undefined): string =>
	`/apis/${GROUP}/${VERSION}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${PLURAL}`

export function createBindings(transport: Pick<KubeTransport, 'request'>): Bindings {
	return {
		async patchStatus(namespace, name, resourceVersion, patch) {
			try {
				const path = `${bindingsPath(namespace)}/${name}/status`
				const answer = await transport.request<{ metadata: { resourceVersion: string } }>({
					method: 'PATCH',
					path,
					body: { metadata: { resourceVersion }, status: patch },
				})
				return answer.metadata.resourceVersion
			} catch (error) {
				if (isKubeError(error, 'notFound')) return undefined
				throw error
			}
		},
	}
}
