import type { Fault } from '../faults/rules.ts'
import type { PageControl } from '../page/overview.ts'
import type { PagePlan } from '../secrets/page-sizes.ts'
import type { LoggedRequest, RequestCount } from './request-log.ts'

export type { Fault, FaultMatch } from '../faults/rules.ts'
export type { PagePlan } from '../secrets/page-sizes.ts'
export type { LoggedRequest, RequestCount } from './request-log.ts'

/** A secret's current version as the control API sees it. Times are whole seconds since 1970. */
export interface ControlSecret {
	readonly name: string
	readonly id: string
	readonly version: string
	readonly value: string
	readonly enabled: boolean
	readonly created: number
	readonly updated: number
	readonly contentType?: string
	readonly tags?: Readonly<Record<string, string>>
	readonly notBefore?: number
	readonly expires?: number
	/** Version ids, oldest first: an order that the service itself never tells. */
	readonly versions: readonly string[]
}

export interface SetSecret {
	vault: string
	name: string
	value: string
	contentType?: string
	tags?: Record<string, string>
	enabled?: boolean
	/** Whole seconds since 1970. */
	notBefore?: number
	expires?: number
}

export interface SecretRef {
	vault: string
	name: string
}

export interface WrittenSecret {
	readonly id: string
	readonly version: string
	readonly updated: number
}

/** Keys of an identity provider: given, at a URL, or (neither) found by the issuer's discovery document. */
export interface TrustIssuer {
	/** Compared exactly with `iss`. */
	issuer: string
	jwks?: { keys: ReadonlyArray<Record<string, unknown>> }
	jwksUrl?: string
	/** For key sets that need a login, such as a cluster's; read again at each fetch. */
	bearerTokenFile?: string
	caFile?: string
}

export interface FederatedCredentialInput {
	clientId: string
	name: string
	issuer: string
	subject: string
	audience: string
}

export interface Grant {
	clientId: string
	/** Name or id of a built-in role, or the name of one made with `defineRole`. */
	role: string
	vault: string
	/** Narrows the scope to one secret. */
	secret?: string
}

/** Vaults and their secrets. Nothing here asks for a permission. */
export interface VaultControl {
	createVault(input: {
		name: string
		access?: 'rbac' | 'policy'
		/** 7 to 90, default 90. */
		recoverableDays?: number
		tenantId?: string
	}): Promise<{ url: string }>
	/** Who may reach the vault at all: `firewall` and `private` refuse everybody with the 403 of that cause. */
	setNetwork(input: { vault: string; network: 'open' | 'firewall' | 'private' }): Promise<void>
	listVaults(): Promise<Array<{ name: string; url: string; access: 'rbac' | 'policy'; secrets: number }>>

	setSecret(input: SetSecret): Promise<WrittenSecret>
	/** Bulk: for 10,000 secrets in one call. */
	setSecrets(input: { vault: string; secrets: ReadonlyArray<Omit<SetSecret, 'vault'>> }): Promise<{ written: number }>
	/** A self-signed certificate with its key and its secret; again for a renewal. Content type PFX by default. */
	addCertificate(input: {
		vault: string
		name: string
		contentType?: 'application/x-pkcs12' | 'application/x-pem-file'
	}): Promise<WrittenSecret>
	/** Changes metadata of a version, of the current one when none is named; absent means unchanged. */
	updateSecret(input: Omit<SetSecret, 'value'> & { version?: string }): Promise<WrittenSecret>
	/** Also of a disabled secret. Rejects when it is not there. */
	getSecret(input: SecretRef & { version?: string }): Promise<ControlSecret>
	deleteSecret(input: SecretRef): Promise<void>
	recoverSecret(input: SecretRef): Promise<void>
	purgeSecret(input: SecretRef): Promise<void>
}

/** Who there is, and what they may do. */
export interface IdentityControl {
	trustIssuer(input: TrustIssuer): Promise<void>
	/** Adds a client or replaces its names and credentials; federated credentials and grants stay. */
	addClient(input: {
		clientId: string
		tenantId?: string
		name?: string
		resourceGroup?: string
		clientSecret?: string
		/** PEM of a certificate whose key signs assertions of this client. */
		certificatePem?: string
		/** The managed identity endpoint gives tokens for it. */
		managedIdentity?: boolean
	}): Promise<void>
	addFederatedCredential(input: FederatedCredentialInput): Promise<void>
	removeFederatedCredential(input: { clientId: string; name: string }): Promise<void>
	/** Vaults answer the client's present tokens with a claims challenge. */
	revokeTokens(input: { clientId: string }): Promise<void>
	/** New signing key of the tenant; with `forgetOld` tokens of the old ones answer AKV10046. */
	rotateKeys(input?: { forgetOld?: boolean }): Promise<void>

	grant(input: Grant): Promise<void>
	revoke(input: Grant): Promise<void>
	/** A custom role; `*` in a data action stands for any run of characters. */
	defineRole(input: { name: string; dataActions: readonly string[] }): Promise<void>
	/** Replaces the client's permissions in an access-policy vault. */
	setPolicy(input: {
		vault: string
		clientId: string
		secretPermissions: readonly string[]
		keyPermissions?: readonly string[]
		certificatePermissions?: readonly string[]
	}): Promise<void>
	/** One `az` line of the three kinds that change identities or access; anything else rejects. */
	az(input: { command: string }): Promise<{ stdout: string }>
}

/** The run itself. */
export interface RunControl {
	addFault(fault: Fault): Promise<{ id: string }>
	removeFault(id: string): Promise<void>
	clearFaults(): Promise<void>
	/** Active faults, with how often each was met. */
	listFaults(): Promise<Array<Fault & { id: string; hits: number }>>

	/** Requests that arrived at or after `since` (milliseconds since the epoch), oldest first. */
	requests(input?: { since?: number }): Promise<LoggedRequest[]>
	requestCounts(input?: { since?: number }): Promise<RequestCount[]>

	/** Moves the emulator's clock against the machine's; negative moves it back. */
	advanceClock(input: { seconds: number }): Promise<{ now: number }>
	/** Changes settings of a running emulator; they apply to what happens from now on. */
	configure(input: {
		visibilityDelayMs?: number
		propagationDelayMs?: number
		tokenLifetimeSeconds?: number
		refreshInSeconds?: number
		/** Requests per vault and 10 s; the default is the documented one. */
		throttle?: { create: number; other: number }
		/** Whether throttled answers carry `Retry-After`; the service's do not. */
		retryAfter?: boolean
		/** Length of the pages of lists: `uneven` as the service has them, `full`, or their sizes in turn. */
		pages?: PagePlan
	}): Promise<void>
	/** Back to the state after start: vaults as configured and empty, no clients, issuers, faults or log. */
	reset(): Promise<void>
}

/**
 * Everything tests and tools can do to the emulator. In process these are calls, over HTTP each is
 * `POST /emulator/v1/<name>` with the argument as JSON. A wrong argument rejects with a ControlError that says which.
 */
export interface EmulatorControl extends VaultControl, IdentityControl, RunControl, PageControl {}

/** An argument was wrong, or names something that is not there. */
export class ControlError extends Error {
	readonly code: string

	constructor(message: string, code: string = 'BadRequest') {
		super(message)
		this.name = 'ControlError'
		this.code = code
	}
}
