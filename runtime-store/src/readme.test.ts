import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { initLogger } from '@purista/core'
import { expect, it } from 'vitest'
import { type StoreErrorReason, storeError } from './errors.ts'
import { AzureMountedSecretStore } from './index.ts'

const ROOT = join(import.meta.dirname, '..')

/** What the snippets take as given: a service, a pool, an app. */
const GIVEN = `
import type { Pool as GivenPool } from 'pg'
import type { AzureMountedSecretStore as GivenStore } from 'purista-azure-mounted-secret-store'
declare global {
	const secretStore: GivenStore
	const AzureMountedSecretStore: typeof GivenStore
	type AzureMountedSecretStore = GivenStore
	const rotating: typeof import('purista-azure-mounted-secret-store').rotating
	const Pool: typeof GivenPool
	const host: string
	const user: string
	const db: { destroy(): Promise<void>; name: string }
	const paymentsV1Service: import('@purista/core').ServiceBuilder
	const serviceBuilder: import('@purista/core').ServiceBuilder
	const eventBridge: import('@purista/core').EventBridge
	const commandBuilder: {
		setCommandFunction(
			handler: (context: { secrets: Pick<GivenStore, 'getSecret' | 'setSecret' | 'removeSecret'> }, payload: { password: string }) => Promise<void>,
		): void
	}
	interface Answer { text(body: string, status?: number): unknown }
	const app: { get(path: string, handler: (c: Answer) => Promise<unknown>): void }
}
`

it('has snippets in its README and MIGRATION that compile in strict mode', async () => {
	// Inside the package, so that its name and its dependencies resolve as those of an application do.
	await mkdir(join(ROOT, 'node_modules'), { recursive: true })
	const folder = await mkdtemp(join(ROOT, 'node_modules', '.snippets-'))
	try {
		await writeFile(join(folder, 'given.d.ts'), GIVEN)
		let count = 0
		for (const file of ['README.md', 'MIGRATION.md']) {
			const text = await readFile(join(ROOT, file), 'utf8')
			for (const [, code = ''] of text.matchAll(/```typescript\n([\s\S]*?)```/g)) {
				count += 1
				await writeFile(join(folder, `${file}-${count}.ts`), `${code}\nexport {}\n`)
			}
		}
		expect(count).toBeGreaterThan(7)
		const compilerOptions = {
			strict: true,
			exactOptionalPropertyTypes: true,
			noEmit: true,
			target: 'esnext',
			lib: ['esnext', 'dom'],
			module: 'nodenext',
			customConditions: ['asb-source'],
			allowImportingTsExtensions: true,
			skipLibCheck: true,
			types: ['node'],
		}
		await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
		const run = await promisify(execFile)('tsc', ['-p', folder], { cwd: ROOT }).catch(
			(error: { stdout: string }) => error,
		)
		expect(run.stdout).toBe('')
	} finally {
		await rm(folder, { recursive: true })
	}
}, 60_000)

it('has routes for probes that answer 503 and nothing of what is wrong', async () => {
	const text = await readFile(join(ROOT, 'README.md'), 'utf8')
	const code =
		text
			.split('```typescript\n')
			.find((part) => part.startsWith("app.get('/readyz'"))
			?.split('```')[0] ?? ''
	const routes = new Map<string, (c: object) => Promise<Response>>()
	const app = { get: (path: string, handler: (c: object) => Promise<Response>) => void routes.set(path, handler) }
	const c = { text: (body: string, status = 200) => new Response(body, { status }) }
	const secretStore = new AzureMountedSecretStore({ mountPath: '/no/such/mount', logger: initLogger('fatal') })
	const define = new Function('app', 'secretStore', code) as (app: object, secretStore: object) => void
	define(app, secretStore)
	const ask = async (path: string) => {
		const answer = await routes.get(path)?.(c)
		return [answer?.status, await answer?.text()]
	}
	expect(await ask('/readyz')).toStrictEqual([503, 'secrets are not loaded'])
	expect(await ask('/healthz')).toStrictEqual([200, 'ok'])
	await secretStore.destroy()
	expect(await ask('/healthz')).toStrictEqual([503, 'stopped'])
})

it('has every reason in its table, beside the code that the error has', async () => {
	const source = await readFile(join(ROOT, 'src/errors.ts'), 'utf8')
	const reasons = [...source.matchAll(/^\t\| '(\w+)'$/gm)].map(([, reason = '']) => reason as StoreErrorReason)
	expect(reasons.length).toBeGreaterThan(20)
	const text = await readFile(join(ROOT, 'README.md'), 'utf8')
	const rows = [...text.matchAll(/^\| (\d{3}) \| (.*) \|$/gm)]
	const codes = rows.flatMap(([, code, cell = '']) =>
		[...cell.matchAll(/`([A-Z]\w+)`/g)].map(([, name]) => [name, code]),
	)
	const expected = reasons.map((reason) => [reason, String(storeError(reason).errorCode)])
	expect(Object.fromEntries(codes)).toMatchObject(Object.fromEntries(expected))
})

it('links to nothing that is not in the package', async () => {
	for (const file of ['README.md', 'MIGRATION.md']) {
		const text = await readFile(join(ROOT, file), 'utf8')
		const links = [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, to = '']) => to)
		expect(
			links.filter((to) => !to.startsWith('https://') && !['README.md', 'MIGRATION.md'].includes(to)),
		).toStrictEqual([])
	}
})
