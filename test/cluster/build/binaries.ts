import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from '../context.ts'
import { aptInstall } from '../engine/apt.ts'
import { run } from '../run.ts'
import { VERSIONS } from '../versions.ts'
import type { Go } from './go.ts'
import { findKind, type KindSource, kindSource } from './kind.ts'
import { buildKubernetes, KUBERNETES_PROGRAMS, type KubernetesProgram } from './kubernetes.ts'
import { buildPause, buildProgram, nodePrograms } from './programs.ts'

/** Every program of a cluster, and what the images made of them are called. */
export interface Binaries {
	readonly kind: string
	readonly source: KindSource
	readonly kubernetes: Readonly<Record<KubernetesProgram, string>>
	/** Path of a program beside Kubernetes' own. */
	node(name: string): string
	readonly images: KindSource['images'] & { readonly etcd: string; readonly coredns: string }
}

/** Debian packages that building needs: runc is C in part, `file` is asked by nothing else. */
const BUILD_PACKAGES = ['debootstrap', 'busybox-static', 'libseccomp-dev', 'pkg-config', 'gcc', 'libc6-dev']

/** etcd and CoreDNS as this kubeadm wants them: `registry.k8s.io/etcd:3.6.8-0` is etcd v3.6.8. */
export function kubeadmImages(list: string): {
	etcd: string
	coredns: string
	versions: { etcd: string; coredns: string }
} {
	const find = (name: string) => {
		const image = list.split('\n').find((line) => line.includes(`/${name}:`))
		if (!image) throw new Error(`kubeadm names no image for ${name}`)
		return image.trim()
	}
	const [etcd, coredns] = [find('etcd'), find('coredns')]
	const version = (image: string) => image.slice(image.lastIndexOf(':') + 1)
	return { etcd, coredns, versions: { etcd: `v${version(etcd).replace(/-.*$/, '')}`, coredns: version(coredns) } }
}

/** Builds whatever is missing of them; a step each. About 12 minutes on two cores from nothing. */
export async function buildBinaries(context: Context, go: () => Promise<Go>): Promise<Binaries> {
	await aptInstall(context, BUILD_PACKAGES)
	const kind = await findKind(context, go)
	const source = await kindSource(context, go)
	const paths = new Map<string, string>()
	const kubernetes: Partial<Record<KubernetesProgram, string>> = {}
	for (const name of KUBERNETES_PROGRAMS) kubernetes[name] = await buildKubernetes(context, await go(), name)
	const built = kubernetes as Record<KubernetesProgram, string>
	// kubeadm warns about the version of a registry it cannot ask; the list itself needs no network.
	const list = await run(built.kubeadm, ['config', 'images', 'list', '--kubernetes-version', VERSIONS.KUBERNETES])
	const { etcd, coredns, versions } = kubeadmImages(list)
	for (const program of nodePrograms({ ...source.versions, ...versions })) {
		const folder = await buildProgram(context, await go(), program)
		for (const file of Object.keys(program.outputs)) paths.set(file, join(folder, file))
	}
	paths.set('pause', join(await buildPause(context), 'pause'))
	// 2.5 GB that only a change of versions would use again.
	rmSync(context.paths.goBuild, { recursive: true, force: true })
	return {
		kind,
		source,
		kubernetes: built,
		images: { ...source.images, etcd, coredns },
		node: (name) => {
			const path = paths.get(name)
			if (!path) throw new Error(`no program ${name} was built`)
			return path
		},
	}
}
