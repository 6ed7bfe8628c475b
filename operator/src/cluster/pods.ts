import { REFRESHED_ANNOTATION } from '../api/constants.ts'
import { optional } from '../api/optional.ts'
import type { ContainerObject, PodObject } from '../destinations/secret/pod-uses.ts'
import type { Pods } from '../ports/cluster.ts'
import { isKubeError } from '../ports/kube-error.ts'
import { createGate } from '../process/gate.ts'
import { TOO_LONG } from './errors.ts'
import type { KubeTransport } from './transport.ts'

// Pods are large objects, 10 KB as a rule. Tenants may write 1.5 MiB into one, so a page has a size in bytes too, which takes two of
// these; what is longer is asked for in shorter pages.
const PAGE_SIZE = 50
const PAGE_BYTES = 4 * 1024 * 1024
// Three tries from 50 to one.
const SMALLER = 4
// Bytes, text and objects of a page take five times its size for a moment. All bindings together read so many at once: 40 MiB.
const PAGES = 2

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
	const gate = createGate(PAGES, () => performance.now())
	const read = async (
		namespace: string,
		next: string | undefined,
		paging: { size: number },
		signal: AbortSignal,
	): Promise<ReturnType<typeof keptOf>> => {
		const path = `/api/v1/namespaces/${namespace}/pods`
		const query: Record<string, string> = { limit: String(paging.size), ...(next ? { continue: next } : {}) }
		try {
			return keptOf(await transport.request<PodList>({ method: 'GET', path, query, signal, maxBytes: PAGE_BYTES }))
		} catch (error) {
			if (!isKubeError(error) || error.code !== TOO_LONG || paging.size === 1) throw error
			paging.size = Math.ceil(paging.size / SMALLER)
			return read(namespace, next, paging, signal)
		}
	}
	return {
		async *list(namespace, signal) {
			const paging = { size: PAGE_SIZE }
			let next: string | undefined
			do {
				const from = next
				const page = await gate(namespace, signal, () => read(namespace, from, paging, signal))
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
