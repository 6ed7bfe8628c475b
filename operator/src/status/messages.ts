import { ALLOW_REMOVALS_ANNOTATION } from '../api/constants.ts'
import type { WaitingRemovals } from '../engine/brake.ts'
import type { EntryResult } from '../engine/entry.ts'
import type { VaultFault } from '../engine/fault.ts'
import type { FaultContext } from '../engine/outcome.ts'
import { MAX_VERSION_PAGES } from '../engine/versions.ts'
import {
	accessPolicyLine,
	annotateBindingLine,
	type Federation,
	federatedCredentialLine,
	roleAssignmentLine,
	subjectOf,
	tenantLine,
	vaultNameOf,
} from './commands.ts'

/** A sentence, and under it the line that mends it, if there is one: on a line of its own, so that it can be copied. */
export const withLine = (text: string, line: string | undefined) => (line === undefined ? text : `${text}\n${line}`)

/** Says what a fault is and what to do. Built from `at` only: nothing that the vault or Entra wrote. */
export function explainFault(fault: VaultFault, at: FaultContext, secretNames: readonly string[] = []): string {
	const { clientId, tenantId, vaultUrl } = at
	const vault = vaultNameOf(vaultUrl)
	const what = secretNames.length > 0 ? ` (${listed(secretNames)})` : ''
	switch (fault.kind) {
		case 'absent':
		case 'versionAbsent':
		case 'disabled':
		case 'expired':
		case 'notYetValid':
		case 'versionTie':
		case 'historyTooLong':
		case 'nameCollision':
		case 'decode':
		case 'property':
		case 'certificate':
			return explainSecretFault(fault, vault, what)
		case 'forbiddenRbac':
			return withLine(
				`The identity ${clientId} has no role that lets it read secrets of the vault ${vault}${what}. A new assignment takes some minutes to work. Assign the role:`,
				roleAssignmentLine(clientId, vault),
			)
		case 'accessDenied':
			return withLine(
				`The access policies of the vault ${vault} do not let the identity ${clientId} read secrets. Let it:`,
				accessPolicyLine(clientId, vault),
			)
		case 'forbiddenPolicy':
			return `A policy of the vault ${vault} refuses the identity ${clientId}. Ask who owns the vault.`
		case 'firewall':
			return `The firewall of the vault ${vault} refuses the address of this cluster. This is the network, not a missing permission: allow the cluster's outbound address or subnet, or use a private endpoint.`
		case 'connection':
			return `The vault ${vault} takes no connections from the public network. This is the network, not a missing permission: give this cluster a private endpoint and its DNS zone.`
		case 'forbidden':
			return `The vault ${vault} refuses the identity ${clientId}${what} without a cause that is known here. Look into the vault's diagnostic log.`
		case 'unauthorized':
			return `The vault ${vault} does not accept the token that Entra issued to ${clientId}. The vault may belong to another tenant than ${tenantId}.`
		case 'federation':
		case 'federationRefused':
		case 'identityNotFound':
		case 'identityRefused':
		case 'otherTenant':
			return explainIdentityFault(fault, at)
		case 'listTooLarge':
			return `The vault ${vault} has more secrets than the operator keeps of one list (8 MiB, about 16,000 secrets; less while many large vaults are listed at once). Name the secrets in secrets instead of select, or spread them over vaults.`
		case 'entraUnavailable':
			return 'Entra does not answer, or answers that it cannot issue tokens now. It is tried again by itself.'
		case 'throttled':
			return `The vault ${vault} asks to be called less often. It is tried again by itself; longer intervals help.`
		case 'unreachable':
			return `The vault ${vault} cannot be reached: no connection, or its name does not resolve. It is tried again by itself.`
		case 'timeout':
			return `The vault ${vault} does not answer in time. It is tried again by itself.`
		case 'server':
			return `The vault ${vault} answers with server errors. It is tried again by itself.`
		case 'garbage':
			return `What answers under ${vaultUrl} does not answer as Key Vault does. Look for a proxy in between.`
	}
}

type IdentityFault = Extract<
	VaultFault,
	{ kind: 'federation' | 'federationRefused' | 'identityNotFound' | 'identityRefused' | 'otherTenant' }
>

