// What somebody who has only the files of a release does with them: checks an image's archive, unpacks it, installs the packages.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type RunOptions, run, tryRun } from '../cluster/run.ts'
import { isTar, type TarEntry, tarEntries } from '../images/tar.ts'
import { digestOf } from './oci.ts'
import { ROOT } from './release.ts'

interface Descriptor {
	readonly mediaType: string
	readonly digest: string
	readonly size: number
	readonly platform?: { readonly os: string; readonly architecture: string }
}
interface Manifest {
	readonly config: Descriptor
	readonly layers: readonly Descriptor[]
}
interface ImageConfig {
	readonly architecture: string
	readonly os: string
	readonly config: Readonly<Record<string, unknown>>
	readonly rootfs: { readonly diff_ids: readonly string[] }
}

export interface CheckedPlatform {
	readonly architecture: string
	readonly config: Readonly<Record<string, unknown>>
	readonly entries: readonly TarEntry[]
}

export interface CheckedArchive {
	/** Of the index. */
	readonly digest: string
	readonly platforms: readonly CheckedPlatform[]
}

const json = <T>(bytes: Buffer | undefined) => JSON.parse((bytes ?? Buffer.from('null')).toString('utf8')) as T

/**
 * An OCI layout whose every blob has its name's digest, is used, and has the size that its descriptor says; layers unpack to what
 * the configuration says; and the manifest.json of `docker load` names the same.
 *
 * @throws Error naming what is otherwise
 */
export function checkArchive(archive: Buffer): CheckedArchive {
	const files = new Map([...tarEntries(archive)].map((entry) => [entry.path, entry] as const))
	const must = (holds: boolean, what: string) => {
		if (!holds) throw new Error(`not an OCI layout: ${what}`)
	}
	must(
		json<{ imageLayoutVersion?: string } | null>(files.get('oci-layout')?.content)?.imageLayoutVersion === '1.0.0',
		'oci-layout',
	)
	const unused = new Set<string>()
	for (const { path, kind, content } of files.values()) {
		if (kind !== 'file' || !path.startsWith('blobs/')) continue
		must(path === `blobs/${digestOf(content).replace(':', '/')}`, `${path} has another digest`)
		unused.add(path)
	}
	const blob = ({ digest, size }: Descriptor): Buffer => {
		const path = `blobs/${digest.replace(':', '/')}`
		const content = files.get(path)?.content
		if (!content) throw new Error(`not an OCI layout: no blob ${digest}`)
		must(content.length === size, `${path} has ${content.length} bytes, and its descriptor says ${size}`)
		unused.delete(path)
		return content
	}
	const [top, ...more] = json<{ manifests: Descriptor[] }>(files.get('index.json')?.content).manifests
	if (!top || more.length > 0) throw new Error('not an OCI layout: index.json names one image')
	const platforms = json<{ manifests: Descriptor[] }>(blob(top)).manifests.map((descriptor) => {
		const manifest = json<Manifest>(blob(descriptor))
		const config = json<ImageConfig>(blob(manifest.config))
		const layers = manifest.layers.map((layer) => gunzipSync(blob(layer)))
		must(layers.every(isTar), 'a layer is no archive')
		must(layers.map(digestOf).join() === config.rootfs.diff_ids.join(), 'diff_ids are not those of the layers')
		const { os, architecture } = config
		must(os === descriptor.platform?.os && architecture === descriptor.platform.architecture, 'another platform')
		return {
			manifest,
			checked: { architecture, config: config.config, entries: layers.flatMap((each) => [...tarEntries(each)]) },
		}
	})
	must(unused.size === 0, `nothing names ${[...unused].join(', ')}`)
	const paths = platforms.map(({ manifest: { config, layers } }) =>
		[config, ...layers].map(({ digest }) => `blobs/${digest.replace(':', '/')}`).join(),
	)
	for (const { Config, Layers } of json<{ Config: string; Layers: string[] }[]>(files.get('manifest.json')?.content))
		must(paths.includes([Config, ...Layers].join()), 'manifest.json names another image')
	return { digest: top.digest, platforms: platforms.map(({ checked }) => checked) }
}

/** Upper layers over lower ones, as a container sees them; our layers delete nothing. */
export function unpack({ entries }: CheckedPlatform, folder: string): void {
	for (const { path, kind, content, mode } of entries) {
		if (kind === 'folder') mkdirSync(join(folder, path), { recursive: true })
		if (kind !== 'file') continue
		mkdirSync(dirname(join(folder, path)), { recursive: true })
		writeFileSync(join(folder, path), content, { mode })
	}
}

/** How to run programs with nothing but such a folder, as the image's user; undefined: not root, and no sudo. */
export async function chroot(): Promise<readonly [command: string, ...args: string[]] | undefined> {
	const own = ['chroot', '--userspec=65532:65532'] as const
	if (process.getuid?.() === 0) return own
	return (await tryRun('sudo', ['-n', 'true'])) === undefined ? undefined : ['sudo', '-n', ...own]
}

/** An empty project with tarballs of the release as its dependencies, and PURISTA, whose harness is the workspace's stand-in. */
export async function installPackages(
	folder: string,
	tarballs: Readonly<Record<string, string>>,
	options: RunOptions,
): Promise<void> {
	const { devDependencies } = json<{ devDependencies: Record<string, string> }>(
		readFileSync(join(ROOT, 'package.json')),
	)
	mkdirSync(folder, { recursive: true })
	cpSync(join(ROOT, 'test/stubs/purista-harness'), join(folder, 'purista-harness'), { recursive: true })
	const manifest = {
		name: 'somebody',
		private: true,
		type: 'module',
		dependencies: {
			...Object.fromEntries(Object.entries(tarballs).map(([name, file]) => [name, `file:${file}`])),
			'@purista/core': devDependencies['@purista/core'],
		},
		overrides: { '@purista/harness': 'file:./purista-harness' },
	}
	writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
	await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], {
		...options,
		cwd: folder,
	})
}
