import { REFRESHED_ANNOTATION } from '../../api/constants.ts'
import type { PodObject } from '../../destinations/secret/pods.ts'
import type { Pods } from '../../ports/cluster.ts'
import { isKubeError } from './errors.ts'
import type { KubeTransport } from './transport.ts'

// Pods are large objects (10 KB and more): a page stays below some megabytes.
const PAGE_SIZE = 200

interface PodList {
	metadata: { continue?: string }
	items: PodObject[]
}

export function createPods(transport: Pick<KubeTransport, 'request'>): Pods {
	return {
		async *list(namespace, signal) {
			let next: string | undefined
			do {
				const paging: Record<string, string> = { limit: String(PAGE_SIZE), ...(next ? { continue: next } : {}) }
				const path = `/api/v1/namespaces/${namespace}/pods`
				const page = await transport.request<PodList>({ method: 'GET', path, query: paging, signal })
				yield* page.items
				next = page.metadata.continue
			} while (next)
		},
		async annotate(namespace, name, value) {
			try {
				// Through the status: `patch pods` would also allow other images. The fence allows this annotation only.
				const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`
				await transport.request({
					method: 'PATCH',
					path,
					body: { metadata: { annotations: { [REFRESHED_ANNOTATION]: value } } },
				})
				return true
			} catch (error) {
				if (isKubeError(error, 'notFound')) return false
				throw error
			}
		},
	}
}
