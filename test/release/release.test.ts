// What is published is the same each time, and says what is in it; the image of the other architecture starts.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { contextOf } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { run } from '../cluster/run.ts'
import { VERSIONS } from '../cluster/versions.ts'
import { imageFiles, programs } from '../images/contents.ts'
import { isTar, type TarEntry, tarEntries } from '../images/tar.ts'
import { changesOf } from './changelog.ts'
import { packChart } from './chart.ts'
import { ARCHITECTURES, digestOf } from './oci.ts'
import { IMAGES, makeRelease, PACKAGES, type Release, ROOT } from './release.ts'
import { debianPackages } from './runtime.ts'
import { filesWithoutComponent } from './sbom.ts'

const context = contextOf(createProgress())
const folder = mkdtempSync(join(tmpdir(), 'asb-release-test-'))
const [first, second] = [join(folder, 'first'), join(folder, 'second')]
const file = (name: string) => readFileSync(join(first, name))
const json = <T>(bytes: Buffer) => JSON.parse(bytes.toString('utf8')) as T
let release: Release

// Two minutes each on two busy cores, most of it packing.
const SLOW_MS = 600_000
const make = (into: string) =>
	makeRelease({ context, folder: into, registry: '', created: '2026-01-01T00:00:00.000Z', revision: 'test' })

beforeAll(async () => {
	release = await make(first)
}, SLOW_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Index {
	manifests: { digest: string; platform?: { architecture: string } }[]
}

/** The layers of a platform, unpacked, and its configuration; every digest on the way is checked. */
function platform(archive: Buffer, architecture: string): { config: Record<string, unknown>; entries: TarEntry[] } {
	const files = new Map([...tarEntries(archive)].map((entry) => [entry.path, entry.content]))
	const blob = (digest: string) => {
		const content = files.get(`blobs/${digest.replace(':', '/')}`)
		if (!content) throw new Error(`no blob ${digest}`)
		expect(digestOf(content)).toBe(digest)
		return content
	}
	const [top] = json<Index>(files.get('index.json') ?? Buffer.from('{}')).manifests
	const found = json<Index>(blob(top?.digest ?? '')).manifests.find(
		(each) => each.platform?.architecture === architecture,
	)
	const manifest = json<{ config: { digest: string }; layers: { digest: string }[] }>(blob(found?.digest ?? ''))
	const layers = manifest.layers.map(({ digest }) => gunzipSync(blob(digest)))
	expect(layers.every(isTar)).toBe(true)
	return {
		config: json<{ config: Record<string, unknown> }>(blob(manifest.config.digest)).config,
		entries: layers.flatMap((layer) => [...tarEntries(layer)]),
	}
}
const archiveOf = (name: string) => file(`${name}-${release.version}.oci.tar`)

describe('a release', () => {
	it(
		'is the same bytes when it is made again',
		async () => {
			const again = await make(second)
			expect(Object.fromEntries(again.files)).toEqual(Object.fromEntries(release.files))
			for (const name of readdirSync(first))
				expect(readFileSync(join(second, name)).equals(file(name)), name).toBe(true)
		},
		SLOW_MS,
	)

	it('has checksums that sha256sum agrees with', async () => {
		await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: first })
		expect(release.files.size).toBe(readdirSync(first).length - 1)
	})

	it('says of each file of each image where it is from', () => {
		let [seen, components] = [0, 0]
		for (const { name } of IMAGES)
			for (const architecture of ARCHITECTURES) {
				const sbom = json<{ components: { purl: string }[] }>(
					file(`${name}-${release.version}-${architecture}.cdx.json`),
				)
				const files = platform(archiveOf(name), architecture)
					.entries.filter(({ kind }) => kind !== 'folder')
					.map(({ path }) => `/${path}`)
				expect(filesWithoutComponent(sbom, files)).toEqual([])
				expect(filesWithoutComponent(sbom, ['/bin/sh'])).toEqual(['/bin/sh'])
				seen += files.length
				components += sbom.components.length
			}
		process.stdout.write(`SBOM: ${components} components, ${seen} files of images, 0 without a component\n`)
	})

	it('names the packages that the operator cannot do without', () => {
		const sbom = json<{ components: { name: string; licenses: object[] }[] }>(
			file(`azure-secret-binding-operator-${release.version}-arm64.cdx.json`),
		)
		const names = sbom.components.map(({ name }) => name)
		expect(names).toEqual(
			expect.arrayContaining(['@azure/identity', '@azure/keyvault-secrets', 'pino', 'node', 'libc6']),
		)
		// What only tests and tools need is in no image.
		for (const absent of ['vitest', 'esbuild', 'typescript']) expect(names).not.toContain(absent)
		expect(sbom.components.filter(({ licenses }) => licenses.length === 0)).toEqual([])
	})

	it.each(IMAGES)('starts $name by the settings of the Dockerfile, without a shell in it', ({ name, flags, ports }) => {
		const { config } = platform(archiveOf(name), 'amd64')
		const stage = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
		const target = name === 'azure-secret-binding-operator' ? 'operator' : 'emulator'
		const own = stage.split(/^FROM base AS /m).find((each) => each.startsWith(`${target}\n`)) ?? ''
		const shared = stage.split(/^FROM /m).find((each) => each.startsWith('scratch AS base')) ?? ''
		const entry = (text: string) => /^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1]
		expect(config['Entrypoint']).toEqual(JSON.parse(entry(own) ?? entry(shared) ?? '[]'))
		expect(config['Entrypoint']).toEqual(['/usr/local/bin/node', ...flags, '/app/main.mjs'])
		expect(config['User']).toBe(/^USER (.*)$/m.exec(shared)?.[1])
		expect(/^EXPOSE (.*)$/m.exec(own)?.[1]?.split(' ').map(Number)).toEqual([...ports])
		const files = imageFiles(archiveOf(name))
		expect(programs(files).filter((path) => !path.includes('/ld-linux'))).toEqual(['/usr/local/bin/node'])
		expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(['/LICENSE', '/THIRD-PARTY-NOTICES.txt']))
	})

	it(
		'has an image for arm64 whose operator runs, on an emulated processor',
		async () => {
			const root = join(folder, 'arm64')
			for (const { path, kind, content, mode } of platform(archiveOf('azure-secret-binding-operator'), 'arm64')
				.entries) {
				if (kind !== 'file') continue
				mkdirSync(dirname(join(root, path)), { recursive: true })
				writeFileSync(join(root, path), content, { mode })
			}
			const qemu = await debianPackages(context, process.arch === 'arm64' ? 'arm64' : 'amd64', {
				'qemu-user-static': VERSIONS.QEMU_USER_STATIC,
			})
			const emulator = join(qemu, 'root/usr/bin/qemu-aarch64-static')
			const node = ['-L', root, join(root, 'usr/local/bin/node')]
			const told = await run(emulator, [...node, '-p', 'process.arch + process.version'], { timeoutMs: SLOW_MS })
			expect(told.trim()).toBe(`arm64v${VERSIONS.NODE}`)
			const help = await run(emulator, [...node, join(root, 'app/main.mjs'), '--help'], { timeoutMs: SLOW_MS })
			expect(help).toContain('azure-secret-binding-operator: mirrors Azure Key Vault secrets')
		},
		SLOW_MS,
	)

	it.each(PACKAGES)('has the licence in the npm package of %s, and no code of others', (each) => {
		const { name, version } = json<{ name: string; version: string }>(readFileSync(join(ROOT, each, 'package.json')))
		const entries = [...tarEntries(gunzipSync(file(`${name}-${version}.tgz`)))]
		const find = (path: string) => entries.find((entry) => entry.path === `package/${path}`)?.content
		expect(find('LICENSE')?.equals(readFileSync(join(ROOT, 'LICENSE')))).toBe(true)
		expect(entries.filter(({ path }) => path.includes('node_modules'))).toEqual([])
	})
})

