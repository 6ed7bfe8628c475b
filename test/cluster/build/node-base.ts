import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { artifact, keyOf } from '../artifact.ts'
import type { Context } from '../context.ts'
import { buildImage, type Docker, hasKey } from '../docker.ts'
import { run } from '../run.ts'
import { VERSIONS } from '../versions.ts'
import { DEBIAN_IMAGE } from './debian.ts'

const MAJOR = VERSIONS.NODE.split('.')[0]
const NODE_IMAGE = `localhost/node:${MAJOR}`
/** Node with npm and this machine's certificate authorities: for the build stage of a Dockerfile. */
export const NODE_BUILD_IMAGE = `localhost/node:${MAJOR}-build`

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

// The way to a package registry may lead through a proxy with a certificate authority that only this machine knows.
const DOCKERFILE = `FROM ${DEBIAN_IMAGE} AS runtime
RUN apt-get update && apt-get install -y --no-install-recommends libstdc++6 libatomic1 \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* && useradd -m -u 1000 node
COPY node/bin/node /usr/local/bin/node
CMD ["node"]
FROM runtime AS build
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
COPY ca-certificates.crt ${CERTIFICATES}
ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}
`

/** Unpacks an npm package into `out/name`. */
async function fetchPackage(
	spec: string,
	out: string,
	name: string,
	log: string,
	signal: AbortSignal | undefined,
): Promise<void> {
	const folder = join(out, name)
	mkdirSync(folder)
	await run('npm', ['pack', '--silent', '--pack-destination', folder, spec], { cwd: folder, log, signal })
	const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'))
	if (!archive) throw new Error(`npm pack ${spec} left no archive; see ${log}`)
	await run('tar', ['-C', folder, '--strip-components=1', '-xzf', join(folder, archive)], { log })
	rmSync(join(folder, archive))
}

/** Base images for Dockerfiles of this repository, from npm packages: what `node:24` would be if a registry answered. */
export async function nodeBaseImages(context: Context, engine: Docker): Promise<void> {
	const certificates = createHash('sha256').update(readFileSync(CERTIFICATES)).digest('hex')
	const key = keyOf({ node: VERSIONS.NODE, npm: VERSIONS.NPM, arch: process.arch, certificates, DOCKERFILE })
	if ((await hasKey(engine, NODE_BUILD_IMAGE, key)) && (await hasKey(engine, NODE_IMAGE, key))) return
	const packages = await artifact(context, {
		name: 'node-packages',
		title: `npm: node ${VERSIONS.NODE}, npm ${VERSIONS.NPM}`,
		inputs: { node: VERSIONS.NODE, npm: VERSIONS.NPM, arch: process.arch },
		build: async (out, { log }) => {
			await fetchPackage(`node-linux-${process.arch}@${VERSIONS.NODE}`, out, 'node', log, context.signal)
			await fetchPackage(`npm@${VERSIONS.NPM}`, out, 'npm', log, context.signal)
			await run('chmod', ['-R', 'a+rX', out])
			await run('sh', ['-c', 'chmod 755 node/bin/node npm/bin/*.js'], { cwd: out })
		},
	})
	await context.progress.step(`images: node ${VERSIONS.NODE}`, async () => {
		const files = { node: join(packages, 'node'), npm: join(packages, 'npm'), 'ca-certificates.crt': CERTIFICATES }
		const build = {
			dockerfile: DOCKERFILE,
			files,
			key,
			hostNetwork: true,
			log: join(context.paths.logs, 'image-node.log'),
		}
		await buildImage(context, engine, { ...build, tag: NODE_IMAGE, target: 'runtime' })
		await buildImage(context, engine, { ...build, tag: NODE_BUILD_IMAGE, target: 'build' })
	})
}
