/** Types of conditions. `Reconciling` and `Stalled` follow kstatus: they are there only while they are true. */
export type ConditionType =
	/** What the spec asks for is delivered. An outage of the vault does not turn it, until `refresh.staleAfter`. */
	| 'Ready'
	/** The last poll of the vault worked and what is delivered is what the vault says under the policy. */
	| 'Fresh'
	/** Work is under way or waits for something that is expected to come by itself. */
	| 'Reconciling'
	/** Somebody has to change something. It is tried again anyway, at least every five minutes. */
	| 'Stalled'

/** Every reason that a condition (or a secret in status) may carry, with what it means. `crds/README.md` shows each. */
export const REASONS = {
	Delivered: 'all that the spec asks for is in the Secret',
	Available: 'the vault has all that the spec asks for, and pods may mount the volume (delivery by Volume)',
	Current: 'what is delivered is what the vault says',
	Suspended: 'spec.suspend is true: nothing is read, written or removed',
	InvalidSpec: 'the spec breaks a rule that the API server could not check',
	NotGranted: 'the namespace has not granted the operator the rights that a binding needs',
	ServiceAccountNotFound: 'the ServiceAccount of spec.identity does not exist',
	VaultMissing: 'neither spec.vault nor the annotation of the ServiceAccount names a vault',
	VaultNotAllowed: 'the URL of the vault does not end in a suffix that the operator may talk to',
	IdentityMissing: 'client id or tenant id stands neither in the spec nor at the ServiceAccount',
	TokenRequestRefused: 'the API server refuses the operator a token of the ServiceAccount',
	SecretNotOurs: 'a Secret of that name exists and does not carry our label',
	SecretOfOtherBinding: 'a Secret of that name belongs to another binding',
	SecretTypeDiffers: 'the Secret exists with another type, and types cannot change',
	SecretImmutable: 'the Secret is marked immutable, so it cannot be updated',
	SecretWriteRefused: 'the API server refuses to read or write the Secret: permissions, quota or a policy',
	SecretTooLarge: 'the Secret would exceed 1 MiB',
	RequiredKeyMissing: 'the type of the Secret asks for a key that the vault does not have',
	SecretAbsent: 'the vault does not have the secret',
	VersionAbsent: 'the vault has the secret, but not the pinned version',
	SecretDisabled: 'the version is disabled in the vault',
	SecretExpired: 'the version has expired',
	SecretNotYetValid: 'the time of the version has not come yet',
	Deselected: 'no selector matches the secret any more',
	NameCollision: 'two secrets of the vault would have the same file name',
	NothingSelected: 'no secret of the vault matches a selector, so there is nothing to deliver',
	TooManySecrets: 'the selectors match more secrets than a binding may deliver',
	RemovalsHeld: 'more secrets would be removed at once than policy.maxRemovals allows',
	VersionTie: 'older versions were created in the same second, so it cannot be told which is the newer one',
	HistoryTooLong: 'the secret has more versions than are read through, so older ones are not followed',
	Held: 'the annotation hold pins a version for a while',
	HoldInvalid: 'the annotation hold cannot be followed',
	DecodeFailed: 'the value does not follow the rule that decode names',
	PropertyMissing: 'the value is not JSON, or has nothing where property points',
	CertificateUnusable: 'the secret of the certificate holds no usable pair of certificate and key',
	ForbiddenByRbac: 'the identity has no role that lets it read the secret',
	AccessDenied: 'the access policy of the vault does not let the identity read secrets',
	ForbiddenByPolicy: 'a policy of the vault refuses the identity',
	ForbiddenByFirewall: 'the firewall of the vault refuses the address of this cluster',
	ForbiddenByConnection: 'the vault takes no public connections and there is no private endpoint',
	Forbidden: 'the vault refuses, without one of the causes above',
	Unauthorized: 'the vault does not accept the token that Entra issued',
	FederationNotFound: 'Entra knows no federated credential for issuer, subject and audience of the ServiceAccount',
	FederationRefused: 'Entra refuses the ServiceAccount token for another cause',
	IdentityNotFound: 'Entra does not know the client id in the tenant, or the tenant',
	IdentityRefused: 'client id and tenant id are refused before Entra is asked',
	VaultOfOtherTenant: 'the vault belongs to another tenant than that of the identity',
	ListTooLarge: 'the vault has more secrets than a list may hold',
	EntraUnavailable: 'Entra does not answer, or answers that it cannot now',
	VaultThrottled: 'the vault asks to be called less often',
	VaultUnreachable: 'the vault cannot be reached over the network',
	VaultTimeout: 'the vault does not answer in time',
	VaultError: 'the vault answers with a server error',
	VaultGarbage: 'something answers in place of the vault, or its answer is broken',
	Stale: 'no poll has worked for longer than refresh.staleAfter',
	Unsettled: 'the secret changed within the last two seconds, or was absent once, and will be read once more',
} as const satisfies Record<string, string>
export type Reason = keyof typeof REASONS

/** Reasons that only events carry; the others are those of conditions. */
export const EVENT_REASONS = {
	VaultUnreachable: 'bindings that read a vault do not reach it; told once, at the lease of the operator',
	VaultReachable: 'all of them reach it again',
	PodsKeepOldValues: 'pods take the Secret as single files (subPath) or as environment variables, which never change',
	PodsNotRefreshed: 'the operator may not tell pods of a new value, so they have it when their kubelet looks by itself',
} as const satisfies Record<string, string>
export type EventReason = keyof typeof EVENT_REASONS
