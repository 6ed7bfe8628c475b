// What is published is the same each time, and says what is in it; the image of the other architecture starts.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { contextOf } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { run } from '../cluster/run.ts'
import { VERSIONS } from '../cluster/versions.ts'
import { helmProgram } from '../helm/program.ts'
import { imageFiles, programs } from '../images/contents.ts'
import { tarEntries } from '../images/tar.ts'
import { changesOf } from './changelog.ts'
import { packChart } from './chart.ts'
import { type CheckedPlatform, checkArchive, chroot, installPackages, unpack } from './install.ts'
import { ARCHITECTURES } from './oci.ts'
import { checkRepository } from './packages.ts'
import { IMAGES, makeRelease, PACKAGES, type Release, ROOT } from './release.ts'
import { debianPackages } from './runtime.ts'
import { filesWithoutComponent } from './sbom.ts'

const context = contextOf(createProgress())
const folder = mkdtempSync(join(tmpdir(), 'asb-release-test-'))
const [first, second] = [join(folder, 'first'), join(folder, 'second')]
const file = (name: string) => readFileSync(join(first, name))
const json = <T>(bytes: Buffer) => JSON.parse(bytes.toString('utf8')) as T
let release: Release
/** That the chart names; nothing is asked of it. */
const REGISTRY = 'ghcr.io/owner'
const REPOSITORY = 'https://github.com/owner/azure-secret-binding'

// Two minutes each on two busy cores, most of it packing; 270 MB are read and unpacked for each look at the images.
const SLOW_MS = 600_000
const make = (into: string) =>
	makeRelease({
		...{ context, folder: into, registry: REGISTRY, repository: REPOSITORY },
		...{ created: '2026-01-01T00:00:00.000Z', revision: 'test' },
	})

