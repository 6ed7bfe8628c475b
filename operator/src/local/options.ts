import { parseArgs } from 'node:util'
import { VAULT_SUFFIXES } from '../api/constants.ts'

/** What the user asked for. */
export interface LocalOptions {
	readonly file: string
	readonly out: string
	/** end after one pass, and leave the files */
	readonly once: boolean
	/** do not ask before the first write */
	readonly yes: boolean
	/** leave the files when it ends */
	readonly keep: boolean
	readonly vaultSuffixes: readonly string[]
	readonly authorityHost: string | undefined
	readonly disableInstanceDiscovery: boolean
}

export type ParsedOptions =
	| { kind: 'run'; options: LocalOptions }
	| { kind: 'help'; text: string }
	| { kind: 'invalid'; problem: string }

const HELP = `azure-secret-binding-operator local: mirrors secrets of Azure Key Vault into a folder, as a pod would see them

  -f, --file FILE                  YAML with one or more AzureSecretBindings, as for kubectl; - reads standard input
  --out FOLDER                     where the files go; with several bindings each has a folder of its name in there
  --once                           one pass, then end; the files stay. Exit code 1 when not everything is there
  --yes                            do not ask before the first write (for scripts)
  --keep                           leave the files when it ends
  --vault-suffix SUFFIX            DNS suffix of vaults that may be read; repeatable (${VAULT_SUFFIXES.join(', ')})
  --authority-host URL             Entra of another cloud (AZURE_AUTHORITY_HOST)
  --disable-instance-discovery     for an Entra that Microsoft's discovery does not know
  --help

It reads the vault as you: environment variables, az login, and what else DefaultAzureCredential knows.
`

export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): ParsedOptions {
	const flag = { type: 'boolean', default: false } as const
	const read = () =>
		parseArgs({
			args: [...args],
			options: {
				file: { type: 'string', short: 'f' },
				out: { type: 'string' },
				once: flag,
				yes: flag,
				keep: flag,
				'vault-suffix': { type: 'string', multiple: true },
				'authority-host': { type: 'string' },
				'disable-instance-discovery': flag,
				help: flag,
			},
		}).values
	let values: ReturnType<typeof read>
	try {
		values = read()
	} catch (error) {
		return invalid(error instanceof Error ? error.message : 'cannot read the flags')
	}
	if (values.help) return { kind: 'help', text: HELP }
	if (!values.file) return invalid('write -f and the file with the bindings')
	if (!values.out) return invalid('write --out and the folder for the files')
	const authorityHost = values['authority-host'] ?? env['AZURE_AUTHORITY_HOST']
	if (authorityHost && !authorityHost.startsWith('https://')) return invalid('--authority-host starts with https://')
	const vaultSuffixes = values['vault-suffix'] ?? VAULT_SUFFIXES
	if (!vaultSuffixes.every((suffix) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(suffix)))
		return invalid('--vault-suffix is a DNS suffix such as vault.azure.net')
	const { once, yes } = values
	return {
		kind: 'run',
		options: {
			file: values.file,
			out: values.out,
			once,
			yes,
			keep: values.keep || once,
			vaultSuffixes,
			authorityHost,
			disableInstanceDiscovery: values['disable-instance-discovery'],
		},
	}
}

const invalid = (problem: string): ParsedOptions => ({ kind: 'invalid', problem })
