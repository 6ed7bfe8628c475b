// Every SDK against the emulator, unmodified, with the environment that `--env` prints and nothing else.
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { contextOf } from '../../cluster/index.ts'
import { createProgress } from '../../cluster/progress.ts'
import { parseCli } from '../../emulator/src/cli/args.ts'
import { run } from '../../emulator/src/cli/run.ts'
import type { Emulator } from '../../emulator/src/index.ts'
import { createAzClient } from './clients/az-client.ts'
import { type Program, startLineClient } from './clients/line-client.ts'
import { type Client, MANY, STEPS, tellStory } from './clients/story.ts'
import { LANGUAGES, type Language, Missing, prepare } from './clients/toolchains.ts'

const VAULT = 'payments'
const READER = { clientId: '44444444-4444-4444-8444-444444444444', clientSecret: 'reader-secret' }
const ISSUER = 'https://issuer.example'

interface World {
	readonly emulator: Emulator
	readonly environment: Record<string, string>
	readonly folder: string
	readonly caFile: string
}

/** An emulator as the command line starts it, and the variables that it printed. */
async function openWorld(): Promise<World> {
	const folder = mkdtempSync(join(tmpdir(), 'emulator-clients-'))
	const caFolder = join(folder, 'ca')
	let printed = ''
	const options = parseCli(['--vault', VAULT, '--port', '0', '--env', '--ca-folder', caFolder])
	if (!options) throw new Error('these are options')
	const emulator = await run(options, {
		stdout: { write: (text) => (printed += text) },
		stderr: { write: () => true },
		environment: {},
		isRoot: false,
	})
	const exported = [...printed.matchAll(/^export ([A-Z_]+)='(.*)'$/gm)].map(([, name, value]) => [name, value])
	const { control } = emulator
	await control.configure({ visibilityDelayMs: 200 })
	await control.addClient(READER)
	await control.grant({ clientId: READER.clientId, role: 'Key Vault Reader', vault: VAULT })
	const secrets = Array.from({ length: MANY }, (_, i) => ({ name: `many-${String(i).padStart(2, '0')}`, value: 'v' }))
	await control.setSecrets({ vault: VAULT, secrets })
	const environment = {
		PATH: process.env['PATH'] ?? '',
		HOME: folder,
		READER_ID: READER.clientId,
		READER_SECRET: READER.clientSecret,
		...(Object.fromEntries(exported) as Record<string, string>),
	}
	return { emulator, environment, folder, caFile: join(caFolder, 'ca.crt') }
}

/** A federated token that the writer may use, made when it is asked for. */
async function federate({ emulator, environment }: World): Promise<() => Promise<string>> {
	const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
	const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one' }
	const [subject, audience] = ['system:serviceaccount:shop:payments', 'api://AzureADTokenExchange']
	await emulator.control.trustIssuer({ issuer: ISSUER, jwks: { keys: [jwk] } })
	const clientId = environment['AZURE_CLIENT_ID'] ?? ''
	await emulator.control.addFederatedCredential({ clientId, name: 'cluster', issuer: ISSUER, subject, audience })
	return async () => {
		const { now } = await emulator.control.advanceClock({ seconds: 0 })
		const seconds = Math.floor(now / 1000)
		const claims = { iss: ISSUER, sub: subject, aud: audience, iat: seconds, nbf: seconds, exp: seconds + 3600 }
		const parts = [{ alg: 'RS256', kid: 'one' }, claims].map((part) =>
			Buffer.from(JSON.stringify(part)).toString('base64url'),
		)
		const signed = parts.join('.')
		return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
	}
}

async function open(language: Language, program: Program, world: World): Promise<Client> {
	const { environment } = world
	if (language !== 'az') return startLineClient(program, environment)
	const token = await federate(world)
	const id = environment['AZURE_CLIENT_ID'] ?? ''
	const password = async (secret: string): Promise<string[]> => ['--password', secret]
	return createAzClient({
		program,
		environment,
		tenant: environment['AZURE_TENANT_ID'] ?? '',
		vault: VAULT,
		writer: { id, proof: () => password(environment['AZURE_CLIENT_SECRET'] ?? '') },
		federated: { id, proof: async () => ['--federated-token', await token()] },
		reader: { id: READER.clientId, proof: () => password(READER.clientSecret) },
	})
}

describe('every SDK', () => {
	const rows = new Map<Language, string[]>()
	afterAll(() => {
		// `npm test` prints it at its end.
		const file = process.env['ASB_CLIENT_MATRIX']
		if (file === undefined) process.stdout.write(`\n${table(rows)}\n`)
		else writeFileSync(file, `${table(rows)}\n`)
	})

	// Installing takes up to three minutes the first time, and `az` starts a Python for each operation: 400 s on a loaded machine.
	it.for(LANGUAGES)('%s does all of it unmodified', { timeout: 900_000 }, async (language, context) => {
		const world = await openWorld()
		try {
			const cluster = contextOf(createProgress())
			const proxy = new URL(world.environment['HTTPS_PROXY'] ?? '')
			const started = performance.now()
			const program = await prepare(language, cluster, { ...world, proxy })
			const installed = performance.now()
			const client = await open(language, program, world)
			let told: Awaited<ReturnType<typeof tellStory>>
			try {
				told = await tellStory(client, world.emulator.control, VAULT)
			} finally {
				await client.close()
			}
			const seconds = (from: number, to: number): string => `${((to - from) / 1000).toFixed(1)} s`
			rows.set(language, [
				...STEPS.map((step) => (told[step] === 'ok' ? 'ok' : 'FAIL')),
				seconds(started, installed),
				seconds(installed, performance.now()),
			])
			expect(told).toEqual(Object.fromEntries(STEPS.map((step) => [step, 'ok'])))
		} catch (error) {
			if (!(error instanceof Missing)) throw error
			rows.set(language, [`skipped: ${error.message}`])
			context.skip(`${language} was not tried: ${error.message}`)
		} finally {
			await world.emulator.close()
			rmSync(world.folder, { recursive: true, force: true })
		}
	})

	it('leaves other hosts reachable: the bundle has the CAs of this machine beside the one of the emulator', async () => {
		const world = await openWorld()
		try {
			const { caFile, environment } = world
			const bundle = readFileSync(environment['SSL_CERT_FILE'] ?? '', 'utf8')
			expect(bundle).toContain(readFileSync(caFile, 'utf8').trim())
			expect(bundle.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(50)
			expect(environment['REQUESTS_CA_BUNDLE']).toBe(environment['SSL_CERT_FILE'])
			expect(readFileSync(environment['NODE_EXTRA_CA_CERTS'] ?? '', 'utf8')).toBe(readFileSync(caFile, 'utf8'))
		} finally {
			await world.emulator.close()
			rmSync(world.folder, { recursive: true, force: true })
		}
	})
})

/** A row for each language, a column for each step, and what installing and the run took. */
function table(rows: ReadonlyMap<Language, string[]>): string {
	const head = ['client', ...STEPS, 'install', 'run']
	const lines = [head, ...[...rows].map(([language, cells]) => [language, ...cells])]
	const widths = head.map((_, i) =>
		Math.max(...lines.filter(({ length }) => length > 2).map((line) => (line[i] ?? '').length)),
	)
	return lines
		.map((line) =>
			line
				.map((cell, i) => cell.padEnd(widths[i] ?? 0))
				.join('  ')
				.trimEnd(),
		)
		.join('\n')
}
