// The client that `--env` hands out: all rights on every vault, a new secret at each start.
import { randomBytes, randomUUID } from 'node:crypto'
import type { Emulator } from '../start.ts'

const NAME = 'developer'

export interface DeveloperClient {
	readonly clientId: string
	readonly clientSecret: string
}

/** Its secret is hexadecimal: one that begins with a hyphen is an option to command lines such as `az login --password`. */
export async function addDeveloper(emulator: Emulator, knownId: string | undefined): Promise<DeveloperClient> {
	const client = { clientId: knownId ?? randomUUID(), clientSecret: randomBytes(24).toString('hex') }
	const { control } = emulator
	await control.addClient({ ...client, name: NAME, managedIdentity: true })
	for (const { name, access } of await control.listVaults()) {
		if (access === 'rbac')
			await control.grant({ clientId: client.clientId, role: 'Key Vault Administrator', vault: name })
		else {
			const all = { secretPermissions: ['all'], keyPermissions: ['all'], certificatePermissions: ['all'] }
			await control.setPolicy({ vault: name, clientId: client.clientId, ...all })
		}
	}
	return client
}

/** Single quotes protect everything but themselves. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/**
 * Exports for a POSIX shell. The proxy leads the production names to the emulator, so no SDK option, no DNS and no
 * host file is needed.
 */
export function environmentLines(
	emulator: Emulator,
	client: DeveloperClient,
	options: { caFile: string; bundleFile: string; vault: string | undefined },
): string {
	const variables: ReadonlyArray<readonly [string, string]> = [
		['AZURE_TENANT_ID', emulator.tenantId],
		['AZURE_CLIENT_ID', client.clientId],
		['AZURE_CLIENT_SECRET', client.clientSecret],
		...(options.vault === undefined
			? []
			: [['AZURE_KEYVAULT_URL', `https://${options.vault}.vault.azure.net`] as const]),
		['HTTPS_PROXY', emulator.controlUrl],
		['NODE_EXTRA_CA_CERTS', options.caFile],
		// These two replace what a program trusts, so the file has the system's CAs as well.
		['SSL_CERT_FILE', options.bundleFile],
		['REQUESTS_CA_BUNDLE', options.bundleFile],
		['EMULATOR_CONTROL_URL', emulator.controlUrl],
	]
	return variables.map(([name, value]) => `export ${name}=${quoted(value)}\n`).join('')
}
