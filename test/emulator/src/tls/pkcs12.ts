// PKCS#12 (RFC 7292) with one certificate and its key and an empty password, as Key Vault hands certificates out:
// bags in the clear, integrity by HMAC-SHA-256.
import { createHash, createHmac, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { explicit, integer, nullValue, octets, oid, sequence, set } from './der.ts'

const DATA = '1.2.840.113549.1.7.1'
const KEY_BAG = '1.2.840.113549.1.12.10.1.1'
const CERT_BAG = '1.2.840.113549.1.12.10.1.3'
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1'
const LOCAL_KEY_ID = '1.2.840.113549.1.9.21'
const SHA256 = '2.16.840.1.101.3.4.2.1'

/** OpenSSL's default; more would only slow down a file that has no password. */
const ITERATIONS = 2048
/** Block size of SHA-256, to which the derivation pads its inputs. */
const BLOCK = 64
/** Purpose byte of a MAC key (RFC 7292, B.3). */
const MAC_PURPOSE = 3

const contentInfo = (content: Buffer): Buffer => sequence(oid(DATA), explicit(0, octets(content)))

/** `keyId` is what the certificate of a key and the key share. */
const bag = (kind: string, value: Buffer, keyId: Buffer | undefined): Buffer =>
	sequence(oid(kind), explicit(0, value), ...(keyId ? [set(sequence(oid(LOCAL_KEY_ID), set(octets(keyId))))] : []))

/** Key of the MAC for the empty password: two zero bytes, the terminator of a BMPString (RFC 7292, B.2; one output block is enough). */
function macKey(salt: Buffer): Buffer {
	const padded = (bytes: Buffer): Buffer => Buffer.alloc(BLOCK, bytes)
	let digest: Buffer = Buffer.concat([Buffer.alloc(BLOCK, MAC_PURPOSE), padded(salt), padded(Buffer.alloc(2))])
	for (let round = 0; round < ITERATIONS; round += 1) digest = createHash('sha256').update(digest).digest()
	return digest
}

/** The PFX of a PEM chain, leaf first, and its private key; without a key for one that must not leave. */
export function createPfx(chain: readonly string[], privateKey: KeyObject | undefined): Buffer {
	const raws = chain.map((pem) => new X509Certificate(pem).raw)
	const raw = raws[0] as Buffer
	const keyId = createHash('sha1').update(raw).digest()
	const certificates = sequence(
		...raws.map((each, i) =>
			bag(CERT_BAG, sequence(oid(X509_CERTIFICATE), explicit(0, octets(each))), i === 0 ? keyId : undefined),
		),
	)
	const keys = privateKey && sequence(bag(KEY_BAG, privateKey.export({ format: 'der', type: 'pkcs8' }), keyId))
	const safe = sequence(contentInfo(certificates), ...(keys ? [contentInfo(keys)] : []))
	const salt = randomBytes(8)
	const mac = createHmac('sha256', macKey(salt)).update(safe).digest()
	const macData = sequence(
		sequence(sequence(oid(SHA256), nullValue()), octets(mac)),
		octets(salt),
		integer(Buffer.from([ITERATIONS >> 8, ITERATIONS & 255])),
	)
	return sequence(integer(Buffer.from([3])), contentInfo(safe), macData)
}
