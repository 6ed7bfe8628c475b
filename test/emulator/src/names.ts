/** Which host names the emulator answers to. */
export interface Names {
	/** A vault is `<vault>.<vaultSuffix>`. */
	readonly vaultSuffix: string
	readonly loginHosts: readonly string[]
	/** The audience of access tokens, and `resource` of the challenge: a parent domain of every vault. */
	readonly resource: string
	/** Audiences a vault accepts. */
	readonly audiences: readonly string[]
	/** Audiences that tokens are issued for and that every vault refuses: the other services a program may ask for. */
	readonly otherAudiences: readonly string[]
	/** Where the management API is; only the list of subscriptions and tenants, which `az login` reads. */
	readonly managementHosts: readonly string[]
	/** Issuer of access tokens. */
	issuer(tenantId: string): string
}

/** Application id of Azure Key Vault, accepted as an audience too (AKV10022 names it). */
const KEY_VAULT_APP_ID = 'cfa8b339-82a2-471a-a3c9-0fc0be7a4093'
/** The management API by both of its names, Storage and Service Bus. */
const OTHER_AUDIENCES: readonly string[] = [
	'https://management.azure.com',
	'https://management.core.windows.net',
	'https://storage.azure.com',
	'https://servicebus.azure.net',
]
const issuer = (tenantId: string): string => `https://sts.windows.net/${tenantId}/`

export const TEST_NAMES: Names = {
	vaultSuffix: 'vault.emu.test',
	loginHosts: ['login.emu.test'],
	resource: 'https://vault.emu.test',
	audiences: ['https://vault.emu.test', KEY_VAULT_APP_ID],
	otherAudiences: OTHER_AUDIENCES,
	managementHosts: ['management.emu.test'],
	issuer,
}

export const PRODUCTION_NAMES: Names = {
	vaultSuffix: 'vault.azure.net',
	loginHosts: ['login.microsoftonline.com', 'login.windows.net', 'login.microsoft.com', 'sts.windows.net'],
	resource: 'https://vault.azure.net',
	audiences: ['https://vault.azure.net', KEY_VAULT_APP_ID],
	otherAudiences: OTHER_AUDIENCES,
	managementHosts: ['management.azure.com'],
	issuer,
}

export type Place =
	| { kind: 'vault'; vault: string }
	| { kind: 'login' }
	| { kind: 'management' }
	| { kind: 'local' }
	| { kind: 'unknown' }

const LOCAL = new Set(['localhost', '127.0.0.1', '::1', '[::1]'])

/** Vault names: 3-24 characters, letters, digits and hyphens, starting with a letter. */
export const VAULT_NAME: RegExp = /^[a-z][a-z0-9-]{1,22}[a-z0-9]$/

/** What lives at a host name (lower case, without a port). */
export function placeOf(host: string, names: Names): Place {
	if (names.loginHosts.includes(host)) return { kind: 'login' }
	if (names.managementHosts.includes(host)) return { kind: 'management' }
	const suffix = `.${names.vaultSuffix}`
	if (host.endsWith(suffix)) {
		const vault = host.slice(0, -suffix.length)
		return VAULT_NAME.test(vault) ? { kind: 'vault', vault } : { kind: 'unknown' }
	}
	return LOCAL.has(host) ? { kind: 'local' } : { kind: 'unknown' }
}
