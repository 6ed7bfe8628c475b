// The lines `az keyvault secret …` of the pages, as they stand there, by the real Azure CLI against the emulator.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contextOf } from '../../cluster/index.ts'
import { createProgress } from '../../cluster/progress.ts'
import { parseCli } from '../../emulator/src/cli/args.ts'
import { run } from '../../emulator/src/cli/run.ts'
import type { Emulator } from '../../emulator/src/index.ts'
import { readMarkdown } from '../../tools/docs/markdown.ts'
import type { Program } from './clients/line-client.ts'
import { Missing, prepare } from './clients/toolchains.ts'

const CRDS = fileURLToPath(new URL('../../../crds/', import.meta.url))
const VAULT = 'payments-prod'
const SHELL_LANGUAGES = new Set(['sh', 'bash'])

/** What the commands of a page print, by page, is to be like this; pages with such lines and no entry here fail. */
const PRINTED: Readonly<Record<string, RegExp>> = {
	'troubleshooting.md':
		/^https:\/\/payments-prod\.vault\.azure\.net\/secrets\/payments-db\/[0-9a-f]{32}\n\{[\s\S]*"contentType"/,
	'tasks/aks.md': /^https:\/\/payments-prod\.vault\.azure\.net\/secrets\/hello\/[0-9a-f]{32}$/,
	'tasks/image-pull-secret.md': /^$/,
	'tasks/incident.md': /^Version +Created +Enabled\n[-\s]+\nhttps:[^\n]+True\nhttps:[^\n]+True$/,
	'tasks/rotate-database-password.md': /^$/,
}

/** The commands of a page that talk to a vault, with what continues them. */
function commandsOf(path: string): string[] {
	return readMarkdown(readFileSync(join(CRDS, path), 'utf8'))
		.blocks.filter(({ language }) => SHELL_LANGUAGES.has(language))
		.flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, '').split('\n'))
		.filter((line) => line.includes('az keyvault secret'))
}
const pages = readdirSync(CRDS, { recursive: true, encoding: 'utf8' })
	.filter((path) => path.endsWith('.md') && commandsOf(path).length > 0)
	.toSorted()

describe('az keyvault secret, as the pages have it', () => {
	let emulator: Emulator
	let folder: string
	let environment: NodeJS.ProcessEnv
	let missing: string | undefined
	const bash = async (script: string): Promise<string> =>
		(await promisify(execFile)('bash', ['-c', `set -euo pipefail\n${script}`], { env: environment })).stdout.trim()

	beforeAll(async () => {
		folder = mkdtempSync(join(tmpdir(), 'emulator-pages-'))
		let exported = ''
		const options = parseCli(['--vault', VAULT, '--port', '0', '--env', '--ca-folder', join(folder, 'ca')])
		if (!options) throw new Error('these are options')
		emulator = await run(options, {
			stdout: { write: (text) => (exported += text) },
			stderr: { write: () => true },
			environment: {},
			isRoot: false,
		})
		const variables = [...exported.matchAll(/^export ([A-Z_]+)='(.*)'$/gm)].map(([, name, value]) => [name, value])
		environment = {
			HOME: folder,
			PATH: `${folder}:${process.env['PATH']}`,
			...(Object.fromEntries(variables) as Record<string, string>),
			...{
				AZURE_CONFIG_DIR: join(folder, 'login'),
				AZURE_CORE_COLLECT_TELEMETRY: '0',
				AZURE_CORE_ONLY_SHOW_ERRORS: '1',
			},
			...{ VAULT, NEW: 'new-password', REGISTRY_USER: 'robot', REGISTRY_PASSWORD: 'local-only' },
		}
		let az: Program
		try {
			const proxy = new URL(environment['HTTPS_PROXY'] ?? '')
			const trust = { caFile: join(folder, 'ca', 'ca.crt'), folder, proxy }
			az = await prepare('az', contextOf(createProgress()), trust)
		} catch (error) {
			if (!(error instanceof Missing)) throw error
			missing = error.message
			return
		}
		const variablesOf = Object.entries(az.env ?? {}).map(([name, value]) => `${name}='${value}'`)
		const words = [...variablesOf, az.command, ...az.args].join(' ')
		writeFileSync(join(folder, 'az'), `#!/bin/sh\nexec env ${words} "$@"\n`, { mode: 0o700 })
		await bash(
			'az login --service-principal --username $AZURE_CLIENT_ID --password $AZURE_CLIENT_SECRET --tenant $AZURE_TENANT_ID',
		)
		await emulator.control.setSecret({ vault: VAULT, name: 'payments-db', value: 'postgres://first' })
		// Versions of one second have no order.
		await emulator.control.advanceClock({ seconds: 2 })
		await emulator.control.setSecret({ vault: VAULT, name: 'payments-db', value: 'postgres://bad' })
		await emulator.control.advanceClock({ seconds: 2 })
	}, 600_000)
	afterAll(async () => {
		await emulator?.close()
		rmSync(folder, { recursive: true, force: true })
	})

	// A Python that reads all of the Azure CLI, for each command.
	it.for(pages)('%s', { timeout: 300_000 }, async (page, context) => {
		if (missing !== undefined) return context.skip(missing)
		expect(await bash(commandsOf(page).join('\n'))).toMatch(PRINTED[page] ?? /^a page that has no entry in PRINTED$/)
	})

	it('wrote what the pages say', async (context) => {
		if (missing !== undefined) return context.skip(missing)
		const stored = async (name: string) => (await emulator.control.getSecret({ vault: VAULT, name })).value
		expect(await stored('hello')).toBe('from Key Vault')
		// The page of the incident found the version before the bad one, and set its value again.
		expect(await stored('payments-db')).toBe('postgres://first')
		expect(await stored('payments-db-password')).toBe('new-password')
		const auth = Buffer.from('robot:local-only').toString('base64')
		expect(JSON.parse(await stored('registry-auth'))).toEqual({ auths: { 'registry.example.com': { auth } } })
	})
})
