import type { Emulator } from '../start.ts'
import { startEmulator } from '../start.ts'
import { CA_FILE } from '../tls/authority.ts'
import type { CliOptions } from './args.ts'
import { inClusterIssuer } from './in-cluster.ts'

export interface Surroundings {
	readonly stdout: { write(text: string): unknown }
	readonly environment: NodeJS.ProcessEnv
}

/** Starts what the command line asks for, says so in one line of JSON, and ends on SIGTERM or SIGINT. */
export async function run(options: CliOptions, { stdout, environment }: Surroundings): Promise<void> {
	const issuer = options.federateInCluster ? await inClusterIssuer(environment) : undefined
	const emulator = await start(options)
	if (issuer) await emulator.control.trustIssuer(issuer)
	const vaults = await emulator.control.listVaults()
	stdout.write(
		`${JSON.stringify({
			msg: 'ready',
			authority: emulator.authorityHost,
			tenantId: emulator.tenantId,
			vaults: Object.fromEntries(vaults.map(({ name, url }) => [name, url])),
			...(options.caFolder === undefined ? {} : { caFile: `${options.caFolder}/${CA_FILE}` }),
			control: emulator.controlUrl,
			...(issuer === undefined ? {} : { trustedIssuer: issuer.issuer }),
		})}\n`,
	)
	const stop = (): void => {
		// Nothing else keeps the process alive once both servers are closed.
		void emulator.close()
	}
	process.once('SIGTERM', stop)
	process.once('SIGINT', stop)
}

async function start(options: CliOptions): Promise<Emulator> {
	const { host, port, controlHost, controlPort, names, tenantId, vaults, caFolder } = options
	try {
		return await startEmulator({
			host,
			port,
			control: { host: controlHost, port: controlPort },
			names,
			vaults,
			...(tenantId === undefined ? {} : { tenantId }),
			...(caFolder === undefined ? {} : { caFolder }),
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
