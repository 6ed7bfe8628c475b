// Everything that is published, written into a folder: the same bytes for the same sources.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import type { Context } from '../cluster/context.ts'
import { bundle } from '../images/bundle.ts'
import { changesOf } from './changelog.ts'
import { packChart } from './chart.ts'
import { ARCHITECTURES, type BuiltImage, buildImage, digestOf } from './oci.ts'
import { packPackage } from './packages.ts'
import { type Runtime, runtimeOf } from './runtime.ts'
import { noticesOf, npmParts, sbomOf } from './sbom.ts'
import type { Entry } from './tar.ts'

export const ROOT: string = join(import.meta.dirname, '../..')

interface Published {
	readonly name: string
	readonly entry: string
	readonly ports: readonly number[]
	/** Flags of node, and its environment beside that of every image: the Dockerfile says why. */
	readonly flags: readonly string[]
	readonly env: Readonly<Record<string, string>>
	/** Files beside the bundle. */
	readonly beside: Readonly<Record<string, string>>
}

/** The images that are published; the Dockerfile has them too, for whoever builds from sources, and a test compares their settings. */
export const IMAGES: readonly Published[] = [
	{
		name: 'azure-secret-binding-operator',
		entry: 'operator/src/main.ts',
		ports: [8080, 8081],
		flags: ['--max-semi-space-size=8', '--heap-growing-percent=30'],
		env: { MALLOC_ARENA_MAX: '1' },
		beside: {},
	},
	{
		name: 'azure-key-vault-emulator',
		entry: 'test/emulator/src/cli.ts',
		ports: [8443, 8081],
		flags: ['--enable-source-maps'],
		env: {},
		beside: { 'page.html': 'test/emulator/src/page/page.html' },
	},
]
/** npm packages that are published, by their folders. */
export const PACKAGES = ['runtime-store', 'test/emulator'] as const

export interface ReleaseOptions {
	readonly context: Context
	/** Made empty. */
	readonly folder: string
	/** Registry and path that the chart names, such as ghcr.io/OWNER; empty: none. */
	readonly registry: string
	/** Address of the repository on the web, which the npm packages name; empty: none. */
	readonly repository: string
	/** RFC 3339; the time of the commit. */
	readonly created: string
	/** The commit, for labels; empty: unknown. */
	readonly revision: string
}

export interface Release {
	readonly version: string
	/** File → digest. */
	readonly files: ReadonlyMap<string, string>
	readonly images: ReadonlyArray<{ readonly name: string } & BuiltImage>
}

export async function makeRelease(options: ReleaseOptions): Promise<Release> {
	const { context, folder, registry, repository } = options
	const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
	rmSync(folder, { recursive: true, force: true })
	mkdirSync(folder, { recursive: true })
	const write = (name: string, content: string | Buffer) => writeFileSync(join(folder, name), content)
	const runtimes = new Map<string, Runtime>()
	for (const architecture of ARCHITECTURES) runtimes.set(architecture, await runtimeOf(context, architecture))
	const images: Array<{ name: string } & BuiltImage> = []
	for (const image of IMAGES)
		await context.progress.step(`release: image ${image.name}`, async () => {
			images.push({ name: image.name, ...(await publishedImage(image, version, options, runtimes, write)) })
		})
	await context.progress.step('release: npm packages', async () => {
		for (const each of PACKAGES) await packPackage(ROOT, each, folder, repository)
	})
	const operator = images.find(({ name }) => name === IMAGES[0]?.name)
	write(`azure-secret-binding-${version}.tgz`, packChart({ version, registry, digest: operator?.digest ?? '' }))
	write('CHANGES.md', changesOf(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version))
	cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
	write(
		'digests.json',
		`${JSON.stringify(Object.fromEntries(images.map(({ name, digest }) => [name, digest])), null, '\t')}\n`,
	)
	const files = new Map(
		readdirSync(folder)
			.toSorted()
			.map((name) => [name, digestOf(readFileSync(join(folder, name)))] as const),
	)
	write('SHA256SUMS', [...files].map(([name, digest]) => `${digest.slice('sha256:'.length)}  ${name}\n`).join(''))
	return { version, files, images }
}

async function publishedImage(
	image: Published,
	version: string,
	{ created, revision }: ReleaseOptions,
	runtimes: ReadonlyMap<string, Runtime>,
	write: (name: string, content: string | Buffer) => void,
): Promise<BuiltImage> {
	const inputs = new Set<string>()
	const app = await appEntries(image, inputs)
	const npm = npmParts(ROOT, inputs)
	const own = ['/LICENSE', '/THIRD-PARTY-NOTICES.txt', '/etc/nsswitch.conf', '/etc/passwd', '/etc/group']
	const labels = {
		'org.opencontainers.image.title': image.name,
		'org.opencontainers.image.version': version,
		'org.opencontainers.image.licenses': 'Apache-2.0',
		...(revision ? { 'org.opencontainers.image.revision': revision } : {}),
	}
	const contents = ARCHITECTURES.map((architecture) => {
		const runtime = runtimes.get(architecture)
		if (!runtime) throw new Error(`no runtime for ${architecture}`)
		const parts = [...runtime.parts, ...npm]
		const texts: Entry[] = [
			{ path: 'LICENSE', content: readFileSync(join(ROOT, 'LICENSE')) },
			{ path: 'THIRD-PARTY-NOTICES.txt', content: Buffer.from(noticesOf(parts)) },
		]
		const sbom = sbomOf({
			...{ name: image.name, version, created, parts },
			own: [...own, ...app.map(({ path }) => `/${path}`)],
		})
		write(`${image.name}-${version}-${architecture}.cdx.json`, `${JSON.stringify(sbom, null, '\t')}\n`)
		return { architecture, layers: [runtime.entries, [...texts, ...app]] }
	})
	const built = buildImage(contents, {
		tag: `${image.name}:${version}`,
		entrypoint: ['/usr/local/bin/node', ...image.flags, '/app/main.mjs'],
		ports: image.ports,
		env: image.env,
		...{ labels, created },
	})
	write(`${image.name}-${version}.oci.tar`, built.archive)
	return built
}

/** The bundle as files of the image; `inputs` gets what it is made of. */
async function appEntries(image: Published, inputs: Set<string>): Promise<Entry[]> {
	// Always the same place in the repository: maps name their sources from where they lie, and names of chunks follow from that.
	const folder = join(ROOT, 'dist', image.name, 'app')
	rmSync(folder, { recursive: true, force: true })
	await bundle(relative(process.cwd(), join(ROOT, image.entry)), join(folder, 'main.mjs'), { inputs })
	for (const [name, source] of Object.entries(image.beside)) cpSync(join(ROOT, source), join(folder, name))
	const files = readdirSync(folder).map((name) => ({ path: `app/${name}`, content: readFileSync(join(folder, name)) }))
	rmSync(folder, { recursive: true, force: true })
	return files
}

/** A folder for a release that nobody keeps. */
export const scratchFolder = (): string => mkdtempSync(join(tmpdir(), 'asb-release-'))

/** @throws Error for a folder that holds something else than a release */
export function checkFolder(folder: string): string {
	const path = resolve(folder)
	if (existsSync(path) && readdirSync(path).length > 0 && !existsSync(join(path, 'SHA256SUMS')))
		throw new Error(`${path} holds other files: name an empty folder or one of a release by --out`)
	return path
}
