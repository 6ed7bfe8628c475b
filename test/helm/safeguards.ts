// What AKS deployment safeguards refuse or change, as rules over objects. Gatekeeper lets everything pass while it starts, so a
// quiet cluster proves nothing.
import type { Rendered } from './render.ts'

interface Container {
	image: string
	ports?: { hostPort?: number }[]
	resources?: { requests?: { cpu?: string; memory?: string } }
	securityContext?: {
		privileged?: boolean
		procMount?: string
		capabilities?: { add?: string[] }
		seccompProfile?: { type: string }
	}
	[probe: string]: unknown
}
interface PodSpec {
	containers: Container[]
	initContainers?: Container[]
	securityContext?: { sysctls?: unknown[]; seccompProfile?: { type: string } }
	hostNetwork?: boolean
	hostPID?: boolean
	hostIPC?: boolean
	affinity?: { podAntiAffinity?: unknown }
	topologySpreadConstraints?: unknown[]
	tolerations?: { key?: string; operator?: string }[]
	volumes?: { name: string; hostPath?: { path: string } }[]
}

// The 13 capabilities that Pod Security baseline allows; the safeguards take the same list.
const CAPABILITIES =
	'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'

const cores = (text = '0') => (text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : Number(text))
const UNITS: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }
const bytes = (text = '0') => Number.parseFloat(text) * (UNITS[text.slice(-2)] ?? 1)

function containerFindings(container: Container): string[] {
	const { image, resources, securityContext: context } = container
	const requests = resources?.requests
	const findings: string[] = []
	// Less than 100m and 100Mi is raised.
	if (cores(requests?.cpu) < 0.1) findings.push(`changed: cpu request ${requests?.cpu}`)
	if (bytes(requests?.memory) < 100 * 2 ** 20) findings.push(`changed: memory request ${requests?.memory}`)
	const tag = /:([^/@]+)(@|$)/.exec(image)?.[1]
	if (!image.includes('@sha256:') && (tag === undefined || tag === 'latest')) findings.push(`denied: image ${image}`)
	if (container.ports?.some(({ hostPort }) => hostPort)) findings.push('denied: hostPort')
	if (context?.privileged || context?.procMount) findings.push('denied: privileged or procMount')
	for (const added of context?.capabilities?.add ?? [])
		if (!CAPABILITIES.split(' ').includes(added)) findings.push(`denied: capability ${added}`)
	if (context?.seccompProfile?.type === 'Unconfined') findings.push('denied: seccomp Unconfined')
	for (const probe of ['readinessProbe', 'livenessProbe', 'startupProbe', 'lifecycle'])
		if (JSON.stringify(container[probe] ?? {}).includes('"host":')) findings.push(`denied: host of ${probe}`)
	return findings
}

const probeFindings = (container: Container): string[] =>
	['readinessProbe', 'livenessProbe'].filter((probe) => !container[probe]).map((probe) => `warned: no ${probe}`)

interface Rule {
	resources?: string[]
	verbs: string[]
}
const editsNodes = ({ resources = [], verbs }: Rule): boolean =>
	resources.some((each) => each === '*' || each.startsWith('nodes')) &&
	verbs.some((verb) => !['get', 'list', 'watch'].includes(verb))

const podOf = ({ kind, spec }: Rendered): PodSpec | undefined => {
	if (kind === 'Pod') return spec as PodSpec
	if (kind === 'Deployment' || kind === 'DaemonSet') return (spec as { template: { spec: PodSpec } }).template.spec
	return undefined
}

/** Findings of one object, each with what would happen to it. */
export function safeguardFindings(object: Rendered): string[] {
	if (JSON.stringify(object.metadata.labels ?? {}).includes('kubernetes.azure.com/')) return ['denied: label of Azure']
	if (object.kind.endsWith('Role') && (object['rules'] as Rule[]).some(editsNodes))
		return ['denied: a role that edits nodes']
	const pod = podOf(object)
	if (!pod) return []
	const findings = [...(pod.initContainers ?? []), ...pod.containers].flatMap(containerFindings)
	if (object.kind !== 'Pod') findings.push(...pod.containers.flatMap(probeFindings))
	if (pod.securityContext?.sysctls?.length) findings.push('denied: sysctls')
	if (pod.securityContext?.seccompProfile?.type === 'Unconfined') findings.push('denied: seccomp Unconfined')
	if (pod.hostNetwork || pod.hostPID || pod.hostIPC) findings.push('denied: namespaces of the host')
	if (object.kind === 'Deployment' && !pod.affinity?.podAntiAffinity && !pod.topologySpreadConstraints?.length)
		findings.push('changed: neither podAntiAffinity nor topologySpread')
	for (const { key, operator } of pod.tolerations ?? [])
		if (key === 'CriticalAddonsOnly' || (key === undefined && operator === 'Exists'))
			findings.push(`denied: toleration of ${key ?? 'everything'}`)
	for (const { hostPath } of pod.volumes ?? []) if (hostPath) findings.push(`denied: hostPath ${hostPath.path}`)
	return findings
}
