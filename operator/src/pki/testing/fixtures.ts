// Certificates for tests, made once by OpenSSL 3.0, not by the library that reads them: root → intermediate → shop, with an
// RSA and an EC key, for 100 years. Nobody trusts them.
//
//   modern: openssl pkcs12 -export -inkey KEY -in LEAF -certfile root+intermediate -passout pass:     (PBES2, AES-256, SHA-256)
//   old:    … -legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-3DES -macalg sha1
//   plain:  … -certpbe NONE -keypbe NONE, leaf only
//   password: … -passout pass:secret · many rounds: … -iter 200000, and with -nomac · withoutKey: … -nokeys
//   rounds of SHA-512: plain, with -macalg sha512 -iter 25000, and 25001
import { readFileSync } from 'node:fs'

interface Fixtures {
	/** base64 of DER; keys are PKCS#8 */
	der: Record<'root' | 'intermediate' | 'rsa' | 'ec' | 'rsaKey' | 'ecKey', string>
	/** base64 of the file */
	pfx: Record<
		| 'rsaModern'
		| 'ecModern'
		| 'rsaOld'
		| 'ecOld'
		| 'rsaPlain'
		| 'ecPlain'
		| 'password'
		| 'manyRounds'
		| 'manyRoundsWithoutMac'
		| 'roundsOfSha512'
		| 'tooManyOfSha512'
		| 'withoutKey',
		string
	>
}
const { der, pfx } = JSON.parse(readFileSync(new URL('fixtures.json', import.meta.url), 'utf8')) as Fixtures

const pem = (label: string, base64: string) =>
	`-----BEGIN ${label}-----\n${base64.replaceAll(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`

export const PFX = pfx
export const KEY = { rsa: pem('PRIVATE KEY', der.rsaKey), ec: pem('PRIVATE KEY', der.ecKey) }
export const CERTIFICATE = {
	root: pem('CERTIFICATE', der.root),
	intermediate: pem('CERTIFICATE', der.intermediate),
	rsa: pem('CERTIFICATE', der.rsa),
	ec: pem('CERTIFICATE', der.ec),
}
