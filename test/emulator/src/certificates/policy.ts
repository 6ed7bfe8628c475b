// Policies as they come and go in JSON.
import { badParameter, notEmulated } from '../http/service-error.ts'
import { familyOf } from '../keys/create.ts'
import { PEM, PFX } from '../secrets/certificates.ts'
import { isObject } from '../secrets/input.ts'
import { distinguishedName, isKeyUsage } from '../tls/certificate.ts'
import type { CertificatePolicy } from './model.ts'

const SERVER_AND_CLIENT = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']
/** The service's default actions: renewal at four fifths of the life. */
const DEFAULT_ACTIONS = [{ trigger: { lifetime_percentage: 80 }, action: { action_type: 'AutoRenew' } }]

export const DEFAULT_POLICY: CertificatePolicy = {
	kty: 'RSA',
	keySize: 2048,
	reuseKey: false,
	exportable: true,
	contentType: PFX,
	subject: 'CN=DefaultPolicy',
	dnsNames: [],
	ekus: SERVER_AND_CLIENT,
	keyUsage: ['digitalSignature', 'keyEncipherment'],
	validityMonths: 12,
	issuer: 'Self',
	lifetimeActions: DEFAULT_ACTIONS,
}

const invalid = (property: string): Error => badParameter(`Property 'policy.${property}' has invalid value.`)

/** Reads one field: absent keeps what was there. */
function field<T>(value: unknown, property: string, is: (value: unknown) => value is T, before: T): T {
	if (value === undefined || value === null) return before
	if (!is(value)) throw invalid(property)
	return value
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText)
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'
const isNumber = (value: unknown): value is number => Number.isSafeInteger(value)
const isOid = (text: string): boolean => /^[0-2](\.\d{1,9}){1,20}$/.test(text)
const isDnsName = (text: string): boolean => /^(\*\.)?[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,10}$/.test(text)
const part = (policy: Record<string, unknown>, name: string): Record<string, unknown> => {
	const value = policy[name]
	if (value === undefined || value === null) return {}
	if (!isObject(value)) throw invalid(name)
	return value
}

/** A policy over the one before it: what is absent stays. */
export function parsePolicy(value: unknown, before: CertificatePolicy = DEFAULT_POLICY): CertificatePolicy {
	if (value === undefined || value === null) return before
	if (!isObject(value)) throw badParameter("Property 'policy' has invalid value.")
	const [key, secret, x509, issuer] = ['key_props', 'secret_props', 'x509_props', 'issuer'].map((name) =>
		part(value, name),
	) as [Record<string, unknown>, Record<string, unknown>, Record<string, unknown>, Record<string, unknown>]
	const kty = field(key['kty'], 'key_props.kty', isText, before.kty)
	const family = familyOf(kty)
	const keySize = field<number | undefined>(key['key_size'], 'key_props.key_size', isNumber, before.keySize)
	const curve = field<string | undefined>(key['crv'], 'key_props.crv', isText, before.curve)
	const policy: CertificatePolicy = {
		kty,
		...(family === 'RSA' && keySize !== undefined ? { keySize } : {}),
		...(family === 'EC' && curve !== undefined ? { curve } : {}),
		reuseKey: field(key['reuse_key'], 'key_props.reuse_key', isBoolean, before.reuseKey),
		exportable: field(key['exportable'], 'key_props.exportable', isBoolean, before.exportable),
		contentType: field(secret['contentType'], 'secret_props.contentType', isText, before.contentType),
		subject: field(x509['subject'], 'x509_props.subject', isText, before.subject),
		dnsNames: field(part(x509, 'sans')['dns_names'], 'x509_props.sans.dns_names', isTexts, before.dnsNames),
		ekus: field(x509['ekus'], 'x509_props.ekus', isTexts, before.ekus),
		keyUsage: field(x509['key_usage'], 'x509_props.key_usage', isTexts, before.keyUsage),
		validityMonths: field(x509['validity_months'], 'x509_props.validity_months', isNumber, before.validityMonths),
		issuer: field(issuer['name'], 'issuer.name', isText, before.issuer),
		lifetimeActions: field<readonly unknown[]>(
			value['lifetime_actions'],
			'lifetime_actions',
			(each): each is unknown[] => Array.isArray(each),
			before.lifetimeActions,
		),
	}
	check(policy)
	return policy
}

function check(policy: CertificatePolicy): void {
	if (policy.contentType !== PFX && policy.contentType !== PEM) throw invalid('secret_props.contentType')
	if (policy.subject !== '' && distinguishedName(policy.subject) === undefined) throw invalid('x509_props.subject')
	if (!policy.dnsNames.every(isDnsName)) throw invalid('x509_props.sans.dns_names')
	if (!policy.ekus.every(isOid)) throw invalid('x509_props.ekus')
	if (!policy.keyUsage.every(isKeyUsage)) throw invalid('x509_props.key_usage')
	// Ten years are the service's most for its own certificates.
	if (policy.validityMonths < 1 || policy.validityMonths > 120) throw invalid('x509_props.validity_months')
}

/** Only self-signed certificates are made. */
export function requireSelf({ issuer }: CertificatePolicy): void {
	if (issuer.toLowerCase() !== 'self') throw notEmulated(`certificates of an issuer other than "Self"`)
}

/** The policy as answers have it. */
export const policyJson = (
	policy: CertificatePolicy,
	id: string,
	dates: { created: number; updated: number },
): object => ({
	id,
	key_props: {
		exportable: policy.exportable,
		kty: policy.kty,
		...(policy.keySize === undefined ? {} : { key_size: policy.keySize }),
		...(policy.curve === undefined ? {} : { crv: policy.curve }),
		reuse_key: policy.reuseKey,
	},
	secret_props: { contentType: policy.contentType },
	x509_props: {
		subject: policy.subject,
		...(policy.dnsNames.length === 0 ? {} : { sans: { dns_names: policy.dnsNames } }),
		ekus: policy.ekus,
		key_usage: policy.keyUsage,
		validity_months: policy.validityMonths,
		basic_constraints: { ca: false },
	},
	lifetime_actions: policy.lifetimeActions,
	issuer: { name: policy.issuer },
	attributes: { enabled: true, ...dates },
})
