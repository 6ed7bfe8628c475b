import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
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
