import { REFRESHED_ANNOTATION } from '../api/constants.ts'
import { parseTime } from '../api/time.ts'

/** The parts of a pod that matter for a nudge. */
export interface PodObject {
	metadata: {
		name: string
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

interface ContainerObject {
	volumeMounts?: { name: string; subPath?: string; subPathExpr?: string }[]
}

/**
 * Whether the pod has to be told to refresh.
 *
 * @param value what the annotation will say; a pod that says so already is done
 * @param writtenAt when the Secret was written, ms since the epoch: a pod created later has mounted the new content
 */
export function needsNudge(pod: PodObject, secretName: string, value: string, writtenAt: number): boolean {
	const { metadata, status } = pod
	if (status?.phase !== 'Running' || metadata.deletionTimestamp !== undefined) return false
	// Creation times are whole seconds: a pod of the same second is told, at the price of one needless refresh.
	if ((parseTime(metadata.creationTimestamp) ?? 0) > writtenAt) return false
	if (metadata.annotations?.[REFRESHED_ANNOTATION] === value) return false
	return mounts(pod, secretName)
}

/** Whether some container mounts the Secret as a directory; single files (subPath) never refresh, so nothing is gained. */
function mounts({ spec }: PodObject, secretName: string): boolean {
	const volumes = new Set(
		(spec?.volumes ?? [])
			.filter(
				({ secret, projected }) =>
					secret?.secretName === secretName || projected?.sources?.some((source) => source.secret?.name === secretName),
			)
			.map(({ name }) => name),
	)
	const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
	return containers.some(({ volumeMounts }) =>
		volumeMounts?.some(({ name, subPath, subPathExpr }) => volumes.has(name) && !subPath && !subPathExpr),
	)
}
