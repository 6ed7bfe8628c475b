import { REFRESHED_ANNOTATION } from '../api/constants.ts'
import { optional } from '../api/optional.ts'
import type { ContainerObject, PodObject } from '../destinations/secret/pods.ts'
import type { Pods } from '../ports/cluster.ts'
import { isKubeError } from '../ports/kube-error.ts'
import type { KubeTransport } from './transport.ts'

// Pods are large objects, 10 KB as a rule; with all the annotations that a tenant may write (256 kB) a page has 13 MB.
const PAGE_SIZE = 50

interface PodList {
	metadata: { continue?: string }
	items: PodObject[]
}

/** Pods are told one after the other, at a pace: a whole page of them is not held for so long. */
const keptOf = ({ items, metadata }: PodList) => ({ items: items.map(neededOf), next: metadata.continue })

/** Labels, annotations and containers may hold anything; this is what is looked at. */
function neededOf({ metadata, spec, status }: PodObject): PodObject {
	const { name, creationTimestamp, deletionTimestamp, labels = {}, annotations = {}, ownerReferences } = metadata
	const pick = (from: Record<string, string>, key: string) => {
		const value = from[key]
		return value === undefined ? {} : { [key]: value.slice(0, MAX_TEXT) }
	}
	const containersOf = (containers: ContainerObject[] = []): ContainerObject[] =>
		containers.map(({ restartPolicy, volumeMounts, env, envFrom }) => ({
			...optional('restartPolicy', restartPolicy),
			...optional(
				'volumeMounts',
				volumeMounts?.map(({ name, subPath, subPathExpr }) => ({
					name,
					...optional('subPath', subPath),
					...optional('subPathExpr', subPathExpr),
				})),
			),
			...optional(
				'env',
				env?.flatMap(({ valueFrom }) => {
					const secret = valueFrom?.secretKeyRef?.name
					return secret === undefined ? [] : [{ valueFrom: { secretKeyRef: { name: secret } } }]
				}),
			),
			...optional(
				'envFrom',
				envFrom?.flatMap(({ secretRef }) => (secretRef?.name ? [{ secretRef: { name: secretRef.name } }] : [])),
			),
		}))
	return {
		metadata: {
			name,
			labels: pick(labels, TEMPLATE_HASH_LABEL),
			annotations: pick(annotations, REFRESHED_ANNOTATION),
			...optional('creationTimestamp', creationTimestamp),
			...optional('deletionTimestamp', deletionTimestamp),
			...optional('ownerReferences', ownerReferences),
		},
		spec: {
			volumes: (spec?.volumes ?? []).flatMap(({ name, secret, projected }) => {
				const sources = projected?.sources?.flatMap(({ secret: each }) =>
					each?.name ? [{ secret: { name: each.name } }] : [],
				)
				const isSecret = secret !== undefined || (sources?.length ?? 0) > 0
				return isSecret
					? [{ name, ...optional('secret', secret), ...optional('projected', sources && { sources }) }]
					: []
			}),
			containers: containersOf(spec?.containers),
			initContainers: containersOf(spec?.initContainers),
		},
		status: { ...optional('phase', status?.phase) },
	}
}

// A resourceVersion and a hash of a template have less than that; what is longer is neither.
const MAX_TEXT = 64
/** The ReplicaSet of a Deployment names its pods by it (apps/v1 DefaultDeploymentUniqueLabelKey). */
const TEMPLATE_HASH_LABEL = 'pod-template-hash'

export function createPods(transport: Pick<KubeTransport, 'request'>): Pods {
	return {
		async *list(namespace, signal) {
			let next: string | undefined
			do {
				const paging: Record<string, string> = { limit: String(PAGE_SIZE), ...(next ? { continue: next } : {}) }
				const path = `/api/v1/namespaces/${namespace}/pods`
				const page = keptOf(await transport.request<PodList>({ method: 'GET', path, query: paging, signal }))
				yield* page.items
				next = page.next
			} while (next)
		},
		async annotate(namespace, name, value) {
			try {
				// Through the status: `patch pods` would also allow other images. The admission policies allow this annotation only.
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