/** The identity is not known, or not trusted: what Entra says, or what was never asked. */
function explainIdentityFault(fault: IdentityFault, at: FaultContext): string {
	const { clientId, tenantId, vaultUrl } = at
	const vault = vaultNameOf(vaultUrl)
	switch (fault.kind) {
		case 'federation':
			return explainFederation(at)
		case 'federationRefused':
			return `Entra refuses the token of the ServiceAccount ${at.serviceAccount} (AADSTS${fault.code}). Its issuer ${at.issuer ?? '(not known yet)'} must be reachable for Entra and the clocks must agree.`
		case 'identityNotFound':
			return `Entra does not know the client id ${clientId} in the tenant ${tenantId} (AADSTS${fault.code}). Correct the annotations of the ServiceAccount ${at.serviceAccount}, or clientId and tenantId of the spec.`
		case 'identityRefused':
			return `The client id ${clientId} and the tenant id ${tenantId} cannot be used; Entra was not asked. Correct the annotations of the ServiceAccount ${at.serviceAccount}, or clientId and tenantId of the spec.`
		case 'otherTenant':
			return withLine(
				`The vault ${vault} belongs to the tenant ${fault.tenant}, and the identity ${clientId} is asked for in the tenant ${tenantId}. A token of another tenant is not accepted: the identity must be one of the vault's tenant (a managed identity there, or a multi-tenant application that is registered there). Then name that tenant, here or as identity.tenantId of the spec if it is written there:`,
				tenantLine(at.namespace, at.serviceAccount, fault.tenant),
			)
	}
}

type SecretFault = Extract<
	VaultFault,
	{
		kind:
			| 'absent'
			| 'versionAbsent'
			| 'disabled'
			| 'expired'
			| 'notYetValid'
			| 'versionTie'
			| 'historyTooLong'
			| 'nameCollision'
			| 'decode'
			| 'property'
			| 'certificate'
	}
>

/** A fault of one secret, or of some: `what` names them. */
function explainSecretFault(fault: SecretFault, vault: string, what: string): string {
	switch (fault.kind) {
		case 'absent':
			return `The vault ${vault} does not have the secret${what}. Create it there, or set optional: true.`
		case 'versionAbsent':
			return `The vault ${vault} has the secret${what}, but not the version that the spec pins. Write another version, or none for the current one.`
		case 'disabled':
			return `The version in the vault ${vault} is disabled${what}. Enable it, or add a new version.`
		case 'expired':
			return `The version in the vault ${vault} has expired${what}. Add a new version, or move its expiry.`
		case 'notYetValid':
			return `The time of the version in the vault ${vault} has not come yet${what}. It is delivered when it has.`
		case 'versionTie':
			return `Versions in the vault ${vault} were created in the same second${what}, so it cannot be told which of them is the newer one; none of them is delivered as an older version. Add a version, or disable the one that is not meant.`
		case 'historyTooLong':
			return `The secret in the vault ${vault} has more than ${MAX_VERSIONS} versions${what}; older ones are not followed any more. Start a new secret, or write previous: 0.`
		case 'nameCollision':
			return `Two or more secrets of the vault ${vault} would have the same file name${what}; none of them changes. Name one in secrets, or narrow the selectors.`
		case 'decode':
			return isLimit(fault.rule)
				? `The value${what} in the vault ${vault} ${LIMITS[fault.rule]}`
				: `The value${what} in the vault ${vault} is not ${DECODE_RULES[fault.rule]}. Store it so, or write another decode.`
		case 'property':
			return isLimit(fault.rule)
				? `The value${what} in the vault ${vault} ${LIMITS[fault.rule]}`
				: `The ${PROPERTY_RULES[fault.rule][0]}${what} in the vault ${vault} ${PROPERTY_RULES[fault.rule][1]}`
		case 'certificate':
			return `The certificate${what} in the vault ${vault} cannot be used: ${CERTIFICATE_RULES[fault.rule]}`
	}
}

/** Versions on the pages that are read at most. */
const MAX_VERSIONS = MAX_VERSION_PAGES * 25

const DECODE_RULES = {
	Base64: 'base64 (A-Z, a-z, 0-9, "+", "/", with its padding, without white space and line breaks)',
	Base64Url: 'base64url (A-Z, a-z, 0-9, "-", "_", without white space and line breaks)',
	Hex: 'hexadecimal (an even number of the digits 0-9, a-f, without white space and line breaks)',
} as const

