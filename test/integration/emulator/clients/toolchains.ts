// Each SDK with its toolchain, installed into the cache folder once per set of versions.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { artifact } from '../../../cluster/artifact.ts'
import { findGo } from '../../../cluster/build/go.ts'
import type { Context } from '../../../cluster/context.ts'
import { run, tryRun } from '../../../cluster/run.ts'
import { which } from '../../../cluster/which.ts'
import type { Program } from './line-client.ts'

export const LANGUAGES = ['JavaScript', 'Python', 'Python async', 'Go', 'Java', 'Rust', 'az'] as const
export type Language = (typeof LANGUAGES)[number]

/** There is no toolchain for the language here; the message says what is missing. */
export class Missing extends Error {}

/** What a build may take on two busy cores before it is given up. */
const BUILD_MS = 400_000

const HERE = import.meta.dirname
const text = (...path: readonly string[]): string => readFileSync(join(HERE, ...path), 'utf8')

/** Installs what a language needs. Rejects with `Missing` where its toolchain cannot be had. */
export function prepare(
	language: Language,
	context: Context,
	trust: { caFile: string; folder: string; proxy: URL },
): Promise<Program> {
	switch (language) {
		case 'JavaScript':
			return Promise.resolve({ command: process.execPath, args: [join(HERE, 'js', 'client.mjs')] })
		case 'Python':
			return python(context, 'python', 'client.py')
		case 'Python async':
			return python(context, 'python', 'client_async.py')
		case 'az':
			return python(context, 'az')
		case 'Go':
			return go(context)
		case 'Java':
			return java(context, trust)
		case 'Rust':
			return rust(context)
	}
}

/** Packages of a requirements file in a folder for PYTHONPATH: no virtual environment, which could not be renamed. */
async function python(context: Context, folder: string, script?: string): Promise<Program> {
	const version = await tryRun('python3', ['-c', 'import sys; print(sys.version_info[:2])'])
	if (version === undefined) throw new Missing('there is no python3 on the PATH')
	if ((await tryRun('python3', ['-m', 'pip', '--version'])) === undefined) throw new Missing('python3 has no pip')
	const requirements = text(folder, 'requirements.txt')
	const packages = await installed('PyPI', () =>
		artifact(context, {
			name: `client-${folder}`,
			inputs: { requirements, version },
			build: async (out, { log }) => {
				const file = join(HERE, folder, 'requirements.txt')
				// Compiled when imported: of `az` that is a small part.
				const quiet = ['--quiet', '--no-input', '--no-compile', '--disable-pip-version-check']
				const args = ['-m', 'pip', 'install', ...quiet, '--target', out, '-r', file]
				await run('python3', args, { log, timeoutMs: BUILD_MS, signal: context.signal })
			},
		}),
	)
	const args = script === undefined ? ['-m', 'azure.cli'] : [join(HERE, folder, script)]
	// `-P`-like: nothing of the current folder is imported.
	return { command: 'python3', args, env: { PYTHONPATH: packages, PYTHONSAFEPATH: '1' } }
}

async function go(context: Context): Promise<Program> {
	const sources = { mod: text('go', 'go.mod'), sum: text('go', 'go.sum'), main: text('go', 'main.go') }
	const folder = await installed('the Go module proxy', () =>
		artifact(context, {
			name: 'client-go',
			inputs: sources,
			build: async (out, { log }) => {
				const { command, env } = await findGo(context)
				const args = ['build', '-mod=readonly', '-o', join(out, 'client'), '.']
				await run(command, args, { cwd: join(HERE, 'go'), env, log, timeoutMs: BUILD_MS, signal: context.signal })
			},
		}),
	)
	return { command: join(folder, 'client'), args: [] }
}

async function rust(context: Context): Promise<Program> {
	if (!which('cargo')) throw new Missing('there is no cargo on the PATH, and no package registry has a Rust of 1.88')
	const sources = {
		toml: text('rust', 'Cargo.toml'),
		lock: text('rust', 'Cargo.lock'),
		main: text('rust', 'src', 'main.rs'),
	}
	const folder = await installed('crates.io', () =>
		artifact(context, {
			name: 'client-rust',
			inputs: sources,
			build: async (out, { log }) => {
				const target = join(out, 'target')
				const args = ['build', '--quiet', '--locked', '--target-dir', target]
				await run('cargo', args, { cwd: join(HERE, 'rust'), log, timeoutMs: BUILD_MS, signal: context.signal })
				cpSync(join(target, 'debug', 'client'), join(out, 'client'))
				// Hundreds of megabytes of intermediate results.
				rmSync(target, { recursive: true })
			},
		}),
	)
	return { command: join(folder, 'client'), args: [] }
}

/** Jars by Maven; the program is one file. */
async function java(context: Context, trust: { caFile: string; folder: string; proxy: URL }): Promise<Program> {
	if (!which('javac')) throw new Missing('there is no JDK on the PATH')
	if (!which('mvn')) throw new Missing('there is no mvn on the PATH')
	const folder = await installed('Maven Central', () =>
		artifact(context, {
			name: 'client-java',
			inputs: { pom: text('java', 'pom.xml'), source: text('java', 'Client.java') },
			build: async (out, { log }) => {
				const repository = join(out, 'repository')
				const quiet = ['-q', '-B', `-Dmaven.repo.local=${repository}`]
				const args = [...quiet, 'dependency:copy-dependencies', `-DoutputDirectory=${out}`, '-DincludeScope=runtime']
				await run('mvn', args, { cwd: join(HERE, 'java'), log, timeoutMs: BUILD_MS, signal: context.signal })
				rmSync(repository, { recursive: true })
				const source = join(HERE, 'java', 'Client.java')
				await run('javac', ['-cp', join(out, '*'), '-d', out, source], {
					log,
					timeoutMs: BUILD_MS,
					signal: context.signal,
				})
			},
		}),
	)
	mkdirSync(trust.folder, { recursive: true })
	const store = join(trust.folder, 'trust.p12')
	const imported = ['-importcert', '-noprompt', '-alias', 'emulator', '-file', trust.caFile]
	// A trust store holds nothing secret: its password is Java's own default.
	execFileSync('keytool', [...imported, '-keystore', store, '-storetype', 'PKCS12', '-storepass', 'changeit'], {
		stdio: 'ignore',
	})
	const jars = readdirSync(folder).filter((name) => name.endsWith('.jar'))
	const properties = {
		'javax.net.ssl.trustStore': store,
		'javax.net.ssl.trustStorePassword': 'changeit',
		// Java does not read the environment; these are its own words for HTTPS_PROXY.
		'https.proxyHost': trust.proxy.hostname,
		'https.proxyPort': trust.proxy.port,
	}
	return {
		command: 'java',
		args: [
			...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
			'-cp',
			[folder, ...jars.map((name) => join(folder, name))].join(':'),
			'Client',
		],
	}
}

/** A registry that does not give it is a reason to skip; what else goes wrong is a failure. */
async function installed(registry: string, install: () => Promise<string>): Promise<string> {
	try {
		return await install()
	} catch (error) {
		const { message } = error as Error
		if (UNREACHABLE.test(message))
			throw new Missing(`${registry} did not give it: ${message.split('\n').at(-2) ?? message}`)
		throw error
	}
}

/** What pip, go, cargo and mvn say of a registry that is not there or has not got the package. */
const UNREACHABLE =
	/No matching distribution|Could not find a version|Connection (refused|reset|timed out)|Temporary failure in name resolution|no such host|i\/o timeout|dial tcp|Could not (resolve|transfer|find artifact)|failed to (download|fetch|get)|spurious network error|403 Forbidden|404 Not Found/i
