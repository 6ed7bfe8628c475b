import { createHash, randomBytes } from 'node:crypto'
import { access, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from '../cluster/progress.ts'
import { until } from '../kit/until.ts'
import { type DemoWorld, freePort, openDemo, type Program } from './world.ts'

export interface StoryOptions {
	readonly progress: Progress
	/** where the story goes, a line at a time */
	readonly say: (line: string) => void
	readonly signal: AbortSignal
}

const BINDINGS = `apiVersion: secrets.purista.dev/v1alpha1
kind: AzureSecretBinding
metadata: { name: payments }
spec:
  vault: { url: https://payments.vault.azure.net }
  identity: { serviceAccountName: payments }       # in a cluster; here it is your own account
  secrets: [{ name: dbConnectionString, objectName: payments-db }]
  delivery: { secret: { name: payments-secrets } } # in a cluster; here it is a folder
  refresh: { interval: 5s }
---
apiVersion: secrets.purista.dev/v1alpha1
kind: AzureSecretBinding
metadata: { name: orders }
spec:
  vault: { url: https://orders.vault.azure.net }
  identity: { serviceAccountName: orders }
  secrets: [{ name: apiKey }]
  delivery: { secret: { name: orders-secrets } }
  refresh: { interval: 5s }
`

const fingerprint = (value: string | Buffer) => createHash('sha256').update(value).digest('hex').slice(0, 12)
/** A password as somebody would rotate it: 24 random bytes, printable. */
const newValue = () => randomBytes(24).toString('base64url')
const indent = (text: string) => text.trimEnd().replaceAll(/^/gm, '    ')
const WAIT = { timeoutMs: 60_000, everyMs: 50 }

/** Tells the main job on this machine, from a vault to a mended mistake. Rejects when a part does not happen. */
export async function tellStory({ progress, say, signal }: StoryOptions): Promise<void> {
	const step: Progress['step'] = (name, run) => {
		signal.throwIfAborted()
		return progress.step(name, run)
	}
	const lines: string[] = []
	const world = await step('an emulator of Key Vault and Entra, with the vaults payments and orders', () =>
		openDemo(['payments', 'orders'], (line) => lines.push(line)),
	)
	try {
		const local = await firstFiles(world, step, say)
		const service = await startService(world, step, say)
		await rotation(world, service, step, say)
		await writeThroughStore(world, service, step, say)
		await mistake(world, local, step, say)
		await step('the end: Ctrl-C, and the files are gone', async () => {
			await local.stop()
			if (await isThere(world.mount('payments'))) throw new Error('files are left')
		})
	} catch (error) {
		say(indent(lines.slice(-20).join('\n')))
		throw error
	} finally {
		await world.close()
	}
}

type Step = Progress['step']
type Say = StoryOptions['say']

const isThere = (path: string) =>
	access(path).then(
		() => true,
		() => false,
	)

async function firstFiles(world: DemoWorld, step: Step, say: Say): Promise<Program> {
	const { control } = world.emulator
	const value = newValue()
	await control.grant({ clientId: world.clientId, role: 'Key Vault Secrets Officer', vault: 'payments' })
	await control.setSecret({ vault: 'payments', name: 'payments-db', value })
	await control.setSecret({ vault: 'orders', name: 'apiKey', value: newValue() })
	const file = await world.write('bindings.yaml', BINDINGS)
	say(indent(BINDINGS))
	const local = world.start('operator/src/cli.ts', [
		'local',
		'-f',
		file,
		'--out',
		join(world.folder, 'secrets'),
		'--yes',
	])
	await step('azure-secret-binding-operator local -f bindings.yaml --out ./secrets', async (detail) => {
		const path = join(world.mount('payments'), 'dbConnectionString')
		await until('the file', () => isThere(path), WAIT)
		const bytes = await readFile(path)
		if (fingerprint(bytes) !== fingerprint(value)) throw new Error('the file does not hold what the vault has')
		const { mode } = await stat(path)
		detail(
			`secrets/payments/dbConnectionString: ${bytes.length} bytes, mode ${(mode & 0o777).toString(8)}, as in the vault`,
		)
	})
	return local
}

/** The service as its users call it. */
interface Service {
	fingerprint(name: string): Promise<string | null>
	renew(name: string): Promise<string>
	changes(): Promise<{ at: number; changes: { version: string }[] }[]>
}

async function startService(world: DemoWorld, step: Step, say: Say): Promise<Service> {
	const port = await freePort()
	const call = async <T>(path: string, name?: string): Promise<T> => {
		const init = name === undefined ? {} : { method: 'POST', body: JSON.stringify({ name }) }
		const answer = await fetch(`http://127.0.0.1:${port}${path}`, init)
		if (!answer.ok) throw new Error(`the service answers ${answer.status} to ${path}`)
		return (await answer.json()) as T
	}
	const service: Service = {
		fingerprint: async (name) => (await call<{ fingerprint: string | null }>('/fingerprint', name)).fingerprint,
		renew: async (name) => (await call<{ fingerprint: string }>('/renew', name)).fingerprint,
		changes: () => call('/changes'),
	}
	await step('a PURISTA service that reads the folder', async (detail) => {
		world.start('test/service/src/main.ts', [], {
			MOUNT_PATH: world.mount('payments'),
			VAULT_URL: 'https://payments.vault.azure.net',
			PORT: String(port),
		})
		await until('the service', () => call('/readyz'), WAIT)
		detail(`context.secrets has the value with fingerprint ${await service.fingerprint('dbConnectionString')}`)
	})
	say('')
	return service
}

async function rotation(world: DemoWorld, service: Service, step: Step, say: Say): Promise<void> {
	const value = newValue()
	const before = await service.fingerprint('dbConnectionString')
	const took = await step('rotation: a new version in the vault', async () => {
		const written = Date.now()
		const { version } = await world.emulator.control.setSecret({ vault: 'payments', name: 'payments-db', value })
		const seen = async () =>
			(await service.changes()).find(({ changes }) => changes.some((each) => each.version === version))
		return (await until('the change in the service', seen, WAIT)).at - written
	})
	const after = await service.fingerprint('dbConnectionString')
	if (after !== fingerprint(value)) throw new Error(`the service has ${after}, the vault ${fingerprint(value)}`)
	say(
		`    fingerprint ${before} → ${after}; vault write to onChange: ${(took / 1000).toFixed(2)} s (it polls every 5 s)\n`,
	)
}

async function writeThroughStore(world: DemoWorld, service: Service, step: Step, say: Say): Promise<void> {
	const written = await step('the service writes a secret: context.secrets.setSecret', async () => {
		const made = await service.renew('dbConnectionString')
		const stored = await world.emulator.control.getSecret({ vault: 'payments', name: 'payments-db' })
		if (fingerprint(stored.value ?? '') !== made) throw new Error('the vault does not have what the service wrote')
		const path = join(world.mount('payments'), 'dbConnectionString')
		await until('the value in the file', async () => fingerprint(await readFile(path)) === made, WAIT)
		return made
	})
	say(`    vault and file have ${written}\n`)
}

async function mistake(world: DemoWorld, local: Program, step: Step, say: Say): Promise<void> {
	const line = await step('a mistake: nobody gave the account a role on the vault orders', () =>
		until('the line that mends it', async () => /^\s*(az role assignment create .*)$/m.exec(local.output)?.[1], WAIT),
	)
	say(indent(rowsOf(local.output, 'orders')))
	await step('the printed line, run as it stands', async () => {
		await world.emulator.control.az({ command: line })
		await until('the file of orders', () => isThere(join(world.mount('orders'), 'apiKey')), WAIT)
		await until('what local says', async () => /Fresh=True/.test(rowsOf(local.output, 'orders')), WAIT)
	})
	say(`${indent(rowsOf(local.output, 'orders'))}\n`)
}

/** The last block that `local` printed of a binding. */
function rowsOf(output: string, binding: string): string {
	const blocks = output.split('\n\n').filter((block) => block.includes(`\n${binding} `))
	return blocks.at(-1) ?? ''
}
