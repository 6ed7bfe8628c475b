import { createPrivateKey, type KeyObject, pbkdf2Sync, X509Certificate } from 'node:crypto'
import forge from 'node-forge'
import { decodeValue } from '../engine/decode.ts'
import { BrokenCertificate, type Bundle } from './bundle.ts'

// Of one file, all key derivations together. A file has three (checksum, certificates, key); OpenSSL writes 2,048 rounds to
// each, Windows 2,000 and Java 10,000. Counted in rounds of SHA-1 in JavaScript, so that the bound on their number is one on time:
// 100,000 of them take 0.2 s; a value holds a hundred derivations and more.
const MAX_ROUNDS = 100_000
// What a round with another digest takes, in those of SHA-1 and rounded up. Only the checksum has one: what is encrypted the old way is
// derived by SHA-1, and the new way (PBES2) by OpenSSL, thirty times as fast as any of these.
const DEARER: Readonly<Record<string, number>> = { md5: 2, sha256: 2, sha384: 4, sha512: 4 }
// The old derivation of PKCS#12 (RFC 7292 B) is made anew for each 20 bytes of a key, of which 3DES and RC2 take up to 24, and
// once more for the vector to begin with.
const OLD_DERIVATIONS = 3

/**
 * Opens a PFX (PKCS#12) without a password, as Key Vault gives it. node-forge undoes the container, because Node cannot, and
 * hands the certificates and keys on as they are: it knows nothing of EC keys, and need not.
 *
 * "Without a password" is two different keys: of the empty text, and of no text at all. Writers disagree, so both are tried;
 * the checksum of the container tells which it was. Each try may take all rounds.
 *
 * Not for the main thread: it has to keep a lease.
 */
export function openPfx(value: string): Bundle {
	// Tools that write base64 for people break its lines.
	const bytes = decodeValue(value.replace(/[\r\n]+/g, ''), 'Base64')
	if (bytes === undefined || bytes.length === 0) throw new BrokenCertificate('pfx')
	const container = readContainer(Buffer.from(bytes))
	for (const password of ['', undefined]) {
		rounds = 0
		spend(container.checksum, weightOf(container.checksum))
		try {
			return takeOut(forge.pkcs12.pkcs12FromAsn1(container.read(), false, password))
		} catch (error) {
			if (error instanceof BrokenCertificate) throw error
		}
	}
	throw new BrokenCertificate('pfx')
}

/** Reads the outer structure. `read` answers a fresh one each time, because decoding changes it. */
function readContainer(bytes: Buffer): { read(): forge.asn1.Asn1; checksum: forge.asn1.Asn1 | undefined } {
	const read = () => {
		try {
			return forge.asn1.fromDer(bytes.toString('latin1'), false)
		} catch {
			throw new BrokenCertificate('pfx')
		}
	}
	// PFX ::= SEQUENCE { version, authSafe, macData { mac, salt, iterations } }
	const { value } = read()
	return { read, checksum: Array.isArray(value) ? value[2] : undefined }
}

/** How many rounds of SHA-1 one of this checksum takes. MacData ::= SEQUENCE { mac { algorithm { OID }, digest }, salt, iterations } */
function weightOf(checksum: forge.asn1.Asn1 | undefined): number {
	const [mac] = childrenOf(checksum)
	const [algorithm] = childrenOf(mac)
	const [oid] = childrenOf(algorithm)
	const name = typeof oid?.value === 'string' ? forge.pki.oids[forge.asn1.derToOid(oid.value)] : undefined
	return DEARER[name ?? ''] ?? 1
}

const childrenOf = (of: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] => (Array.isArray(of?.value) ? of.value : [])

/** Rounds of the file that is being opened: a thread opens one at a time, without a pause. */
let rounds = 0

/** Counts the rounds that these parameters ask for, before they are made: any number in there is one of rounds, or small. */
function spend(parameters: forge.asn1.Asn1 | undefined, times: number): void {
	if (!parameters) return
	const { type, value, tagClass } = parameters
	if (Array.isArray(value)) for (const each of value) spend(each, times)
	else if (type === forge.asn1.Type.INTEGER && tagClass === forge.asn1.Class.UNIVERSAL) {
		rounds += value.length > 4 ? Number.POSITIVE_INFINITY : times * Number.parseInt(forge.util.bytesToHex(value), 16)
		if (!(rounds <= MAX_ROUNDS)) throw new BrokenCertificate('rounds')
	}
}

// Every decryption of forge goes through this function, with the parameters that say how many rounds. Bags may lie in what is
// encrypted itself, so they cannot all be counted before. The types of the library leave it out.
interface Pbe {
	getCipher(oid: string, parameters: forge.asn1.Asn1, password: string): unknown
}
const { pbe } = forge.pki as unknown as { pbe: Pbe }
const getCipher = pbe.getCipher.bind(pbe)
pbe.getCipher = (oid, parameters, password) => {
	spend(parameters, oid === forge.pki.oids['pkcs5PBES2'] ? 1 : OLD_DERIVATIONS)
	return getCipher(oid, parameters, password)
}

// forge derives in JavaScript when it is told which hash, which takes thirty times as long as OpenSSL.
interface Pkcs5 {
	pbkdf2(password: string, salt: string, count: number, length: number, md: { algorithm: string }): string
}
const pkcs5 = forge.pkcs5 as unknown as Pkcs5
pkcs5.pbkdf2 = (password, salt, count, length, { algorithm }) =>
	pbkdf2Sync(Buffer.from(password, 'latin1'), Buffer.from(salt, 'latin1'), count, length, algorithm).toString('latin1')

function takeOut(pfx: forge.pkcs12.Pkcs12Pfx): Bundle {
	const bundle: Bundle = { certificates: [], keys: [] }
	for (const { safeBags } of pfx.safeContents) {
		for (const { type, cert, key, asn1 } of safeBags) {
			if (type === forge.pki.oids['certBag']) {
				bundle.certificates.push(new X509Certificate(der(cert ? forge.pki.certificateToAsn1(cert) : asn1)))
			} else if (type === forge.pki.oids['keyBag'] || type === forge.pki.oids['pkcs8ShroudedKeyBag']) {
				bundle.keys.push(readKey(key ? forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(key)) : asn1))
			}
		}
	}
	return bundle
}

const der = (asn1: forge.asn1.Asn1): Buffer => Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'latin1')

const readKey = (asn1: forge.asn1.Asn1): KeyObject => createPrivateKey({ key: der(asn1), format: 'der', type: 'pkcs8' })
