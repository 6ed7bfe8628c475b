// The parts of `npm run demo`, each as its user would start it: emulator, `local`, and a PURISTA service as programs of their own.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Emulator, startEmulator } from 'azure-key-vault-emulator'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface DemoWorld {
	readonly emulator: Emulator
	/** of the account that everything here reads and writes the vaults with */
	readonly clientId: string
	/** the environment of programs that have it */
	readonly account: Readonly<Record<string, string>>
	readonly folder: string
	/** where `local` puts the files of a binding */
	mount(binding: string): string
	/** Writes a file beside the folder of the secrets. @returns its path */
	write(name: string, text: string): Promise<string>
	/** Starts a program of this repository as somebody with that account would. */
	start(entry: string, args: readonly string[], env?: Record<string, string>): Program
	/** Ends what was started, the last first, and removes the folder. */
	close(): Promise<void>
}

export interface Program {
	/** everything it printed so far */
	readonly output: string
	/** resolves with its exit code */
	readonly exit: Promise<number | null>
	stop(): Promise<void>
}

export async function openDemo(vaults: readonly string[], onLine: (line: string) => void): Promise<DemoWorld> {
	const folder = await mkdtemp(join(tmpdir(), 'asb-demo-'))
	const caFolder = join(folder, 'ca')
	const emulator = await startEmulator({
		names: 'production',
		vaults: vaults.map((name) => ({ name })),
		caFolder,
		visibilityDelayMs: 0,
	})
	const [clientId, clientSecret] = [randomUUID(), randomBytes(24).toString('base64url')]
	await emulator.control.addClient({ clientId, clientSecret, name: 'developer' })
	const account = {
		AZURE_TENANT_ID: emulator.tenantId,
		AZURE_CLIENT_ID: clientId,
		AZURE_CLIENT_SECRET: clientSecret,
		// The names of production lead to the emulator: nothing else knows that there is one.
		HTTPS_PROXY: emulator.controlUrl,
		NODE_EXTRA_CA_CERTS: join(caFolder, 'ca.crt'),
	}
	const programs: Program[] = []
	return {
		emulator,
		clientId,
		account,
		folder,
		mount: (binding) => join(folder, 'secrets', binding),
		async write(name, text) {
			const path = join(folder, name)
			await writeFile(path, text)
			return path
		},
		start(entry, args, env = {}) {
			const program = startProgram(entry, args, { ...process.env, ...account, ...env }, onLine)
			programs.push(program)
			return program
		},
		async close() {
			for (const program of programs.toReversed()) await program.stop()
			await emulator.close()
			await rm(folder, { recursive: true, force: true })
		},
	}
}

function startProgram(
	entry: string,
	args: readonly string[],
	env: NodeJS.ProcessEnv,
	onLine: (line: string) => void,
): Program {
	const flags = ['--conditions=asb-source', '--disable-warning=ExperimentalWarning']
	const child = spawn(process.execPath, [...flags, join(ROOT, entry), ...args], {
		cwd: ROOT,
		env,
		stdio: ['ignore', 'pipe', 'pipe'],
	})
	let output = ''
	const { promise: exit, resolve } = Promise.withResolvers<number | null>()
	child.on('close', resolve)
	child.on('error', () => resolve(null))
	for (const stream of [child.stdout, child.stderr]) {
		createInterface({ input: stream }).on('line', (line) => {
			output += `${line}\n`
			if (stream === child.stdout) onLine(line)
		})
	}
	return {
		get output() {
			return output
		},
		exit,
		async stop() {
			if (isRunning(child)) child.kill('SIGTERM')
			await exit
		},
	}
}

const isRunning = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer()
		server.on('error', reject)
		server.listen(0, '127.0.0.1', () => {
			const address = server.address()
			server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
		})
	})
}
