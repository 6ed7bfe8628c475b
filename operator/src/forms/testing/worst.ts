// Values of tenants who attack: the dearest that fit into the 25 KB that Key Vault takes. Also for the bench `tenants`.
import forge from 'node-forge'
// Derives by OpenSSL, which takes a thirtieth of the time.
import '../../pki/pfx.ts'
import { CERTIFICATE, KEY } from '../../pki/testing/fixtures.ts'

const { asn1, pki, util } = forge
const { Type, Class } = asn1
const sequence = (...items: forge.asn1.Asn1[]) => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items)
const oid = (name: string) =>
	asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(pki.oids[name] ?? '').getBytes())
const explicit = (item: forge.asn1.Asn1) => asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [item])
const data = (item: forge.asn1.Asn1) =>
	sequence(oid('data'), explicit(asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, asn1.toDer(item).getBytes())))

/** A PFX in base64 with so many bags, each a private key under the empty password that takes so many rounds of PBKDF2 or, `old`, of PKCS#12. */
export function pfxOf(bags: number, rounds: number, old = false): string {
	const der = util.decode64(KEY.ec.replaceAll(/-----[^-]+-----|\s/g, ''))
	const algorithm = old ? '3des' : 'aes256'
	const shrouded = pki.encryptPrivateKeyInfo(asn1.fromDer(der), '', { algorithm, count: rounds } as object)
	const bag = sequence(oid('pkcs8ShroudedKeyBag'), explicit(shrouded))
	const contents = sequence(...Array.from({ length: bags }, () => bag))
	const version = asn1.create(Class.UNIVERSAL, Type.INTEGER, false, asn1.integerToDer(3).getBytes())
	return util.encode64(asn1.toDer(sequence(version, data(sequence(data(contents))))).getBytes())
}

/** Key Vault's limit. */
export const VALUE_BYTES = 25_000

/** JSON that is all brackets. */
export const deepJson = (): string => `${'['.repeat(VALUE_BYTES / 2)}${']'.repeat(VALUE_BYTES / 2)}`

/** JSON as large as a value may be, with a name for each of 500 entries. */
export function wideJson(entries = 500): string {
	const size = Math.floor(VALUE_BYTES / entries) - 12
	return JSON.stringify(Object.fromEntries(Array.from({ length: entries }, (_, i) => [`k${i}`, 'x'.repeat(size)])))
}

/** PEM full of certificates that may have issued each other. */
export function longChain(): string {
	const head = KEY.ec + CERTIFICATE.ec
	const pair = CERTIFICATE.intermediate + CERTIFICATE.root
	return head + pair.repeat(Math.floor((VALUE_BYTES - head.length) / pair.length))
}
