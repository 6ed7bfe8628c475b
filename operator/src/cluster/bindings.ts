import {
	ALLOW_REMOVALS_ANNOTATION,
	GROUP,
	HOLD_ANNOTATION,
	PLURAL,
	REQUESTED_ANNOTATION,
	VERSION,
} from '../api/constants.ts'
import type { Bindings } from '../ports/cluster.ts'
import { isKubeError } from '../ports/kube-error.ts'
import type { KubeTransport } from './transport.ts'

/** Path of all bindings of a namespace, or of the cluster, for the watch. */
export const bindingsPath = (namespace: string | undefined): string =>
	`/apis/${GROUP}/${VERSION}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${PLURAL}`

/** A binding as the watch gives it, as far as this needs to know. */
interface Watched {
	metadata: { annotations?: Record<string, string> }
}

const READ: ReadonlySet<string> = new Set([REQUESTED_ANNOTATION, HOLD_ANNOTATION, ALLOW_REMOVALS_ANNOTATION])

/**
 * Leaves out what nobody here reads: labels, owners, and the annotations of others. A tenant may write 256 kB of these to each
 * binding, and the copy of the spec that `kubectl apply` keeps there doubles it.
 */
export function keptOf<T extends Watched>(binding: T): T {
	const {
		labels: _,
		ownerReferences: __,
		finalizers: ___,
		annotations = {},
		...metadata
	} = binding.metadata as Record<string, unknown> & { annotations?: Record<string, string> }
	const own = Object.entries(annotations).filter(([key]) => READ.has(key))
	return { ...binding, metadata: { ...metadata, ...(own.length > 0 ? { annotations: Object.fromEntries(own) } : {}) } }
}

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
