import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

// What a user gets: the packed tarball in an empty project.
const exec = promisify(execFile)
const root = join(import.meta.dirname, '../../..')
const bin = (name: string) => join(root, 'node_modules/.bin', name)
let folder: string
let tarball: string

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'asb-package-'))
	const { stdout } = await exec('npm', ['pack', '--json', '--pack-destination', folder], {
		cwd: join(root, 'runtime-store'),
	})
	// The build's own output comes first.
	const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as Array<{
		filename: string
		files: Array<{ path: string }>
	}>
	tarball = join(folder, packed?.filename ?? '')
	const outside = packed?.files
		.map(({ path }) => path)
		.filter((path) => !/^(dist\/|package\.json$|LICENSE$|(README|MIGRATION)\.md$)/.test(path))
	expect(outside).toStrictEqual([])
	expect(packed?.files.some(({ path }) => path.includes('.test.'))).toBe(false)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('is what publint and attw want of an ESM package', async () => {
	await exec(bin('publint'), ['--strict', tarball])
	await exec(bin('attw'), [tarball, '--profile', 'esm-only'])
})

it('installs into an empty project, its types resolve, and it works in Node 24', async () => {
	const project = join(folder, 'project')
	await cp(join(root, 'test/stubs/purista-harness'), join(project, 'stub'), { recursive: true })
	const { version } = JSON.parse(await readFile(join(root, 'node_modules/typescript/package.json'), 'utf8')) as {
		version: string
	}
	const manifest = {
		private: true,
		type: 'module',
		// Of PURISTA's own dependency that not every registry has; a project of a user needs none.
		overrides: { '@purista/harness': 'file:./stub' },
		dependencies: { '@purista/core': '3.2.4', 'purista-azure-mounted-secret-store': `file:${tarball}` },
		devDependencies: { typescript: version, '@types/node': '24' },
	}
	await writeFile(join(project, 'package.json'), JSON.stringify(manifest))
	await exec('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: project })
	await writeFile(
		join(project, 'main.ts'),
		`import { AzureMountedSecretStore, rotating, type SecretsChanged } from 'purista-azure-mounted-secret-store'
import { parseManifest } from 'purista-azure-mounted-secret-store/manifest'
import { createTestStore } from 'purista-azure-mounted-secret-store/testing'
await using test = await createTestStore({ apiKey: 'first' })
const events: SecretsChanged[] = []
test.store.onChange((event) => void events.push(event))
const resource = rotating(test.store, ['apiKey'], ({ apiKey }) => apiKey ?? '', () => {})
const before: string = await resource.use((key) => key)
await test.rotate('apiKey', 'second')
const { apiKey }: { apiKey: string | undefined } = await test.store.getSecret('apiKey')
// @ts-expect-error a name that was not asked for
void (await test.store.getSecret('apiKey')).other
await resource.destroy()
console.log(before, apiKey, test.store instanceof AzureMountedSecretStore, parseManifest('{}').kind)
`,
	)
	const compiler = {
		target: 'es2024',
		lib: ['es2024', 'esnext.disposable'],
		module: 'nodenext',
		strict: true,
		exactOptionalPropertyTypes: true,
		skipLibCheck: true,
		types: ['node'],
		noEmit: true,
	}
	await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: compiler, files: ['main.ts'] }))
	await exec(join(project, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: project })
	const { stdout } = await exec(process.execPath, ['main.ts'], { cwd: project, env: { PATH: process.env['PATH'] } })
	expect(stdout).toBe('first second true unknownSchema\n')
})
