import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyOf } from '../artifact.ts'
import type { Context } from '../context.ts'
import { type Docker, docker, hasImage, removeReplaced, tryDocker } from '../docker.ts'
import { run } from '../run.ts'
import { VERSIONS } from '../versions.ts'
import { buildBaseImage } from './base-image.ts'
import { type Binaries, buildBinaries } from './binaries.ts'
import { buildComponentImages, type ComponentImages } from './component-images.ts'
import { debianImages } from './debian.ts'
import type { Go } from './go.ts'

const asset = (name: string) => readFileSync(join(import.meta.dirname, '..', 'assets', name), 'utf8')

const NODE_REPOSITORY = 'localhost/kind-node'

/** The tag of a node image built here: its key says everything that decided its content. */
export function nodeImageTag(): string {
	const { KUBERNETES, KIND, LOCAL_PATH_PROVISIONER, DEBIAN_SUITE } = VERSIONS
	const sources = ['kindnetd/main.go', 'coredns/main.go', 'pause.c'].map(asset)
	// `recipe` goes up when the steps below change what comes out of them.
	const key = keyOf({ KUBERNETES, KIND, LOCAL_PATH_PROVISIONER, DEBIAN_SUITE, sources, recipe: 1 })
	return `${NODE_REPOSITORY}:${KUBERNETES}-${key.slice(0, 8)}`
}

/**
 * Builds the node image with the genuine `kind build node-image`, from package registries alone. Answers its tag.
 *
 * It takes a "server tarball" with four kube-*.tar and would pull every other image, unless an archive in the tarball has
 * it. It asks only the file `repositories` of an archive for that, and only when it comes before manifest.json:
 *
 * 1. Build the programs, the images made of them, and kind's base image.
 * 2. Three archives are plain `docker save`s. The fourth, kube-proxy.tar, carries all the other images too, repacked with
 *    `repositories` in front.
 * 3. `docker save` shortens docker.io/kindest/x to kindest/x, kind compares full names: both JSON files are rewritten.
 * 4. `kind build node-image`; then the intermediate images are untagged.
 */
export async function buildNodeImage(context: Context, engine: Docker, go: () => Promise<Go>): Promise<string> {
	const tag = nodeImageTag()
	if (await hasImage(engine, tag)) return tag
	const binaries = await buildBinaries(context, go)
	await debianImages(context, engine)
	const images = await context.progress.step('images: cluster components', () =>
		buildComponentImages(context, engine, binaries),
	)
	const base = await context.progress.step('images: kind base', () => buildBaseImage(context, engine, binaries))
	const log = join(context.paths.logs, 'node-image.log')
	rmSync(log, { force: true })
	await context.progress.step(`images: kind build node-image ${VERSIONS.KUBERNETES}`, async (say) => {
		const folder = join(context.paths.temporary, 'server')
		try {
			const tarball = await serverTarball(context, engine, binaries, images, folder, log)
			say('image, about a minute')
			await run(
				binaries.kind,
				['build', 'node-image', '--type', 'file', tarball, '--base-image', base, '--image', tag],
				{
					env: { ...engine.env, TMPDIR: folder },
					log,
					signal: context.signal,
					nice: true,
				},
			)
		} finally {
			rmSync(folder, { recursive: true, force: true })
		}
		if (!(await hasImage(engine, tag))) throw new Error(`kind build node-image made no image ${tag}; see ${log}`)
		await tryDocker(engine, ['image', 'rm', ...images.kubernetes, ...images.others, base])
		await removeReplaced(engine, NODE_REPOSITORY, tag)
	})
	return tag
}

async function serverTarball(
	context: Context,
	engine: Docker,
	binaries: Binaries,
	images: ComponentImages,
	folder: string,
	log: string,
): Promise<string> {
	const { signal } = context
	rmSync(folder, { recursive: true, force: true })
	const bin = join(folder, 'kubernetes/server/bin')
	const all = join(folder, 'all')
	for (const each of [bin, all]) mkdirSync(each, { recursive: true })
	writeFileSync(join(folder, 'kubernetes/version'), `${VERSIONS.KUBERNETES}\n`)
	for (const name of ['kubeadm', 'kubelet', 'kubectl'] as const) await run('cp', [binaries.kubernetes[name], bin])
	const [proxy, ...rest] = images.kubernetes.toSorted(
		(a, b) => Number(b.includes('kube-proxy')) - Number(a.includes('kube-proxy')),
	)
	if (!proxy) throw new Error('no Kubernetes images')
	for (const image of rest) {
		const name = image.replace(/^.*\//, '').replace(/:.*$/, '')
		await docker(engine, ['save', '--output', join(bin, `${name}.tar`), image], { signal, log })
	}
	const archive = join(folder, 'all.tar')
	await docker(
		engine,
		['save', '--output', archive, proxy, ...images.others.map((each) => each.replace(/^docker\.io\//, ''))],
		{
			signal,
			log,
		},
	)
	await run('tar', ['-C', all, '-xf', archive], { log })
	rmSync(archive)
	for (const name of ['repositories', 'manifest.json']) {
		const file = join(all, name)
		writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"kindest/', '"docker.io/kindest/'))
	}
	const pack = `tar --numeric-owner -cf '${join(bin, 'kube-proxy.tar')}' repositories $(ls | grep -vx repositories)`
	await run('sh', ['-c', pack], { cwd: all, log })
	rmSync(all, { recursive: true })
	const tarball = join(folder, 'server.tar.gz')
	await run('sh', ['-c', `tar -cf - kubernetes | gzip -1 > '${tarball}'`], { cwd: folder, log, signal })
	rmSync(join(folder, 'kubernetes'), { recursive: true })
	return tarball
}