/** A value that takes more than is given to one (engine/form.ts, forms/forms.ts). */
const LIMITS = {
	size: 'is too large for what is made of it: more than 50000 characters, or entries of more than 1 MiB together. Store less in one secret.',
	time: 'takes longer than 10 seconds to be read. Store a simpler value as a new version.',
} as const
const isLimit = (rule: string): rule is keyof typeof LIMITS => Object.hasOwn(LIMITS, rule)

const PROPERTY_RULES = {
	json: ['value', 'is not JSON, so it has no property. Store JSON, or leave out property.'],
	pointer: [
		'JSON value',
		'has nothing where property points. Write the pointer as in /database/password, with ~1 for a slash and ~0 for a tilde in a name.',
	],
	text: [
		'JSON value',
		'has half of a character where property points, which no file can hold. Store the whole character.',
	],
	depth: ['JSON value', 'has more than 128 levels. Store flatter JSON.'],
} as const

const CERTIFICATE_RULES: Record<Extract<VaultFault, { kind: 'certificate' }>['rule'], string> = {
	contentType:
		'its content type is neither application/x-pkcs12 nor application/x-pem-file. Create it as a certificate of the vault, or set the content type.',
	pfx: 'it is not a PFX file in base64 without a password. Import it without one.',
	pem: 'it is not PEM text with unencrypted blocks. Import it again.',
	keyEncrypted:
		'its private key is encrypted with a passphrase, which the vault does not hold. Store the key without one.',
	rounds:
		'its PFX file asks for more than 100000 rounds in all to derive its keys (a round of SHA-256 counts as two, of SHA-384 and SHA-512 as four), which nothing without a password needs. Import it again.',
	size: 'it is larger than 50000 characters. Store a shorter chain.',
	time: 'it takes longer than 10 seconds to be read. Import a simpler one.',
	certMissing: 'it holds no certificate. Import it again, key and certificate together.',
	keyMissing: "it holds no private key. Make the key exportable in the certificate's policy, and issue a new version.",
	keyMismatch: 'none of its certificates belongs to its private key. Import the pair again.',
	chainMissing: 'it holds no certificate of its issuer, which ca asks for. Import it with its chain, or leave out ca.',
}

function explainFederation(at: FaultContext): string {
	const subject = subjectOf(at.namespace, at.serviceAccount)
	const federation: Federation | undefined = at.issuer === undefined ? undefined : { ...at, issuer: at.issuer }
	return withLine(
		`The identity ${at.clientId} has no federated credential for issuer ${at.issuer ?? '(not known yet)'}, subject ${subject}, audience ${at.audience}. A new one takes some minutes to work. An identity takes 20 at most: if it has them, delete one that nobody uses, or take another identity. Create it:`,
		federation && federatedCredentialLine(federation),
	)
}

/** Removals that wait, and the line that lets them go on. */
export function explainWaitingRemovals(
	{ names, digest }: WaitingRemovals,
	{ namespace }: FaultContext,
	binding: string,
): string {
	return withLine(
		`${names.length} secrets would be removed at once, more than policy.maxRemovals allows, so none of them was: ${listed(names)}. If they shall go:`,
		annotateBindingLine(namespace, binding, ALLOW_REMOVALS_ANNOTATION, digest),
	)
}

/** What is delivered as the policy says and still worth to be known, a sentence for each kind. */
export function explainNotes(results: readonly EntryResult[]): string[] {
	const names = (is: (result: EntryResult) => boolean) => results.filter(is).map(({ wanted }) => wanted.name)
	const sentence = (text: string, of: string[]) => (of.length === 0 ? [] : [`${text}: ${listed(of)}.`])
	return [
		...sentence(
			'An older version stands in for the current one, which cannot be used',
			names(({ state }) => state === 'Previous'),
		),
		...sentence(
			'Expired, and delivered all the same',
			names(({ state, reason }) => state === 'Current' && reason === 'SecretExpired'),
		),
		...sentence(
			'Not valid yet, and delivered all the same',
			names(({ state, reason }) => state === 'Current' && reason === 'SecretNotYetValid'),
		),
		...sentence(
			'Kept though no selector matches any more',
			names(({ state, inManifest }) => state === 'Deselected' && inManifest !== undefined),
		),
	]
}

// Enough to see which, short enough for a table.
const MAX_NAMES = 10

export function listed(names: readonly string[]): string {
	const more = names.length - MAX_NAMES
	return more > 0 ? `${names.slice(0, MAX_NAMES).join(', ')} and ${more} more` : names.join(', ')
}
