// An image for several platforms as one archive: an OCI layout, which registries' tools push as it is, and besides the
// manifest.json by which `docker load` of any age takes the image of its own machine.
import { createHash } from 'node:crypto'
import { type Entry, gzip, writeTar } from './tar.ts'

export const ARCHITECTURES = ['amd64', 'arm64'] as const
export type Architecture = (typeof ARCHITECTURES)[number]

export interface ImageContent {
	readonly architecture: Architecture
	/** Lowest first. What changes seldom is below: nodes have it already. */
	readonly layers: ReadonlyArray<readonly Entry[]>
}

export interface ImageOptions {
	/** Name and tag of the image when it is loaded into an engine. */
	readonly tag: string
	readonly entrypoint: readonly string[]
	readonly ports: readonly number[]
	/** beside what every image has */
	readonly env: Readonly<Record<string, string>>
	readonly labels: Readonly<Record<string, string>>
	/** RFC 3339; the same for the same sources. */
	readonly created: string
}

interface Descriptor {
	readonly mediaType: string
	readonly digest: string
	readonly size: number
	readonly platform?: object
	readonly annotations?: Readonly<Record<string, string>>
}

const OCI = 'application/vnd.oci.image'
export const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const blobPath = (digest: string) => `blobs/${digest.replace(':', '/')}`

export interface BuiltImage {
	readonly archive: Buffer
	/** Of the index: what `image.digest` of the chart and a signature name. */
	readonly digest: string
	readonly platforms: ReadonlyArray<{
		readonly architecture: Architecture
		readonly digest: string
		readonly bytes: number
	}>
}

export function buildImage(contents: readonly ImageContent[], options: ImageOptions): BuiltImage {
	const blobs = new Map<string, Buffer>()
	const put = (mediaType: string, bytes: Buffer): Descriptor => {
		const digest = digestOf(bytes)
		blobs.set(digest, bytes)
		return { mediaType, digest, size: bytes.length }
	}
	const json = (mediaType: string, value: object) => put(mediaType, Buffer.from(JSON.stringify(value)))
	const manifests = contents.map((content) => platformOf(content, options, put, json))
	const index = json(`${OCI}.index.v1+json`, {
		schemaVersion: 2,
		mediaType: `${OCI}.index.v1+json`,
		manifests: manifests.map(({ manifest }) => manifest),
	})
	const name = options.tag.slice(options.tag.lastIndexOf(':') + 1)
	const text = (value: object) => Buffer.from(JSON.stringify(value))
	const annotations = { 'org.opencontainers.image.ref.name': name }
	const [first] = manifests
	if (!first) throw new Error('an image needs a platform')
	const files: Entry[] = [
		{ path: 'oci-layout', content: text({ imageLayoutVersion: '1.0.0' }) },
		{ path: 'index.json', content: text({ schemaVersion: 2, manifests: [{ ...index, annotations }] }) },
		{ path: 'manifest.json', content: text([first.forDocker]) },
		...[...blobs].map(([digest, content]) => ({ path: blobPath(digest), content })),
	]
	const platforms = manifests.map(({ manifest, architecture, bytes }) => ({
		architecture,
		digest: manifest.digest,
		bytes,
	}))
	return { archive: writeTar(files), digest: index.digest, platforms }
}

interface Layer {
	readonly diffId: string
	readonly bytes: number
	readonly zipped: Buffer
}

/** Images of one release share what is below their bundles: seconds of packing. */
const layers = new WeakMap<readonly Entry[], Layer>()

function layerOf(entries: readonly Entry[]): Layer {
	const known = layers.get(entries)
	if (known) return known
	const bytes = writeTar(entries)
	const layer = { diffId: digestOf(bytes), bytes: bytes.length, zipped: gzip(bytes) }
	layers.set(entries, layer)
	return layer
}

const ENV = { PATH: '/usr/local/bin', NODE_ENV: 'production', HOME: '/' }

function platformOf(
	{ architecture, layers }: ImageContent,
	{ tag, entrypoint, ports, env, labels, created }: ImageOptions,
	put: (mediaType: string, bytes: Buffer) => Descriptor,
	json: (mediaType: string, value: object) => Descriptor,
) {
	const packed = layers.map((entries) => {
		const { diffId, bytes, zipped } = layerOf(entries)
		return { diffId, descriptor: put(`${OCI}.layer.v1.tar+gzip`, zipped), bytes }
	})
	const config = json(`${OCI}.config.v1+json`, {
		architecture,
		os: 'linux',
		created,
		config: {
			User: '65532:65532',
			Env: Object.entries({ ...ENV, ...env }).map(([name, value]) => `${name}=${value}`),
			Entrypoint: entrypoint,
			WorkingDir: '/app',
			ExposedPorts: Object.fromEntries(ports.map((port) => [`${port}/tcp`, {}])),
			Labels: labels,
		},
		rootfs: { type: 'layers', diff_ids: packed.map(({ diffId }) => diffId) },
		history: packed.map(() => ({ created, created_by: 'npm run release' })),
	})
	const manifest = json(`${OCI}.manifest.v1+json`, {
		schemaVersion: 2,
		mediaType: `${OCI}.manifest.v1+json`,
		config,
		layers: packed.map(({ descriptor }) => descriptor),
		annotations: labels,
	})
	return {
		architecture,
		bytes: packed.reduce((sum, { bytes }) => sum + bytes, 0),
		manifest: { ...manifest, platform: { os: 'linux', architecture } },
		forDocker: {
			Config: blobPath(config.digest),
			RepoTags: [tag],
			Layers: packed.map(({ descriptor }) => blobPath(descriptor.digest)),
		},
	}
}
