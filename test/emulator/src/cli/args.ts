import { parseArgs } from 'node:util'

export interface CliOptions {
	readonly host: string
	readonly port: number
	readonly controlHost: string
	readonly controlPort: number
	readonly names: 'test' | 'production'
	readonly tenantId: string | undefined
	readonly vaults: readonly string[]
	readonly caFolder: string | undefined
	readonly federateInCluster: boolean
}

/** The command line was wrong: the message says how, nothing was started. */
export class UsageError extends Error {}

export const HELP = `azure-key-vault-emulator: an Azure Key Vault (secrets) and an Entra token endpoint on this machine

Usage: azure-key-vault-emulator [options]

  --vault NAME             a vault to have from the start; may be repeated
  --port N                 HTTPS port (default 8443)
  --host ADDRESS           address to listen on (default 127.0.0.1)
  --control-port N         port of the control API, plain HTTP (default: a free one)
  --control-host ADDRESS   address of the control API (default 127.0.0.1)
  --names test|production  names to answer to: <vault>.vault.emu.test and login.emu.test,
                           or <vault>.vault.azure.net and login.microsoftonline.com (default test)
  --tenant ID              tenant id (default: a random one)
  --ca-folder FOLDER       where the certificate authority is kept, made the first time
  --federate-in-cluster    in a pod: trust ServiceAccount tokens of the cluster
  --help                   this text
`

/** Undefined: `--help` was asked for. */
export function parseCli(argv: readonly string[]): CliOptions | undefined {
	let values: Record<string, string | boolean | string[] | undefined>
	try {
		values = parseArgs({
			args: [...argv],
			options: {
				help: { type: 'boolean' },
				vault: { type: 'string', multiple: true },
				port: { type: 'string' },
				host: { type: 'string' },
				'control-port': { type: 'string' },
				'control-host': { type: 'string' },
				names: { type: 'string' },
				tenant: { type: 'string' },
				'ca-folder': { type: 'string' },
				'federate-in-cluster': { type: 'boolean' },
			},
		}).values
	} catch (error) {
		throw new UsageError((error as Error).message)
	}
	if (values['help']) return undefined
	const names = values['names'] ?? 'test'
	if (names !== 'test' && names !== 'production')
		throw new UsageError(`--names is test or production, not ${String(names)}`)
	const text = (name: string): string | undefined => values[name] as string | undefined
	return {
		host: text('host') ?? '127.0.0.1',
		port: port(text('port'), '--port', 8443),
		controlHost: text('control-host') ?? '127.0.0.1',
		controlPort: port(text('control-port'), '--control-port', 0),
		names,
		tenantId: text('tenant'),
		vaults: (values['vault'] as string[] | undefined) ?? [],
		caFolder: text('ca-folder'),
		federateInCluster: values['federate-in-cluster'] === true,
	}
}

function port(text: string | undefined, option: string, otherwise: number): number {
	if (text === undefined) return otherwise
	const number = /^\d{1,5}$/.test(text) ? Number(text) : -1
	if (number < 0 || number > 65_535) throw new UsageError(`${option} is a port number, not ${text}`)
	return number
}
