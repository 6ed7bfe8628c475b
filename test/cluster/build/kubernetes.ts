import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { artifact } from '../artifact.ts'
import type { Context } from '../context.ts'
import { run } from '../run.ts'
import { atLeast, libraryVersion, parseVersion, VERSIONS } from '../versions.ts'
import type { Go } from './go.ts'

export const KUBERNETES_PROGRAMS = [
	'kube-apiserver',
	'kube-controller-manager',
	'kube-scheduler',
	'kubelet',
	'kubeadm',
	'kube-proxy',
	'kubectl',
] as const
export type KubernetesProgram = (typeof KUBERNETES_PROGRAMS)[number]

/** Modules that k8s.io/kubernetes v1.36 requires as v0.0.0, because it replaces them by folders of its own repository. */
const STAGING =
	'api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap code-generator ' +
	'component-base component-helpers controller-manager cri-api cri-client cri-streaming csi-translation-lib ' +
	'dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy ' +
	'kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission sample-apiserver sample-cli-plugin ' +
	'sample-controller streaming'

/** go.mod of a module that can build Kubernetes' programs from the Go module proxy. */
export function kubernetesModule(version: string): string {
	const library = libraryVersion(version)
	const replaces = STAGING.split(' ').map((name) => `replace k8s.io/${name} => k8s.io/${name} ${library}`)
	return [
		'module local/kubernetes',
		'',
		`go ${VERSIONS.GO_MINIMUM}`,
		'',
		`require k8s.io/kubernetes ${version}`,
		'',
		...replaces,
		'',
	].join('\n')
}

/** Version variables: feature gates and skew checks read them, so a binary without them would be a v0.0.0. */
export function versionFlags(version: string): string {
	const [major, minor] = parseVersion(version) ?? []
	const variables = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' }
	return [
		'-s',
		'-w',
		...Object.entries(variables).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`),
	].join(' ')
}

/** Builds one of Kubernetes' programs; answers the path of the binary. The first one takes minutes, the others share its work. */
export async function buildKubernetes(context: Context, go: Go, program: KubernetesProgram): Promise<string> {
	const version = VERSIONS.KUBERNETES
	if (!atLeast(version, '1.36.0'))
		throw new Error(`the list of staging modules is that of Kubernetes 1.36, not of ${version}`)
	const folder = await artifact(context, {
		name: program,
		title: `Go: ${program} ${version}`,
		inputs: { module: kubernetesModule(version), flags: versionFlags(version) },
		build: async (out, { log }) => {
			const module = join(context.paths.temporary, 'module-kubernetes')
			rmSync(module, { recursive: true, force: true })
			mkdirSync(module, { recursive: true })
			writeFileSync(join(module, 'go.mod'), kubernetesModule(version))
			const target = `k8s.io/kubernetes/cmd/${program}`
			const flags = ['-trimpath', '-ldflags', versionFlags(version), '-o', join(out, program)]
			const env = { ...go.env, CGO_ENABLED: '0' }
			await run(go.command, ['build', ...flags, target], { cwd: module, log, env, signal: context.signal, nice: true })
			rmSync(module, { recursive: true, force: true })
		},
	})
	return join(folder, program)
}
