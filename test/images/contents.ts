import { posix } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { isTar, type TarEntry, tarEntries } from './tar.ts'

/** A file of an image. */
export interface ImageFile {
	/** Absolute. */
	readonly path: string
	readonly bytes: number
	readonly executable: boolean
}

/**
 * The files of an image as a container sees them, from the archive that `docker save` writes (of old and new engines).
 *
 * 1. manifest.json names the layers, lowest first. A layer may be a link to another of the same content.
 * 2. Upper layers replace files of lower ones; `.wh.NAME` deletes NAME, `.wh..wh..opq` everything in its folder.
 */
export function imageFiles(archive: Buffer): ImageFile[] {
	const entries = new Map([...tarEntries(archive)].map((entry) => [entry.path.replace(/^\.\//, ''), entry]))
	const manifest = entries.get('manifest.json')
	if (!manifest) throw new Error('this is not an archive of `docker save`: it has no manifest.json')
	const [image] = JSON.parse(manifest.content.toString('utf8')) as Array<{ Layers: string[] }>
	const files = new Map<string, ImageFile>()
	for (const name of image?.Layers ?? []) {
		const layer = followLink(entries, name)
		const content = isTar(layer.content) ? layer.content : gunzipSync(layer.content)
		for (const entry of tarEntries(content)) addTo(files, entry)
	}
	return [...files.values()]
}

function followLink(entries: ReadonlyMap<string, TarEntry>, name: string): TarEntry {
	const entry = entries.get(name)
	const target = entry?.kind === 'link' ? entries.get(posix.join(posix.dirname(name), entry.link)) : entry
	if (!target) throw new Error(`the archive lacks its layer ${name}`)
	return target
}

function addTo(files: Map<string, ImageFile>, { path: name, kind, mode, content }: TarEntry): void {
	const path = posix.join('/', name)
	const folder = posix.dirname(path)
	const base = posix.basename(path)
	if (base.startsWith('.wh.')) {
		const gone = base === '.wh..wh..opq' ? folder : posix.join(folder, base.slice('.wh.'.length))
		for (const each of files.keys()) if (each === gone || each.startsWith(`${gone}/`)) files.delete(each)
		return
	}
	// Links count as executable: whatever they lead to, their name can be called.
	if (kind === 'file' || kind === 'link')
		files.set(path, { path, bytes: content.length, executable: kind === 'link' || (mode & 0o111) !== 0 })
}

const NODE = '/usr/local/bin/node'
const isLibrary = ({ path }: ImageFile) => /^\/(usr\/)?lib(64)?\/.*\.so(\.\d+)*$/.test(path)

/** Bytes of an image: node itself, the libraries it loads, and everything else, which is what we added. */
export interface Weight {
	readonly node: number
	readonly libraries: number
	readonly over: number
}

export function weigh(files: readonly ImageFile[]): Weight {
	const weight = { node: 0, libraries: 0, over: 0 }
	for (const file of files) weight[file.path === NODE ? 'node' : isLibrary(file) ? 'libraries' : 'over'] += file.bytes
	return weight
}

/** What can be executed in the image: a shell would be here, under whatever name. */
export function programs(files: readonly ImageFile[]): string[] {
	return files
		.filter((file) => file.executable && !isLibrary(file))
		.map(({ path }) => path)
		.toSorted()
}
