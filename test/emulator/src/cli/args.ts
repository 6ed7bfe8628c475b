import { parseArgs } from 'node:util'
import { VAULT_NAME } from '../names.ts'

export interface CliOptions {
	readonly host: string
	/** Undefined: 443 for root with the production names, else 8443. */
	readonly port: number | undefined
	readonly controlHost: string
	readonly controlPort: number
	readonly names: 'test' | 'production'
	readonly tenantId: string | undefined
	readonly vaults: readonly string[]
	/** Undefined: a folder in the user's cache. */
	readonly caFolder: string | undefined
	readonly stateFile: string | undefined
	readonly seedFile: string | undefined
	readonly printEnvironment: boolean
	/** Goes on when whoever started it ends. */
	readonly stay: boolean
	readonly federate: { inCluster: boolean; issuers: readonly string[]; kubeconfig: string | undefined }
}

/** The command line was wrong: the message says how, nothing was started. */
export class UsageError extends Error {}

export const HELP = `azure-key-vault-emulator: an Azure Key Vault and an Entra token endpoint on this machine

Usage: azure-key-vault-emulator [options]
       azure-key-vault-emulator manifests --help      for a cluster of your own tests

  --vault NAME              a vault to have from the start; may be repeated
  --port N                  HTTPS port (default 8443; 443 when root, with the production names)
  --host ADDRESS            address to listen on (default 127.0.0.1)
  --control-port N          plain HTTP port of the control API (default: a free one)
  --control-host ADDRESS    its address (default 127.0.0.1); it has no login and shows values, keep it on loopback
  --names production|test   host names to answer to (default production):
                              production  <vault>.vault.azure.net and login.microsoftonline.com
                              test        <vault>.vault.emu.test and login.emu.test
  --tenant ID               tenant id (default: the one in the state file, or a random one)
  --ca-folder FOLDER        where the certificate authority is kept, made the first time
                            (default: azure-key-vault-emulator in the user's cache folder)
  --state FILE              keep vaults, clients and roles over restarts; holds secret values in the clear
  --seed FILE               YAML with secrets of vaults and identities of ServiceAccounts to have from the start; what is
                            there already, as from a state file, stays as it is
  --env                     print shell exports with which an unmodified Azure SDK uses the emulator, among them
                            a client with all rights on the vaults; the JSON line goes to standard error then
  --stay                    go on when the shell, script or npx that started it ends; without it, it ends with them
  --federate URL            trust tokens of this issuer (https, keys by OpenID discovery); may be repeated
  --federate-kubeconfig F   trust the ServiceAccount tokens of the cluster in this kubeconfig (needs kubectl)
  --federate-in-cluster     in a pod: trust the ServiceAccount tokens of the cluster it runs in
  --help                    this text

When ready it prints one line of JSON: authority, tenantId, vaults, caFile, control. SIGTERM, Ctrl-C and the
end of whoever started it end it.

Example:
  azure-key-vault-emulator --vault payments --state vault.json --env > emulator.env &
  . ./emulator.env && node app.js     # new SecretClient(process.env.AZURE_KEYVAULT_URL, new DefaultAzureCredential())
`

/** Undefined: `--help` was asked for. */
export function parseCli(argv: readonly string[]): CliOptions | undefined {
	const values = parse(argv)
	if (values.help) return undefined
	const names = values.names ?? 'production'
	if (names !== 'test' && names !== 'production') throw new UsageError(`--names is test or production, not ${names}`)
	for (const vault of values.vault ?? []) {
		if (!VAULT_NAME.test(vault))
			throw new UsageError(`--vault is 3-24 lower-case letters, digits and hyphens, not ${vault}`)
	}
	for (const issuer of values.federate ?? []) {
		if (!/^https:\/\/[^/]/.test(issuer)) throw new UsageError(`--federate is an https URL, not ${issuer}`)
	}
	if (values.env && names === 'test') {
		throw new UsageError('--env works with the production names: an unmodified SDK accepts no others')
	}
	return {
		host: values.host ?? '127.0.0.1',
		port: values.port === undefined ? undefined : port(values.port, '--port'),
		controlHost: values['control-host'] ?? '127.0.0.1',
		controlPort: values['control-port'] === undefined ? 0 : port(values['control-port'], '--control-port'),
		names,
		tenantId: values.tenant,
		vaults: [...new Set(values.vault)],
		caFolder: values['ca-folder'],
		stateFile: values.state,
		seedFile: values.seed,
		printEnvironment: values.env === true,
		stay: values.stay === true,
		federate: {
			inCluster: values['federate-in-cluster'] === true,
			issuers: values.federate ?? [],
			kubeconfig: values['federate-kubeconfig'],
		},
	}
}

interface Values {
	help?: boolean
	vault?: string[]
	port?: string
	host?: string
	'control-port'?: string
	'control-host'?: string
	names?: string
	tenant?: string
	'ca-folder'?: string
	state?: string
	seed?: string
	env?: boolean
	stay?: boolean
	federate?: string[]
	'federate-kubeconfig'?: string
	'federate-in-cluster'?: boolean
}

function parse(argv: readonly string[]): Values {
	const text = { type: 'string' } as const
	const flag = { type: 'boolean' } as const
	const texts = { type: 'string', multiple: true } as const
	try {
		return parseArgs({
			args: [...argv],
			options: {
				help: flag,
				vault: texts,
				port: text,
				host: text,
				'control-port': text,
				'control-host': text,
				names: text,
				tenant: text,
				'ca-folder': text,
				state: text,
				seed: text,
				env: flag,
				stay: flag,
				federate: texts,
				'federate-kubeconfig': text,
				'federate-in-cluster': flag,
			},
		}).values
	} catch (error) {
		throw new UsageError((error as Error).message)
	}
}

function port(text: string, option: string): number {
	const number = /^\d{1,5}$/.test(text) ? Number(text) : -1
	if (number < 0 || number > 65_535) throw new UsageError(`${option} is a port number, not ${text}`)
	return number
}
