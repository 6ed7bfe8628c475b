import { REFRESHED_ANNOTATION } from '../../api/constants.ts'
import { parseTime } from '../../api/time.ts'

/** The parts of a pod that matter for a refresh. */
export interface PodObject {
	metadata: {
		name: string
		labels?: Record<string, string>
		ownerReferences?: OwnerReference[]
		creationTimestamp?: string
		deletionTimestamp?: string
		annotations?: Record<string, string>
	}
	spec?: {
		volumes?: {
			name: string
			secret?: { secretName?: string }
			projected?: { sources?: { secret?: { name?: string } }[] }
		}[]
		containers?: ContainerObject[]
		initContainers?: ContainerObject[]
	}
	status?: { phase?: string }
}

interface OwnerReference {
	apiVersion: string
	kind: string
	name: string
	controller?: boolean
}

export interface ContainerObject {
	/** of init containers: 'Always' for those that run beside the others (sidecars) */
	restartPolicy?: string
	volumeMounts?: { name: string; subPath?: string; subPathExpr?: string }[]
	env?: { valueFrom?: { secretKeyRef?: { name?: string } } }[]
	envFrom?: { secretRef?: { name?: string } }[]
}

/**
 * Whether the pod has to be told to refresh.
 *
 * @param value what the annotation will say; a pod that says so already is done
 * @param writtenAt when the Secret was written, ms since the epoch: a pod created later has mounted the new content
 */
export function needsRefresh(pod: PodObject, secretName: string, value: string, writtenAt: number): boolean {
	const { metadata, status } = pod
	if (status?.phase !== 'Running' || metadata.deletionTimestamp !== undefined) return false
	// Creation times are whole seconds: a pod of the same second is told, at the price of one needless refresh.
	if ((parseTime(metadata.creationTimestamp) ?? 0) > writtenAt) return false
	if (metadata.annotations?.[REFRESHED_ANNOTATION] === value) return false
	return mounts(pod, secretName)
}

/** Ways to use a Secret that the kubelet never refreshes. */
export type FixedUse = 'subPath' | 'environment'

/** What made the pod, as far as a user knows it: where the pod template stands. */
export interface PodOwner {
	apiVersion: string
	kind: string
	name: string
}

/** In which ways the pod keeps the values that the Secret had when its containers started. Empty when it ends anyway. */
export function fixedUses(pod: PodObject, secretName: string): FixedUse[] {
	const { metadata, spec, status } = pod
	if (metadata.deletionTimestamp !== undefined || status?.phase === 'Succeeded' || status?.phase === 'Failed') return []
	const volumes = volumesOf(pod, secretName)
	// An init container that has ended does not need later values.
	const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
	const containers = [...(spec?.containers ?? []), ...sidecars]
	const subPath = containers.some(({ volumeMounts }) =>
		volumeMounts?.some((mount) => volumes.has(mount.name) && Boolean(mount.subPath || mount.subPathExpr)),
	)
	const environment = containers.some(
		({ env, envFrom }) =>
			env?.some(({ valueFrom }) => valueFrom?.secretKeyRef?.name === secretName) ||
			envFrom?.some(({ secretRef }) => secretRef?.name === secretName),
	)
	return [...(subPath ? (['subPath'] as const) : []), ...(environment ? (['environment'] as const) : [])]
}

/**
 * The owner of the pod's template: its controller, or the pod itself. A ReplicaSet with a hash of the template in its name
 * stands for the Deployment of the same name without it, so that a rollout does not make a new owner.
 */
export function ownerOf({ metadata }: PodObject): PodOwner {
	const owner = metadata.ownerReferences?.find(({ controller }) => controller)
	if (!owner) return { apiVersion: 'v1', kind: 'Pod', name: metadata.name }
	const { apiVersion, kind, name } = owner
	const hash = metadata.labels?.['pod-template-hash']
	if (kind === 'ReplicaSet' && hash && name.endsWith(`-${hash}`)) {
		return { apiVersion, kind: 'Deployment', name: name.slice(0, -hash.length - 1) }
	}
	return { apiVersion, kind, name }
}

/** Says what keeps old values, and how it would get new ones. */
export function fixedMessage(owner: PodOwner, secretName: string, uses: readonly FixedUse[]): string {
	const how = uses.map((use) => (use === 'subPath' ? 'as single files (subPath)' : 'as environment variables'))
	return (
		`${owner.kind} ${owner.name} takes the Secret ${secretName} ${how.join(' and ')}: its containers keep the values of their ` +
		'start. Mount the Secret as a directory without subPath, or restart the pods after each rotation.'
	)
}

/** Whether some container mounts the Secret as a directory; single files (subPath) never refresh, so nothing is gained. */
function mounts(pod: PodObject, secretName: string): boolean {
	const { spec } = pod
	const volumes = volumesOf(pod, secretName)
	const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
	return containers.some(({ volumeMounts }) =>
		volumeMounts?.some(({ name, subPath, subPathExpr }) => volumes.has(name) && !subPath && !subPathExpr),
	)
}

/** Names of the volumes that hold the Secret, alone or among other sources. */
function volumesOf({ spec }: PodObject, secretName: string): Set<string> {
	const holds = ({ secret, projected }: NonNullable<NonNullable<PodObject['spec']>['volumes']>[number]) =>
		secret?.secretName === secretName || projected?.sources?.some((source) => source.secret?.name === secretName)
	return new Set((spec?.volumes ?? []).filter(holds).map(({ name }) => name))
}
