// X.509 v3 certificates with P-256 keys, by node:crypto alone.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, boolean, explicit, implicit, integer, nullValue, octets, oid, sequence, set, time, utf8 } from './der.ts'

export interface KeyPair {
	readonly publicKey: KeyObject
	readonly privateKey: KeyObject
}

export const createKeyPair = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

export interface CertificateRequest {
	/** Common name, or a distinguished name such as `CN=shop.example, O=Shop`. */
	readonly subject: string
	readonly issuer: string
	readonly publicKey: KeyObject
	/** Key of the issuer, and its public half for the authority key id. */
	readonly signer: KeyPair
	readonly notBefore: Date
	readonly notAfter: Date
	/** A CA that signs leaves only, or a server with these DNS names and addresses. */
	readonly use:
		| { kind: 'ca' }
		| {
				kind: 'server'
				names: readonly string[]
				/** Key usages by Key Vault's names, default digitalSignature; extended ones by id, default server. */
				keyUsage?: readonly string[]
				extended?: readonly string[]
		  }
}

/** ECDSA or RSA (PKCS#1 v1.5) with SHA-256, as the signing key is. */
export const signatureAlgorithm = (key: KeyObject): Buffer =>
	key.asymmetricKeyType === 'rsa'
		? sequence(oid('1.2.840.113549.1.1.11'), nullValue())
		: sequence(oid('1.2.840.10045.4.3.2'))

/** Attributes of a distinguished name that certificates have (RFC 4514, 3, and ST for S). */
const ATTRIBUTES: Readonly<Record<string, string>> = {
	CN: '2.5.4.3',
	C: '2.5.4.6',
	L: '2.5.4.7',
	S: '2.5.4.8',
	ST: '2.5.4.8',
	O: '2.5.4.10',
	OU: '2.5.4.11',
	DC: '0.9.2342.19200300.100.1.25',
	E: '1.2.840.113549.1.9.1',
}

/** A common name, or `A=b, C=d`. Undefined for an attribute that is not known. */
export function distinguishedName(text: string): Buffer | undefined {
	if (!/^[A-Za-z]{1,2}=/.test(text)) return sequence(set(sequence(oid('2.5.4.3'), utf8(text))))
	const parts = text.split(/\s*,\s*(?=[A-Za-z]{1,2}=)/).map((part) => {
		const at = part.indexOf('=')
		const id = ATTRIBUTES[part.slice(0, at).toUpperCase()]
		const value = part.slice(at + 1).replace(/^"(.*)"$/, '$1')
		return id === undefined || value === '' ? undefined : set(sequence(oid(id), utf8(value)))
	})
	return parts.includes(undefined) ? undefined : sequence(...(parts as Buffer[]))
}

function name(text: string): Buffer {
	const encoded = distinguishedName(text)
	if (!encoded) throw new Error(`not a distinguished name: ${text}`)
	return encoded
}

/** Bits of the key usage extension (RFC 5280, 4.2.1.3), by Key Vault's names. */
const KEY_USAGES: readonly string[] = [
	'digitalSignature',
	'nonRepudiation',
	'keyEncipherment',
	'dataEncipherment',
	'keyAgreement',
	'keyCertSign',
	'cRLSign',
	'encipherOnly',
	'decipherOnly',
]

export const isKeyUsage = (text: string): boolean => KEY_USAGES.includes(text)

function keyUsageBits(usages: readonly string[]): Buffer {
	const positions = usages.map((usage) => KEY_USAGES.indexOf(usage)).filter((position) => position >= 0)
	const highest = Math.max(0, ...positions)
	const bytes = Buffer.alloc(highest < 8 ? 1 : 2)
	for (const position of positions) bytes[position >> 3] = (bytes[position >> 3] as number) | (0x80 >> (position & 7))
	return bits(bytes, 7 - (highest & 7))
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
	sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value))

/** SHA-1 of the key info: an identifier, not a protection. */
const keyId = (publicKey: KeyObject): Buffer =>
	createHash('sha1')
		.update(publicKey.export({ format: 'der', type: 'spki' }))
		.digest()

function address(text: string): Buffer {
	if (isIP(text) === 4) return Buffer.from(text.split('.').map(Number))
	const [head = '', tail] = text.split('::')
	const groups = (part: string | undefined): string[] => (part ? part.split(':') : [])
	const before = groups(head)
	const after = groups(tail)
	const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
	return Buffer.from(
		[...before, ...zeros, ...after].flatMap((group) => [
			Number.parseInt(group, 16) >> 8,
			Number.parseInt(group, 16) & 255,
		]),
	)
}

const alternativeName = (text: string): Buffer =>
	isIP(text) === 0 ? implicit(2, Buffer.from(text)) : implicit(7, address(text))

function extensions({ use, publicKey, signer }: CertificateRequest): Buffer[] {
	const ids = [
		extension('2.5.29.14', false, octets(keyId(publicKey))),
		// Python's strict verification (on by default since 3.13) asks for it.
		extension('2.5.29.35', false, sequence(implicit(0, keyId(signer.publicKey)))),
	]
	if (use.kind === 'ca') {
		// cA true, path length 0; keyCertSign and cRLSign are bits 5 and 6.
		return [
			extension('2.5.29.19', true, sequence(boolean(true), integer(Buffer.from([0])))),
			extension('2.5.29.15', true, bits(Buffer.from([0x06]), 1)),
			...ids,
		]
	}
	const { names, keyUsage = ['digitalSignature'], extended = [SERVER_AUTH] } = use
	return [
		extension('2.5.29.19', true, sequence()),
		...(keyUsage.length === 0 ? [] : [extension('2.5.29.15', true, keyUsageBits(keyUsage))]),
		...(extended.length === 0 ? [] : [extension('2.5.29.37', false, sequence(...extended.map(oid)))]),
		...(names.length === 0 ? [] : [extension('2.5.29.17', false, sequence(...names.map(alternativeName)))]),
		...ids,
	]
}

/** A signed certificate as PEM. */
export function createCertificate(request: CertificateRequest): string {
	// Positive and at most 20 octets (RFC 5280, 4.1.2.2).
	const serial = randomBytes(16)
	serial[0] = ((serial[0] as number) & 0x7f) | 0x40
	const algorithm = signatureAlgorithm(request.signer.privateKey)
	const tbs = sequence(
		explicit(0, integer(Buffer.from([2]))),
		integer(serial),
		algorithm,
		name(request.issuer),
		sequence(time(request.notBefore), time(request.notAfter)),
		name(request.subject),
		request.publicKey.export({ format: 'der', type: 'spki' }),
		explicit(3, sequence(...extensions(request))),
	)
	const signature = sign('sha256', tbs, request.signer.privateKey)
	const der = sequence(tbs, algorithm, bits(signature))
	const lines = der.toString('base64').match(/.{1,64}/g) ?? []
	return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** A certificate request (PKCS#10, RFC 2986) without attributes, as base64 of its DER. */
export function createRequest(subject: string, keys: KeyPair): string {
	const info = sequence(
		integer(Buffer.from([0])),
		name(subject),
		keys.publicKey.export({ format: 'der', type: 'spki' }),
		// An empty set of attributes, implicitly tagged as constructed.
		explicit(0, Buffer.alloc(0)),
	)
	const signature = sign('sha256', info, keys.privateKey)
	return sequence(info, signatureAlgorithm(keys.privateKey), bits(signature)).toString('base64')
}
