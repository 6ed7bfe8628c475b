import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from '../context.ts'
import { buildImage, type Docker } from '../docker.ts'
import { VERSIONS } from '../versions.ts'
import type { Binaries } from './binaries.ts'
import { DEBIAN_IMAGE } from './debian.ts'

const PROGRAMS = [
	'containerd',
	'ctr',
	'containerd-shim-runc-v2',
	'crictl',
	'runc',
	'host-local',
	'loopback',
	'ptp',
	'portmap',
	'bridge',
]

/**
 * kind's own recipe of its base image, with the stages that clone and compile sources replaced by our binaries.
 * Throws naming the part of the recipe that a new kind writes differently.
 */
export function baseDockerfile(recipe: string): string {
	const lines = recipe.split('\n')
	const index = (pattern: RegExp, after = 0) => {
		const found = lines.findIndex((line, each) => each >= after && pattern.test(line))
		if (found < 0)
			throw new Error(
				`kind's base Dockerfile has no line ${pattern}; build/base-image.ts has to learn kind ${VERSIONS.KIND}`,
			)
		return found
	}
	const spec = index(/^RUN ctr oci spec/)
	return [
		...lines.slice(0, index(/^# shared stage to setup go version/)),
		'FROM base AS build',
		'COPY --chmod=0755 bin/containerd bin/ctr bin/containerd-shim-runc-v2 bin/crictl /usr/local/bin/',
		'COPY --chmod=0755 bin/runc /usr/local/sbin/runc',
		'COPY --chmod=0755 bin/host-local bin/loopback bin/ptp bin/portmap bin/bridge /opt/cni/bin/',
		...lines.slice(spec, index(/containerd --version/, spec) + 1),
		'RUN runc --version && crictl --version',
		...lines.slice(index(/^# squash down/)),
	].join('\n')
}

/** Changes a file by a replacement that must apply. */
function edit(file: string, pattern: RegExp, replacement: string): void {
	const text = readFileSync(file, 'utf8')
	if (!pattern.test(text))
		throw new Error(`${file} has no ${pattern}; build/base-image.ts has to learn kind ${VERSIONS.KIND}`)
	writeFileSync(file, text.replace(pattern, replacement))
}

/** kind's base image: Debian with systemd, containerd and what a node needs. Answers its tag. */
export async function buildBaseImage(context: Context, engine: Docker, binaries: Binaries): Promise<string> {
	const tag = `localhost/kind-base:${VERSIONS.KIND}`
	const files = join(context.paths.temporary, 'base-files')
	rmSync(files, { recursive: true, force: true })
	cpSync(join(binaries.source.base, 'files'), files, { recursive: true })
	// Without CAP_SYS_RESOURCE nothing may lower oom_score_adj below the runtime's own: containers would not start.
	edit(join(files, 'etc/containerd/config.toml'), /restrict_oom_score_adj = false/, 'restrict_oom_score_adj = true')
	// A kubelet of 1.35 and newer refuses cgroup v1 unless told otherwise.
	edit(join(files, 'etc/default/kubelet'), /^KUBELET_EXTRA_ARGS=.*$/m, '$& --fail-cgroupv1=false')
	const programs = Object.fromEntries(PROGRAMS.map((name) => [`bin/${name}`, binaries.node(name)]))
	await buildImage(context, engine, {
		tag,
		dockerfile: baseDockerfile(binaries.source.dockerfile),
		files: { files, ...programs },
		args: { BASE_IMAGE: DEBIAN_IMAGE },
		hostNetwork: true,
		log: join(context.paths.logs, 'image-kind-base.log'),
	})
	rmSync(files, { recursive: true, force: true })
	return tag
}
