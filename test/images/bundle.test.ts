import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PFX } from '../../operator/src/pki/testing/fixtures.ts'
import { bundle } from './bundle.ts'

const OPERATOR = join(import.meta.dirname, '../../operator/src')
/** esbuild and a start of node, also on a busy machine. */
const BUNDLING = 120_000
let folder: string
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), 'asb-bundle-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('what only some need lies beside the operator: the parser of PFX in its thread, kubeconfig files in a file that a pod never reads', {
	timeout: BUNDLING,
}, async () => {
	const [main = '', ...beside] = await bundle(join(OPERATOR, 'main.ts'), join(folder, 'main.mjs'))
	expect(readdirSync(folder).filter((name) => name.endsWith('.mjs'))).toEqual(
		[main, ...beside].map((file) => basename(file)).toSorted(),
	)
	const holding = (text: string) => beside.filter((file) => readFileSync(file, 'utf8').includes(text))
	expect(holding('pkcs12FromAsn1')).toEqual([join(folder, 'forms.worker.mjs')])
	expect(holding('loadFromClusterAndUser').map((file) => basename(file))).toEqual([
		expect.stringMatching(/^kubeconfig-\w+\.mjs$/),
	])
	const text = readFileSync(main, 'utf8')
	expect(text).not.toMatch(/pkcs12FromAsn1|loadFromClusterAndUser/)
	// Text of two bytes a character otherwise.
	expect(Buffer.byteLength(text)).toBe(text.length)
	// Whose exports are all read by an import.
	expect(text).not.toMatch(/from ?"(node:)?https?"/)
})

it('a bundle starts the thread that lies beside it', { timeout: BUNDLING }, async () => {
	const out = join(folder, 'thread', 'main.mjs')
	await bundle(join(OPERATOR, 'forms/thread.ts'), out)
	const program = `
		const { startThread } = await import(${JSON.stringify(out)})
		const thread = startThread()
		const forms = [{ kind: 'certificate', part: 'cert', ca: false }]
		const made = await thread.make({ value: ${JSON.stringify(PFX.ecPlain)}, contentType: 'application/x-pkcs12', forms })
		process.stdout.write(made.formed[0].content)
	`
	// Ends by itself: a thread without work keeps no process.
	const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
		cwd: folder,
	})
	expect(stdout).toMatch(/^-----BEGIN CERTIFICATE-----/)
})

it('the log of a bundle names the lines that we wrote, and none of a library', { timeout: BUNDLING }, async () => {
	const entry = join(folder, 'thrower.ts')
	writeFileSync(
		entry,
		[
			`import { createLogger } from ${JSON.stringify(join(OPERATOR, 'process/log.ts'))}`,
			`import { parseBinding } from ${JSON.stringify(join(OPERATOR, 'api/parse.ts'))}`,
			'',
			'const log = createLogger({ level: "info" })',
			'try { parseBinding({}) } catch (err) { log.error({ err }, "thrown") }',
			'',
		].join('\n'),
	)
	const out = join(folder, 'thrower', 'main.mjs')
	await bundle(entry, out)
	const { stdout } = await promisify(execFile)(process.execPath, [out], { cwd: folder })
	const { err } = JSON.parse(stdout) as { err: { stack: string[] } }
	expect(err.stack[0]).toMatch(/parseBinding \(.*\/operator\/src\/api\/parse\.ts:\d+:\d+\)$/)
	expect(err.stack.at(-1)).toMatch(/thrower\.ts:5:\d+$/)
	expect(err.stack.join()).not.toMatch(/\.mjs|zod/)
})

it('what the store imports later has its names in a bundle too', { timeout: BUNDLING }, async () => {
	const entry = join(folder, 'later.ts')
	const store = join(import.meta.dirname, '../../runtime-store/src')
	const packages = ['@azure/keyvault-secrets', '@azure/identity'].map((each) =>
		fileURLToPath(import.meta.resolve(each)),
	)
	const modules = [join(store, 'meter.ts'), ...packages]
	const names = ['metrics', 'SecretClient', 'DefaultAzureCredential']
	writeFileSync(
		entry,
		[
			`const all = await Promise.all([${modules.map((each) => `import(${JSON.stringify(each)})`).join(', ')}])`,
			`process.stdout.write(JSON.stringify(${JSON.stringify(names)}.map((name, i) => typeof all[i][name])))`,
		].join('\n'),
	)
	const out = join(folder, 'later', 'main.mjs')
	await bundle(entry, out)
	const { stdout } = await promisify(execFile)(process.execPath, [out], { cwd: folder })
	expect(JSON.parse(stdout)).toEqual(['object', 'function', 'function'])
})

it('the client of a vault sends a request without loading the fetch of node', { timeout: BUNDLING }, async () => {
	const entry = join(folder, 'request.ts')
	writeFileSync(
		entry,
		[
			`import { SecretClient } from ${JSON.stringify(join(OPERATOR, 'vault/sdk.ts'))}`,
			`import { AnswerHeaders } from ${JSON.stringify(join(OPERATOR, 'vault/answer-headers.ts'))}`,
			'const httpClient = {',
			'	sendRequest: async (request) => ({ status: 200, headers: new AnswerHeaders({}), request, bodyAsText: "{}" }),',
			'}',
			'const getToken = async () => ({ token: "none", expiresOnTimestamp: Date.now() + 3_600_000 })',
			'const client = new SecretClient("https://payments.vault.azure.net", { getToken }, { httpClient })',
			'await client.getSecret("name").catch((error) => error)',
			'await client.setSecret("name", "value").catch((error) => error)',
			'process.stdout.write(process.moduleLoadList.filter((name) => /undici/.test(name)).join())',
		].join('\n'),
	)
	const out = join(folder, 'request', 'main.mjs')
	await bundle(entry, out)
	const { stdout } = await promisify(execFile)(process.execPath, [out], { cwd: folder })
	expect(stdout).toBe('')
})
