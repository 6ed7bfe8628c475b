import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import forge from 'node-forge'
import { decodeValue } from '../../engine/decode.ts'
import { BrokenCertificate, type Bundle } from './bundle.ts'

// Windows and OpenSSL write 2,000 and 2,048 rounds, Java 10,000. A value that asks for billions would stop the operator for
// everybody; 100,000 take half a second.
const MAX_ROUNDS = 100_000

/**
 * Opens a PFX (PKCS#12) without a password, as Key Vault gives it. node-forge undoes the container, because Node cannot, and
 * hands the certificates and keys on as they are: it knows nothing of EC keys, and need not.
 *
 * "Without a password" is two different keys: of the empty text, and of no text at all. Writers disagree, so both are tried;
 * the checksum of the container tells which it was.
 */
export function openPfx(value: string): Bundle {
	const bytes = decodeValue(value, 'Base64')
	if (bytes === undefined || bytes.length === 0) throw new BrokenCertificate('pfx')
	const container = readContainer(Buffer.from(bytes))
	for (const password of ['', undefined]) {
		try {
			return takeOut(forge.pkcs12.pkcs12FromAsn1(container(), false, password))
		} catch (error) {
			if (error instanceof BrokenCertificate) throw error
		}
	}
	throw new BrokenCertificate('pfx')
}

/** Reads the outer structure; answers a fresh one each time, because decoding changes it. */
function readContainer(bytes: Buffer): () => forge.asn1.Asn1 {
	const read = () => {
		try {
			return forge.asn1.fromDer(bytes.toString('latin1'), false)
		} catch {
			throw new BrokenCertificate('pfx')
		}
	}
	// PFX ::= SEQUENCE { version, authSafe, macData { mac, salt, iterations } }
	const { value } = read()
	const mac = Array.isArray(value) ? value[2] : undefined
	if (mac) checkRounds(mac)
	return read
}

/** Refuses any number in the parameters of a key derivation that is beyond the rounds anybody needs. */
function checkRounds({ type, value, tagClass }: forge.asn1.Asn1): void {
	if (Array.isArray(value)) value.forEach(checkRounds)
	else if (type === forge.asn1.Type.INTEGER && tagClass === forge.asn1.Class.UNIVERSAL) {
		if (value.length > 4 || Number.parseInt(forge.util.bytesToHex(value), 16) > MAX_ROUNDS)
			throw new BrokenCertificate('rounds')
	}
}

// Every decryption of forge goes through this function, with the parameters that say how many rounds. The types of the
// library leave it out.
interface Pbe {
	getCipher(oid: string, parameters: forge.asn1.Asn1, password: string): unknown
}
const { pbe } = forge.pki as unknown as { pbe: Pbe }
const getCipher = pbe.getCipher.bind(pbe)
pbe.getCipher = (oid, parameters, password) => {
	checkRounds(parameters)
	return getCipher(oid, parameters, password)
}

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
