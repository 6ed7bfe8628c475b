// X.509 v3 certificates with P-256 keys, by node:crypto alone.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, boolean, explicit, implicit, integer, octets, oid, sequence, set, time, utf8 } from './der.ts'

export interface KeyPair {
	readonly publicKey: KeyObject
	readonly privateKey: KeyObject
}

export const createKeyPair = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

export interface CertificateRequest {
	/** Common name. */
	readonly subject: string
	readonly issuer: string
	readonly publicKey: KeyObject
	/** Key of the issuer, and its public half for the authority key id. */
	readonly signer: KeyPair
	readonly notBefore: Date
	readonly notAfter: Date
	/** A CA that signs leaves only, or a server with these DNS names and addresses. */
	readonly use: { kind: 'ca' } | { kind: 'server'; names: readonly string[] }
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

const name = (commonName: string): Buffer => sequence(set(sequence(oid('2.5.4.3'), utf8(commonName))))

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
	return [
		extension('2.5.29.19', true, sequence()),
		// digitalSignature is bit 0.
		extension('2.5.29.15', true, bits(Buffer.from([0x80]), 7)),
		extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))),
		extension('2.5.29.17', false, sequence(...use.names.map(alternativeName))),
		...ids,
	]
}

/** A signed certificate as PEM. */
export function createCertificate(request: CertificateRequest): string {
	// Positive and at most 20 octets (RFC 5280, 4.1.2.2).
	const serial = randomBytes(16)
	serial[0] = ((serial[0] as number) & 0x7f) | 0x40
	const tbs = sequence(
		explicit(0, integer(Buffer.from([2]))),
		integer(serial),
		ECDSA_SHA256,
		name(request.issuer),
		sequence(time(request.notBefore), time(request.notAfter)),
		name(request.subject),
		request.publicKey.export({ format: 'der', type: 'spki' }),
		explicit(3, sequence(...extensions(request))),
	)
	const signature = sign('sha256', tbs, request.signer.privateKey)
	const der = sequence(tbs, ECDSA_SHA256, bits(signature))
	const lines = der.toString('base64').match(/.{1,64}/g) ?? []
	return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
