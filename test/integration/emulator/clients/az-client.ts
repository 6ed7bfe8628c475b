// `az` as a client: one process for each operation, its logins in folders of its own.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Program } from './line-client.ts'
import type { Answer, Client } from './story.ts'

interface Identity {
	readonly id: string
	/** Arguments of `az login` that prove it. */
	readonly proof: () => Promise<string[]>
}

export interface AzOptions {
	readonly program: Program
	readonly environment: NodeJS.ProcessEnv
	readonly tenant: string
	readonly vault: string
	readonly writer: Identity
	/** The writer again, by a federated token: `fresh` logs in with it. */
	readonly federated: Identity
	readonly reader: Identity
}

export function createAzClient(options: AzOptions): Client {
	const folder = mkdtempSync(join(tmpdir(), 'emulator-az-'))
	const az = async (login: string, ...args: string[]): Promise<string> => {
		const { command, args: first, env } = options.program
		const { stdout } = await promisify(execFile)(command, [...first, ...args], {
			env: {
				...options.environment,
				...env,
				AZURE_CONFIG_DIR: join(folder, login),
				AZURE_CORE_COLLECT_TELEMETRY: '0',
				AZURE_CORE_ONLY_SHOW_ERRORS: '1',
			},
			timeout: 120_000,
		})
		return stdout.trim()
	}
	const logins = new Map<string, Promise<string>>()
	const login = async (name: 'writer' | 'federated' | 'reader'): Promise<string> => {
		const { id, proof } = options[name]
		const args = ['login', '--service-principal', '--username', id, '--tenant', options.tenant, ...(await proof())]
		await az(name, ...args)
		return name
	}
	const loggedIn = (name: 'writer' | 'federated' | 'reader'): Promise<string> => {
		const known = logins.get(name) ?? login(name)
		logins.set(name, known)
		return known
	}
	let current: 'writer' | 'federated' = 'writer'
	const secret = async (verb: string, name: string, ...rest: string[]): Promise<string> =>
		az(
			await loggedIn(current),
			'keyvault',
			'secret',
			verb,
			'--vault-name',
			options.vault,
			'--name',
			name,
			...rest,
			'-o',
			'tsv',
		)
	const file = (name: string): string => join(folder, `${name}.backup`)

	const operations: Readonly<Record<string, (name: string, value: string) => Promise<string>>> = {
		set: async (name, value) =>
			(await secret('set', name, '--value', value, '--content-type', 'text/plain', '--query', 'id'))
				.split('/')
				.at(-1) ?? '',
		get: (name, version) => secret('show', name, '--query', 'value', ...(version ? ['--version', version] : [])),
		list: async (prefix) =>
			az(
				await loggedIn(current),
				...['keyvault', 'secret', 'list', '--vault-name', options.vault],
				...['--query', `length([?starts_with(name, '${prefix}')])`, '-o', 'tsv'],
			),
		update: (name, team) => secret('set-attributes', name, '--tags', `team=${team}`, '--query', 'tags.team'),
		delete: (name) => secret('delete', name, '--query', 'name'),
		deleted: (name) => secret('show-deleted', name, '--query', 'name'),
		recover: (name) => secret('recover', name, '--query', 'name'),
		purge: (name) => secret('purge', name),
		backup: async (name) => {
			await secret('backup', name, '--file', file(name))
			return '1'
		},
		restore: async (name) =>
			az(
				await loggedIn(current),
				...['keyvault', 'secret', 'restore', '--vault-name', options.vault, '--file', file(name)],
				...['--query', 'name', '-o', 'tsv'],
			),
		read: async (name) => {
			const reader = await loggedIn('reader')
			return az(reader, 'keyvault', 'secret', 'show', '--vault-name', options.vault, '--name', name, '-o', 'tsv')
		},
		fresh: async () => {
			current = 'federated'
			return loggedIn(current)
		},
	}
	return {
		async ask(operation, name = '', value = ''): Promise<Answer> {
			const run = operations[operation]
			if (!run) throw new Error(`no such operation: ${operation}`)
			try {
				return { kind: 'ok', value: await run(name, value) }
			} catch (error) {
				const { stderr = '', message } = error as Error & { stderr?: string }
				return { kind: 'error', status: statusOf(stderr), text: stderr || message }
			}
		},
		close: async () => rmSync(folder, { recursive: true, force: true }),
	}
}

/** `az` prints the service's code and no status: `(SecretNotFound) …`, `(Forbidden) …`. */
function statusOf(stderr: string): number {
	const codes: ReadonlyArray<readonly [RegExp, number]> = [
		[/SecretNotFound/, 404],
		[/\(Forbidden\)/, 403],
		[/Throttled/, 429],
		[/\(Unauthorized\)/, 401],
	]
	return codes.find(([pattern]) => pattern.test(stderr))?.[1] ?? 0
}
