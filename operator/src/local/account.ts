import type { TokenCredential } from '@azure/identity'

/** Who reads the vault, as far as their token says. */
export interface Account {
	/** what a person calls it: a user name, or the id of an application */
	readonly name: string
	/** what a role is assigned to */
	readonly id: string
	readonly tenantId: string
}

export type AccountSearch =
	| { kind: 'account'; account: Account }
	/** nobody is signed in, or not as anybody that Entra knows; no text of a library, which may quote what it was given */
	| { kind: 'none'; problem: string }

// A person who has to type a code in a browser takes a minute or two; nobody waits longer for nothing.
const SIGN_IN_MS = 120_000

/** Asks for a token of the vaults, and reads from it whose it is. The token itself goes nowhere. */
export async function findAccount(credential: TokenCredential, scope: string): Promise<AccountSearch> {
	try {
		const token = await credential.getToken(scope, { abortSignal: AbortSignal.timeout(SIGN_IN_MS) })
		const account = token && accountOf(token.token)
		return account ? { kind: 'account', account } : { kind: 'none', problem: NOBODY }
	} catch {
		return { kind: 'none', problem: NOBODY }
	}
}

const NOBODY = `No Azure account can be used here. Sign in:
az login
or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET. With the emulator: its --env prints them.`

/** Claims of a token. Not verified: they are shown to the person whose token it is. */
function accountOf(token: string): Account | undefined {
	let claims: Record<string, unknown>
	try {
		claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>
	} catch {
		return undefined
	}
	const text = (...keys: string[]) =>
		keys.map((key) => claims[key]).find((value): value is string => typeof value === 'string' && isPlain(value))
	const id = text('oid', 'appid')
	const tenantId = text('tid')
	// A user has a name; an application is known by its client id, which is what `az` takes as well.
	const user = text('upn', 'unique_name', 'preferred_username')
	const application = text('appid')
	if (id === undefined || tenantId === undefined) return undefined
	return { name: user ?? `application ${application ?? id}`, id: user ? id : (application ?? id), tenantId }
}

/** Something to print: no control characters, no end of line. */
const isPlain = (text: string) => /^[\x20-\x7e]{1,256}$/.test(text)
