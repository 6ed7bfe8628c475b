// What is below our bundle in a published image, for any architecture and without running any of it: node of its npm package,
// Debian's libraries, and the few files that the C library reads. The Dockerfile takes the same from its base image.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { artifact } from '../cluster/artifact.ts'
import { mirrorsOf } from '../cluster/build/debian.ts'
import type { Context } from '../cluster/context.ts'
import { run } from '../cluster/run.ts'
import { VERSIONS } from '../cluster/versions.ts'
import type { Architecture } from './oci.ts'
import type { Entry } from './tar.ts'

/** A part of the image that somebody else made. */
export interface Part {
	readonly name: string
	readonly version: string
	/** Package URL. */
	readonly purl: string
	readonly license: string
	/** The text that has to be passed on. */
	readonly notice: string
	/** Absolute paths of its files in the image. */
	readonly files: readonly string[]
}

export interface Runtime {
	readonly entries: readonly Entry[]
	readonly parts: readonly Part[]
}

const TRIPLETS: Readonly<Record<Architecture, string>> = { amd64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }
/** Where the loader is, by the name that stands in the binary. */
const LOADERS: Readonly<Record<Architecture, string>> = {
	amd64: 'lib64/ld-linux-x86-64.so.2',
	arm64: 'lib/ld-linux-aarch64.so.1',
}
/** What node's binary names as needed, and these in turn; the test starts node of both architectures. */
const LIBRARIES: Readonly<Record<keyof typeof VERSIONS.DEBIAN_RUNTIME, readonly string[]>> = {
	'gcc-12-base': [],
	libc6: ['libc.so.6', 'libdl.so.2', 'libm.so.6', 'libpthread.so.0'],
	'libgcc-s1': ['libgcc_s.so.1'],
	'libstdc++6': ['libstdc++.so.6'],
}
/** GCC's libraries and glibc, by Debian's copyright files. */
const LICENSES: Readonly<Record<keyof typeof VERSIONS.DEBIAN_RUNTIME, string>> = {
	'gcc-12-base': 'GPL-3.0-or-later WITH GCC-exception-3.1',
	libc6: 'LGPL-2.1-or-later',
	'libgcc-s1': 'GPL-3.0-or-later WITH GCC-exception-3.1',
	'libstdc++6': 'GPL-3.0-or-later WITH GCC-exception-3.1',
}

/** Debian packages of an architecture, unpacked. apt works on folders of its own: nothing of this machine changes. */
export async function debianPackages(
	context: Context,
	architecture: string,
	versions: Readonly<Record<string, string>>,
): Promise<string> {
	const suite = VERSIONS.DEBIAN_SUITE
	return artifact(context, {
		name: `debian-${Object.keys(versions).join('-')}-${architecture}`,
		inputs: { architecture, versions, suite, recipe: 1 },
		build: async (out, { log }) => {
			const { main, security } = await mirrorsOf(suite)
			const state = join(out, 'apt')
			mkdirSync(join(state, 'lists/partial'), { recursive: true })
			mkdirSync(join(state, 'cache/archives/partial'), { recursive: true })
			const keyring = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
			const sources = [`deb ${keyring} ${main} ${suite} main`, `deb ${keyring} ${security} ${suite}-security main`]
			writeFileSync(join(state, 'sources.list'), `${sources.join('\n')}\n`)
			writeFileSync(join(state, 'status'), '')
			const settings = {
				'APT::Architecture': architecture,
				'APT::Architectures': architecture,
				'Dir::Etc::SourceList': join(state, 'sources.list'),
				'Dir::Etc::SourceParts': '/dev/null',
				'Dir::State::Lists': join(state, 'lists'),
				'Dir::State::status': join(state, 'status'),
				'Dir::Cache': join(state, 'cache'),
				'APT::Sandbox::User': '',
			}
			const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
			await run('apt-get', [...options, 'update', '-q'], { log, signal: context.signal })
			const wanted = Object.entries(versions).map(([name, version]) => `${name}=${version}`)
			await run('apt-get', [...options, 'download', '-q', ...wanted], { cwd: out, log, signal: context.signal }).catch(
				(error: unknown) => {
					throw new Error(
						`Debian has no such version any more: write the present ones into test/cluster/versions.ts (apt-cache policy ${Object.keys(versions).join(' ')})`,
						{ cause: error },
					)
				},
			)
			for (const file of readdirSync(out).filter((each) => each.endsWith('.deb'))) {
				await run('dpkg-deb', ['-x', file, 'root'], { cwd: out, log })
				rmSync(join(out, file))
			}
			rmSync(state, { recursive: true, force: true })
		},
	})
}

