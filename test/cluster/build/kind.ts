import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { artifact } from '../artifact.ts'
import type { Context } from '../context.ts'
import { run, tryRun } from '../run.ts'
import { VERSIONS } from '../versions.ts'
import { which } from '../which.ts'
import type { Go } from './go.ts'

/** Path of a kind of the right version: the one on PATH, else `go install`. `go` is only asked for when it is needed. */
export async function findKind(context: Context, go: () => Promise<Go>): Promise<string> {
	const present = which('kind')
	const version = present && (await tryRun(present, ['version', '--quiet']))
	if (present && version?.trim().replace(/^v/, '') === VERSIONS.KIND.slice(1)) return present
	const folder = await artifact(context, {
		name: 'kind',
		title: `Go: kind ${VERSIONS.KIND}`,
		inputs: { version: VERSIONS.KIND },
		build: async (out, { log }) => {
			const { command, env } = await go()
			const args = ['install', '-trimpath', '-ldflags', '-s -w', `sigs.k8s.io/kind@${VERSIONS.KIND}`]
			await run(command, args, {
				env: { ...env, GOBIN: out, CGO_ENABLED: '0' },
				log,
				signal: context.signal,
				nice: true,
			})
		},
	})
	return join(folder, 'kind')
}

/** What we use of kind's source: the recipe of its base image, and the names of images it expects. */
export interface KindSource {
	/** Folder with kind's images/base: Dockerfile and files/. */
	readonly base: string
	readonly dockerfile: string
	readonly images: {
		readonly kindnetd: string
		readonly provisioner: string
		readonly helper: string
		readonly pause: string
	}
	readonly versions: {
		readonly containerd: string
		readonly runc: string
		readonly crictl: string
		readonly cni: string
	}
}

export async function kindSource(context: Context, go: () => Promise<Go>): Promise<KindSource> {
	const folder = await artifact(context, {
		name: 'kind-source',
		title: `kind ${VERSIONS.KIND}: source of its base image`,
		inputs: { version: VERSIONS.KIND, files: 2 },
		build: async (out, { log }) => {
			const { command, env } = await go()
			const answer = await run(command, ['mod', 'download', '-json', `sigs.k8s.io/kind@${VERSIONS.KIND}`], {
				env,
				cwd: out,
				log,
				signal: context.signal,
			})
			const { Dir } = JSON.parse(answer) as { Dir: string }
			cpSync(join(Dir, 'images', 'base'), join(out, 'base'), { recursive: true })
			cpSync(join(Dir, 'pkg', 'build', 'nodeimage'), join(out, 'nodeimage'), { recursive: true })
			await run('chmod', ['-R', 'u+w', out])
		},
	})
	const read = (name: string) => readFileSync(join(folder, name), 'utf8')
	return readKindSource({
		base: join(folder, 'base'),
		dockerfile: read('base/Dockerfile'),
		network: read('nodeimage/const_cni.go'),
		storage: read('nodeimage/const_storage.go'),
		containerd: read('base/files/etc/containerd/config.toml'),
	})
}

/** Takes versions and image names out of kind's files; throws naming what a new kind no longer says. */
export function readKindSource(files: {
	base: string
	dockerfile: string
	network: string
	storage: string
	containerd: string
}): KindSource {
	const find = (text: string, pattern: RegExp, what: string) => {
		const value = pattern.exec(text)?.[1]
		if (!value)
			throw new Error(`kind ${VERSIONS.KIND}: ${what} not found in its source; build/kind.ts has to learn this version`)
		return value
	}
	const argument = (name: string) => find(files.dockerfile, new RegExp(`^ARG ${name}="(.*)"$`, 'm'), name)
	return {
		base: files.base,
		dockerfile: files.dockerfile,
		images: {
			kindnetd: find(files.network, /^const kindnetdImage = "(.*)"$/m, 'kindnetdImage'),
			provisioner: find(files.storage, /^const storageProvisionerImage = "(.*)"$/m, 'storageProvisionerImage'),
			helper: find(files.storage, /^const storageHelperImage = "(.*)"$/m, 'storageHelperImage'),
			pause: find(files.containerd, /sandbox_image *= *"(.*)"/, 'sandbox_image'),
		},
		versions: {
			containerd: argument('CONTAINERD_VERSION'),
			runc: argument('RUNC_VERSION'),
			crictl: argument('CRICTL_VERSION'),
			cni: argument('CNI_PLUGINS_VERSION'),
		},
	}
}
