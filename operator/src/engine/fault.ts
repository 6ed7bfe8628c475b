import type { Reason } from '../api/conditions.ts'

/**
 * What went wrong between us and the vault, as far as it calls for different reactions. Holds nothing that the vault or
 * Entra wrote but codes of known form: their texts never travel further.
 */
export type VaultFault =
	| { kind: 'absent' }
	| { kind: 'versionAbsent' }
	| { kind: 'disabled' }
	| { kind: 'expired' }
	| { kind: 'notYetValid' }
	/** older versions of the same second: which is newer cannot be told */
	| { kind: 'versionTie' }
	/** too many versions to read through their list */
	| { kind: 'historyTooLong' }
	| { kind: 'nameCollision' }
	/** the value does not follow the rule of `decode`; `size` and `time`: it takes more than is given to one value */
	| { kind: 'decode'; rule: 'Base64' | 'Base64Url' | 'Hex' | 'size' | 'time' }
	/** no JSON, nothing at the pointer, or a text there that UTF-8 cannot write */
	| { kind: 'property'; rule: 'json' | 'pointer' | 'text' | 'depth' | 'size' | 'time' }
	| {
			kind: 'certificate'
			rule:
				| 'contentType'
				| 'pfx'
				| 'pem'
				| 'keyEncrypted'
				| 'rounds'
				| 'certMissing'
				| 'keyMissing'
				| 'keyMismatch'
				| 'chainMissing'
				| 'size'
				| 'time'
	  }
	| { kind: 'forbiddenRbac' }
	| { kind: 'accessDenied' }
	| { kind: 'forbiddenPolicy' }
	| { kind: 'firewall' }
	| { kind: 'connection' }
	| { kind: 'forbidden' }
	| { kind: 'unauthorized' }
	/** `code`: the number after AADSTS */
	| { kind: 'federation'; code: string }
	| { kind: 'federationRefused'; code: string }
	| { kind: 'identityNotFound'; code: string }
	/** the library refuses client or tenant id before it asks Entra */
	| { kind: 'identityRefused' }
	/** `tenant`: that of the vault, a GUID in lower case */
	| { kind: 'otherTenant'; tenant: string }
	/** the vault has more secrets than there is room for in a list */
	| { kind: 'listTooLarge' }
	| { kind: 'entraUnavailable'; retryAfterMs?: number }
	| { kind: 'throttled'; retryAfterMs?: number }
	| { kind: 'unreachable' }
	| { kind: 'timeout' }
	| { kind: 'server'; retryAfterMs?: number }
	| { kind: 'garbage' }

export type FaultKind = VaultFault['kind']

/**
 * - `secret`: said about one secret; the others are still worth asking for
 * - `permission`: somebody has to change something, or has just done so and it propagates
 * - `transient`: expected to pass by itself
 */
export type FaultClass = 'secret' | 'permission' | 'transient'

interface FaultTraits {
	reason: Reason
	class: FaultClass
	/** true when all further questions of this session would get the same answer, so the poll ends here */
	session: boolean
}

const secret = (reason: Reason): FaultTraits => ({ reason, class: 'secret', session: false })
const permission = (reason: Reason, session: boolean): FaultTraits => ({ reason, class: 'permission', session })
const transient = (reason: Reason): FaultTraits => ({ reason, class: 'transient', session: true })

const TRAITS: Record<FaultKind, FaultTraits> = {
	absent: secret('SecretAbsent'),
	versionAbsent: secret('VersionAbsent'),
	disabled: secret('SecretDisabled'),
	expired: secret('SecretExpired'),
	notYetValid: secret('SecretNotYetValid'),
	versionTie: secret('VersionTie'),
	historyTooLong: secret('HistoryTooLong'),
	nameCollision: secret('NameCollision'),
	decode: secret('DecodeFailed'),
	property: secret('PropertyMissing'),
	certificate: secret('CertificateUnusable'),
	// Roles can be assigned for single secrets, so one refusal says nothing about the next secret.
	forbiddenRbac: permission('ForbiddenByRbac', false),
	accessDenied: permission('AccessDenied', true),
	forbiddenPolicy: permission('ForbiddenByPolicy', true),
	firewall: permission('ForbiddenByFirewall', true),
	connection: permission('ForbiddenByConnection', true),
	forbidden: permission('Forbidden', false),
	// Seen as transient (AKV10046) and after a grant; a new client and credential are tried at the next poll.
	unauthorized: permission('Unauthorized', true),
	federation: permission('FederationNotFound', true),
	federationRefused: permission('FederationRefused', true),
	identityNotFound: permission('IdentityNotFound', true),
	identityRefused: permission('IdentityRefused', true),
	otherTenant: permission('VaultOfOtherTenant', true),
	// Reading secrets by name goes on.
	listTooLarge: permission('ListTooLarge', false),
	entraUnavailable: transient('EntraUnavailable'),
	throttled: transient('VaultThrottled'),
	unreachable: transient('VaultUnreachable'),
	timeout: transient('VaultTimeout'),
	server: transient('VaultError'),
	garbage: transient('VaultGarbage'),
}

const reasonsOf = (wanted: FaultClass): Reason[] =>
	Object.values(TRAITS).flatMap((traits) => (traits.class === wanted ? [traits.reason] : []))

/** Reasons of faults that are expected to pass by themselves. */
export const TRANSIENT: ReadonlySet<string> = new Set(reasonsOf('transient'))

/** Reasons that somebody has to change something for. */
export const PERMISSION: ReadonlySet<string> = new Set(reasonsOf('permission'))

/** Reasons that are found out by a poll that works: what the vault says of a secret, what waits for a human, what cannot be written. */
export const ANSWERED: ReadonlySet<string> = new Set<Reason>([
	...reasonsOf('secret'),
	'NothingSelected',
	'RemovalsHeld',
	'HoldInvalid',
	'TooManySecrets',
	'SecretTypeDiffers',
	'SecretImmutable',
	'SecretWriteRefused',
	'SecretTooLarge',
	'RequiredKeyMissing',
])

export const reasonOf = (kind: FaultKind): Reason => TRAITS[kind].reason
export const traitsOf = (fault: VaultFault): FaultTraits => TRAITS[fault.kind]

/** Whether two faults are explained by the same words, but for the names of the secrets. */
export const sameFault = (a: VaultFault, b: VaultFault): boolean =>
	a.kind === b.kind && ('rule' in a ? a.rule : undefined) === ('rule' in b ? b.rule : undefined)

/** How long the other side asked to wait, in milliseconds. */
export function retryAfterOf(fault: VaultFault): number {
	return 'retryAfterMs' in fault ? (fault.retryAfterMs ?? 0) : 0
}