/** node's npm package of an architecture, unpacked. */
async function nodePackage(context: Context, architecture: Architecture): Promise<string> {
	const name = `node-linux-${architecture === 'amd64' ? 'x64' : architecture}`
	const folder = await artifact(context, {
		name,
		inputs: { version: VERSIONS.NODE, recipe: 1 },
		build: async (out, { log }) => {
			await run('npm', ['pack', '--silent', `${name}@${VERSIONS.NODE}`], { cwd: out, log, signal: context.signal })
			const [archive = ''] = readdirSync(out)
			await run('tar', ['-xzf', archive], { cwd: out, log })
			rmSync(join(out, archive))
		},
	})
	return join(folder, 'package')
}

export async function runtimeOf(context: Context, architecture: Architecture): Promise<Runtime> {
	const node = await nodePackage(context, architecture)
	const debian = join(await debianPackages(context, architecture, VERSIONS.DEBIAN_RUNTIME), 'root')
	const triplet = TRIPLETS[architecture]
	const entries: Entry[] = [
		{ path: 'usr/local/bin/node', content: readFileSync(join(node, 'bin/node')), mode: 0o755 },
		// As the Dockerfile writes them (test/images/collect-runtime.mjs says why each is there).
		{ path: 'etc/ssl/certs/ca-certificates.crt', content: Buffer.from(`${rootCertificates.join('\n')}\n`) },
		{ path: 'etc/nsswitch.conf', content: Buffer.from('hosts: files dns\n') },
		{ path: 'etc/passwd', content: Buffer.from('nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n') },
		{ path: 'etc/group', content: Buffer.from('nonroot:x:65532:\n') },
	]
	const library = (name: string) => {
		const found = [`lib/${triplet}/${name}`, `usr/lib/${triplet}/${name}`].find((each) =>
			existsSync(join(debian, each)),
		)
		if (!found) throw new Error(`no ${name} in Debian's packages for ${architecture}`)
		return found
	}
	const parts: Part[] = []
	for (const [name, version] of Object.entries(VERSIONS.DEBIAN_RUNTIME)) {
		const key = name as keyof typeof VERSIONS.DEBIAN_RUNTIME
		const paths = LIBRARIES[key].map(library)
		for (const path of paths) entries.push({ path, content: readFileSync(join(debian, path)), mode: 0o755 })
		if (key === 'libc6') {
			const loader = LOADERS[architecture]
			entries.push({
				path: loader,
				content: readFileSync(join(debian, library(loader.replace(/^.*\//, '')))),
				mode: 0o755,
			})
			paths.push(loader)
		}
		const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=${VERSIONS.DEBIAN_SUITE}`
		// In the packages of GCC's libraries the folder is a link to that of gcc-12-base.
		const documents = name === 'libc6' ? name : 'gcc-12-base'
		const notice = readFileSync(join(debian, `usr/share/doc/${documents}/copyright`), 'utf8')
		if (paths.length > 0)
			parts.push({ name, version, purl, license: LICENSES[key], notice, files: paths.map((path) => `/${path}`) })
	}
	parts.push({
		name: 'node',
		version: VERSIONS.NODE,
		purl: `pkg:generic/node@${VERSIONS.NODE}`,
		license: 'MIT',
		notice: readFileSync(join(node, 'LICENSE'), 'utf8'),
		// The certificates are Mozilla's list as node carries it.
		files: ['/usr/local/bin/node', '/etc/ssl/certs/ca-certificates.crt'],
	})
	return { entries, parts }
}