describe('the chart of a release', () => {
	const values = (registry: string) => {
		const chart = packChart({ version: '1.2.3', registry, digest: `sha256:${'0'.repeat(64)}` })
		const entries = new Map(
			[...tarEntries(gunzipSync(chart))].map(({ path, content }) => [path, content.toString('utf8')]),
		)
		const read = (name: string) => parse(entries.get(`azure-secret-binding/${name}`) ?? '') as Record<string, unknown>
		return { chart: read('Chart.yaml'), image: read('values.yaml')['image'] }
	}
	it('names the image by digest where a registry is named, and leaves it to the user where none is', () => {
		expect(values('ghcr.io/owner')).toMatchObject({
			chart: { version: '1.2.3', appVersion: '1.2.3' },
			image: { registry: 'ghcr.io/owner', digest: `sha256:${'0'.repeat(64)}` },
		})
		expect(values('')).toMatchObject({ image: { registry: '', digest: '' } })
	})
})

describe('the changes of a release', () => {
	it('are the section of its version, before that what is unreleased', () => {
		const text = '# Changelog\n\n## Unreleased\n\n- b\n\n## 1.0.0 (2026-01-01)\n\n- a\n'
		expect(changesOf(text, '1.0.0')).toBe('## 1.0.0 (2026-01-01)\n\n- a\n')
		expect(changesOf(text, '1.1.0')).toBe('## Unreleased\n\n- b\n')
		expect(() => changesOf('# Changelog\n', '1.0.0')).toThrow('neither a section "1.0.0" nor "Unreleased"')
	})
})
