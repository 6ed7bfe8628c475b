import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TrustIssuer } from '../control/types.ts'
import { applySeed, readSeed } from '../kind/seed.ts'
import { type Emulator, startEmulator } from '../start.ts'
import { CA_FILE } from '../tls/authority.ts'
import { writeTrustBundle } from '../tls/bundle.ts'
import { type CliOptions, UsageError } from './args.ts'
import { addDeveloper, environmentLines } from './developer.ts'
import { inClusterIssuer, kubeconfigIssuer } from './federate.ts'

/** Beside the CA: what `SSL_CERT_FILE` names. */
const BUNDLE_FILE = 'bundle.crt'

export interface Surroundings {
	readonly stdout: { write(text: string): unknown }
	readonly stderr: { write(text: string): unknown }
	readonly environment: NodeJS.ProcessEnv
	readonly isRoot: boolean
}

/** Starts what the command line asks for and says so in one line of JSON. The caller ends it. */
export async function run(options: CliOptions, surroundings: Surroundings): Promise<Emulator> {
	const { stdout, stderr, environment } = surroundings
	const caFolder = resolve(options.caFolder ?? defaultCaFolder(environment))
	const caFile = join(caFolder, CA_FILE)
	const seed = options.seedFile === undefined ? undefined : await readSeed(options.seedFile)
	const issuers = await trusted(options, environment)
	const emulator = await start(options, caFolder, surroundings.isRoot)
	try {
		if (
			options.printEnvironment &&
			!emulator.controlUrl.startsWith('http://127.0.0.1') &&
			!emulator.controlUrl.startsWith('http://localhost')
		) {
			throw new UsageError('--env needs the control API on loopback: its proxy is part of it')
		}
		for (const issuer of issuers) await emulator.control.trustIssuer(issuer)
		if (seed) await applySeed(emulator.control, seed, issuers[0]?.issuer)
		const vaults = await emulator.control.listVaults()
		if (options.printEnvironment) {
			const known = emulator.clients().find((client) => client.name === 'developer')
			const client = await addDeveloper(emulator, known?.clientId)
			const bundleFile = join(caFolder, BUNDLE_FILE)
			await writeTrustBundle(bundleFile, emulator.caPem)
			stdout.write(environmentLines(emulator, client, { caFile, bundleFile, vault: vaults[0]?.name }))
		}
		const line = {
			msg: 'ready',
			authority: emulator.authorityHost,
			tenantId: emulator.tenantId,
			vaults: Object.fromEntries(vaults.map(({ name, url }) => [name, url])),
			caFile,
			control: emulator.controlUrl,
			...(issuers.length === 0 ? {} : { trustedIssuers: issuers.map(({ issuer }) => issuer) }),
		}
		;(options.printEnvironment ? stderr : stdout).write(`${JSON.stringify(line)}\n`)
		return emulator
	} catch (error) {
		await emulator.close()
		throw error
	}
}

/** Where the CA is kept when no folder is named. */
export const defaultCaFolder = (environment: NodeJS.ProcessEnv): string =>
	join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'azure-key-vault-emulator')

async function trusted({ federate }: CliOptions, environment: NodeJS.ProcessEnv): Promise<TrustIssuer[]> {
	const issuers: TrustIssuer[] = federate.issuers.map((issuer) => ({ issuer }))
	if (federate.kubeconfig !== undefined) issuers.push(await kubeconfigIssuer(federate.kubeconfig))
	if (federate.inCluster) issuers.push(await inClusterIssuer(environment))
	return issuers
}

async function start(options: CliOptions, caFolder: string, isRoot: boolean): Promise<Emulator> {
	const { host, controlHost, controlPort, names, tenantId, vaults, stateFile } = options
	try {
		return await startEmulator({
			host,
			port: options.port ?? (isRoot && names === 'production' ? 443 : 8443),
			control: { host: controlHost, port: controlPort },
			names,
			vaults,
			caFolder,
			...(tenantId === undefined ? {} : { tenantId }),
			...(stateFile === undefined ? {} : { stateFile: resolve(stateFile) }),
		})
	} catch (error) {
		const { code, port: taken } = error as NodeJS.ErrnoException & { port?: number }
		if (code === 'EADDRINUSE')
			throw new Error(`port ${taken} is in use; choose another with --port or --control-port`, { cause: error })
		if (code === 'EACCES' && taken !== undefined)
			throw new Error(`port ${taken} needs more rights; choose one above 1023`, { cause: error })
		throw error
	}
}