beforeAll(async () => {
	release = await make(first)
}, SLOW_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** An image for a machine; the whole archive is checked on the way. */
function platform(archive: Buffer, architecture: string): CheckedPlatform {
	const found = checkArchive(archive).platforms.find((each) => each.architecture === architecture)
	if (!found) throw new Error(`no image for ${architecture}`)
	return found
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

	it('has checksums that sha256sum agrees with', { timeout: SLOW_MS }, async () => {
		await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: first })
		expect(release.files.size).toBe(readdirSync(first).length - 1)
	})

	it('says of each file of each image where it is from', { timeout: SLOW_MS }, () => {
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

	it.each(IMAGES)(
		'starts $name by the settings of the Dockerfile, without a shell in it',
		{ timeout: SLOW_MS },
		(image) => {
			const { name, flags, env, ports } = image
			const { config } = platform(archiveOf(name), 'amd64')
			const stage = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
			const target = name === 'azure-secret-binding-operator' ? 'operator' : 'emulator'
			const own = stage.split(/^FROM base AS /m).find((each) => each.startsWith(`${target}\n`)) ?? ''
			const shared = stage.split(/^FROM /m).find((each) => each.startsWith('scratch AS base')) ?? ''
			const entry = (text: string) => /^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1]
			expect(config['Entrypoint']).toEqual(JSON.parse(entry(own) ?? entry(shared) ?? '[]'))
			expect(config['Entrypoint']).toEqual(['/usr/local/bin/node', ...flags, '/app/main.mjs'])
			const set = [...`${shared}\n${own}`.matchAll(/^ENV (.*)$/gm)].flatMap(([, line = '']) => line.split(' '))
			expect(config['Env']).toEqual(['PATH=/usr/local/bin', ...set])
			expect(set).toEqual(expect.arrayContaining(Object.entries(env).map((each) => each.join('='))))
			expect(config['User']).toBe(/^USER (.*)$/m.exec(shared)?.[1])
			expect(/^EXPOSE (.*)$/m.exec(own)?.[1]?.split(' ').map(Number)).toEqual([...ports])
			const files = imageFiles(archiveOf(name))
			expect(programs(files).filter((path) => !path.includes('/ld-linux'))).toEqual(['/usr/local/bin/node'])
			expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(['/LICENSE', '/THIRD-PARTY-NOTICES.txt']))
		},
	)

	it(
		'has an image for arm64 whose operator runs, on an emulated processor',
		async () => {
			const root = join(folder, 'arm64')
			unpack(platform(archiveOf('azure-secret-binding-operator'), 'arm64'), root)
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

	it('has archives of images that are OCI layouts, whose digests are those that it tells', { timeout: SLOW_MS }, () => {
		const digests = json<Record<string, string>>(file('digests.json'))
		for (const { name } of IMAGES) {
			const { digest, platforms } = checkArchive(archiveOf(name))
			expect(digest).toBe(digests[name])
			expect(platforms.map(({ architecture }) => architecture)).toEqual([...ARCHITECTURES])
		}
		const broken = Buffer.from(archiveOf('azure-key-vault-emulator'))
		// In the middle of the largest blob.
		broken[broken.length >> 1] = (broken[broken.length >> 1] ?? 0) ^ 1
		expect(() => checkArchive(broken)).toThrow('has another digest')
	})

	it.for(IMAGES)(
		'has an image $name whose program runs with nothing but what is in it',
		{ timeout: SLOW_MS },
		async ({ name, flags }, { skip }) => {
			const alone = await chroot()
			if (!alone) return skip('neither root nor sudo')
			const root = join(folder, `root-${name}`)
			mkdirSync(root, { mode: 0o755 })
			unpack(platform(archiveOf(name), process.arch === 'arm64' ? 'arm64' : 'amd64'), root)
			const [command, ...args] = [...alone, root, '/usr/local/bin/node', ...flags]
			const options = { env: { PATH: process.env['PATH'] }, timeoutMs: SLOW_MS }
			expect((await run(command, [...args, '-p', 'process.version'], options)).trim()).toBe(`v${VERSIONS.NODE}`)
			expect(await run(command, [...args, '/app/main.mjs', '--help'], options)).toContain(name)
		},
	)

	it(
		'has npm packages that are installed into an empty folder, and imported',
		async () => {
			const names = PACKAGES.map((each) => json<{ name: string }>(readFileSync(join(ROOT, each, 'package.json'))).name)
			const tarball = (name: string) => join(first, `${name}-${release.version}.tgz`)
			const project = join(folder, 'project')
			await installPackages(project, Object.fromEntries(names.map((name) => [name, tarball(name)])), {
				timeoutMs: SLOW_MS,
			})
			const script = `
				const [{ AzureMountedSecretStore }, { startEmulator }] = await Promise.all(${JSON.stringify(names)}.map((name) => import(name)))
				const emulator = await startEmulator({ vaults: ['payments'] })
				console.log(typeof AzureMountedSecretStore, emulator.vaultUrl('payments').startsWith('https://payments.'))
				await emulator.close()`
			const printed = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project })
			expect(printed.trim()).toBe('function true')
		},
		SLOW_MS,
	)

	it.each(PACKAGES)('has the licence in the npm package of %s, and no code of others', (each) => {
		const { name, version } = json<{ name: string; version: string }>(readFileSync(join(ROOT, each, 'package.json')))
		const entries = [...tarEntries(gunzipSync(file(`${name}-${version}.tgz`)))]
		const find = (path: string) => entries.find((entry) => entry.path === `package/${path}`)?.content
		expect(find('LICENSE')?.equals(readFileSync(join(ROOT, 'LICENSE')))).toBe(true)
		expect(entries.filter(({ path }) => path.includes('node_modules'))).toEqual([])
		// npm compares this with the workflow that publishes, and refuses the provenance otherwise.
		expect(json(find('package.json') ?? Buffer.from('{}'))).toMatchObject({
			...{ name, version },
			repository: { type: 'git', url: `git+${REPOSITORY}.git`, directory: each },
			homepage: expect.stringMatching(/^https:/) as string,
			bugs: { url: `${REPOSITORY}/issues` },
		})
	})

	it('refuses what is no repository, and says what one is like', () => {
		expect(checkRepository('https://github.com/owner/name.git')).toBe('https://github.com/owner/name')
		for (const wrong of ['owner/name', 'git@github.com:owner/name', 'https://github.com/owner'])
			expect(() => checkRepository(wrong)).toThrow('such as https://github.com/OWNER/NAME')
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
	it('is one that Helm takes, and renders as the chart in the repository', async ({ skip }) => {
		const helm = await helmProgram()
		if (!helm) return skip('no Go to build Helm with')
		const archive = join(folder, 'chart.tgz')
		writeFileSync(archive, packChart({ version: '0.1.0', registry: '', digest: '' }))
		const render = (chart: string) => run(helm, ['template', 'asb', chart, '--kube-version', VERSIONS.KUBERNETES])
		expect(await render(archive)).toBe(await render(join(ROOT, 'deploy/helm/azure-secret-binding')))
	})
	it('is packed with the digest of the image that was made, and every pod that Helm renders names it', async ({
		skip,
	}) => {
		const helm = await helmProgram()
		if (!helm) return skip('no Go to build Helm with')
		const chart = join(first, `azure-secret-binding-${release.version}.tgz`)
		const values = ['--set', 'volume.enabled=true', '--kube-version', VERSIONS.KUBERNETES]
		const rendered = await run(helm, ['template', 'asb', chart, ...values])
		const images = [...rendered.matchAll(/^\s*(?:- )?image: "?([^"\s]+)"?$/gm)].map(([, image]) => image)
		const digest = release.images.find(({ name }) => name === 'azure-secret-binding-operator')?.digest
		expect(images.length).toBeGreaterThanOrEqual(2)
		expect([...new Set(images)]).toEqual([`${REGISTRY}/azure-secret-binding-operator@${digest}`])
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
