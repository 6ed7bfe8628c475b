// Builds the images of this repository with its Dockerfile, and makes them usable in the cluster.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster, Progress } from '../cluster/index.ts'
import { cacheFolder } from '../cluster/index.ts'
import { run, tryRun } from '../cluster/run.ts'
import { type ImageFile, imageFiles, weigh } from './contents.ts'
import { inputsKey, type Target } from './inputs.ts'

/** Local tags of the images. */
export interface Images {
	readonly operator: string
	readonly emulator: string
	readonly service: string
}

export const IMAGES: Images = {
	operator: 'localhost/azure-secret-binding-operator:dev',
	emulator: 'localhost/azure-key-vault-emulator:dev',
	service: 'localhost/demo-purista-service:dev',
}

const ROOT = join(import.meta.dirname, '../..')
/** Label with the key of an image's inputs: an image with the present one needs no build. */
const KEY_LABEL = 'dev.purista.secrets.inputs'
/** Settings of this machine that npm in the build needs as well. Proxies are arguments that docker knows by itself. */
const PASSED_ON = [
	'HTTP_PROXY',
	'HTTPS_PROXY',
	'NO_PROXY',
	'http_proxy',
	'https_proxy',
	'no_proxy',
	'NPM_CONFIG_REGISTRY',
]
/** Milliseconds: `npm ci` on a slow line and a bundle take 30 s on two busy cores. */
const BUILD_TIMEOUT_MS = 15 * 60_000
const MEGA = 1e6

/** Builds what has changed since the last time, loads all into the cluster. Rejects with the end of the build's output. */
export async function buildImages(options: {
	cluster: Cluster
	progress: Progress
	targets?: readonly Target[]
}): Promise<Images> {
	const { cluster, progress, targets = ['operator', 'emulator', 'service'] } = options
	const env = { ...process.env, ...cluster.env, DOCKER_BUILDKIT: '1' }
	const base = await baseId(cluster, env)
	for (const target of targets) {
		const tag = IMAGES[target]
		const key = inputsKey(ROOT, target, { args: cluster.buildArgs, base })
		const label = await tryRun(
			'docker',
			['image', 'inspect', '--format', `{{index .Config.Labels "${KEY_LABEL}"}}`, tag],
			{ env },
		)
		if (label?.trim() === key) continue
		await progress.step(`image ${tag}`, async (say) => {
			await build(cluster, env, target, key)
			const { node, libraries, over } = weigh(await filesOf(tag, env))
			const [total, own] = [(node + libraries + over) / MEGA, over / MEGA]
			say(`${total.toFixed(1)} MB, of which ${own.toFixed(1)} MB are not node and its libraries`)
		})
	}
	await progress.step('images: into the cluster', () => cluster.loadImages(targets.map((target) => IMAGES[target])))
	return IMAGES
}

/** Id of the base when it is a local image: a rebuilt base means new images. The official one is named by its digest in the Dockerfile. */
async function baseId(cluster: Cluster, env: NodeJS.ProcessEnv): Promise<string | undefined> {
	const tag = cluster.buildArgs['NODE_BUILD']
	if (!tag) return undefined
	return (await tryRun('docker', ['image', 'inspect', '--format', '{{.Id}}', tag], { env }))?.trim()
}

async function build(cluster: Cluster, env: NodeJS.ProcessEnv, target: Target, key: string): Promise<void> {
	// The network of the host: the way to a registry may exist only there.
	const args = ['build', '--progress=plain', '--network', 'host', '--target', target, '--tag', IMAGES[target]]
	args.push('--label', `${KEY_LABEL}=${key}`)
	for (const [name, value] of Object.entries(cluster.buildArgs)) args.push('--build-arg', `${name}=${value}`)
	// Without a value docker takes it from its environment: a proxy's password then stands on no command line.
	for (const name of PASSED_ON) if (env[name]) args.push('--build-arg', name)
	const log = join(cacheFolder(), 'logs', `image-${target}.log`)
	await run('docker', [...args, ROOT], { env, log, timeoutMs: BUILD_TIMEOUT_MS })
}

/** The files of a local image. `env` as for docker: see `Cluster.env`. */
export async function filesOf(tag: string, env: NodeJS.ProcessEnv): Promise<ImageFile[]> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-image-'))
	try {
		const archive = join(folder, 'image.tar')
		await run('docker', ['save', '--output', archive, tag], { env })
		return imageFiles(readFileSync(archive))
	} finally {
		rmSync(folder, { recursive: true, force: true })
	}
}
