import { createPrivateKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseCertificate } from './certificate.ts'
import { CERTIFICATE, KEY, PFX } from './testing/fixtures.ts'

const { root, intermediate, rsa, ec } = CERTIFICATE
const P12 = 'application/x-pkcs12'
const PEM = 'application/x-pem-file'
const sec1 = createPrivateKey(KEY.ec).export({ type: 'sec1', format: 'pem' }).toString()
const pkcs1 = createPrivateKey(KEY.rsa).export({ type: 'pkcs1', format: 'pem' }).toString()
// What `openssl ec -aes256` writes; the bytes do not matter, because nobody can open them.
const lockedOld = `-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF

${Buffer.alloc(96, 1).toString('base64')}
-----END EC PRIVATE KEY-----
`
const locked = createPrivateKey(KEY.ec)
	.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
	.toString()

describe('a certificate', () => {
	const chain = [intermediate, root]
	it.each([
		['an RSA pair in a PFX of today', PFX.rsaModern, P12, rsa, KEY.rsa, chain],
		['an EC pair in a PFX of today', PFX.ecModern, P12, ec, KEY.ec, chain],
		['an RSA pair in an old PFX (RC2, 3DES, SHA-1)', PFX.rsaOld, P12, rsa, KEY.rsa, chain],
		['an EC pair in an old PFX (RC2, 3DES, SHA-1)', PFX.ecOld, P12, ec, KEY.ec, chain],
		['an RSA pair in a PFX that is not encrypted', PFX.rsaPlain, P12, rsa, KEY.rsa, []],
		['an EC pair in a PFX that is not encrypted', PFX.ecPlain, P12, ec, KEY.ec, []],
		['PEM, key first and leaf first', KEY.ec + ec + intermediate + root, PEM, ec, KEY.ec, chain],
		['PEM with the leaf last', root + intermediate + ec + KEY.ec, PEM, ec, KEY.ec, chain],
		['PEM with a key in the form of OpenSSL for EC (SEC 1)', ec + sec1, PEM, ec, KEY.ec, []],
		['PEM with a key in the form of OpenSSL for RSA (PKCS#1)', pkcs1 + rsa, PEM, rsa, KEY.rsa, []],
		['PEM with Windows line breaks', (KEY.ec + ec).replaceAll('\n', '\r\n'), PEM, ec, KEY.ec, []],
		[
			'PEM with a certificate that issued nothing here',
			KEY.ec + rsa + root + intermediate + ec,
			PEM,
			ec,
			KEY.ec,
			[...chain, rsa],
		],
		['PEM with the leaf twice', KEY.ec + ec + ec + intermediate, PEM, ec, KEY.ec, [intermediate]],
		['PFX whose base64 has lines', PFX.ecPlain.replace(/(.{64})/g, '$1\r\n'), P12, ec, KEY.ec, []],
		['a PFX whose checksum takes 25000 rounds of SHA-512, which are 100000', PFX.roundsOfSha512, P12, ec, KEY.ec, []],
		['a content type in other letters', PFX.ecPlain, ' Application/X-PKCS12', ec, KEY.ec, []],
	])('is read from %s', (_, value, contentType, leaf, key, expected) => {
		expect(parseCertificate(value, contentType)).toEqual({ kind: 'ok', certificate: { leaf, key, chain: expected } })
	})

	it.each([
		['without a content type', PFX.ecModern, undefined, 'contentType'],
		['that says it is text', KEY.ec + ec, 'text/plain', 'contentType'],
		['that is PEM and says PFX', KEY.ec + ec, P12, 'pfx'],
		['that is PFX and says PEM', PFX.ecModern, PEM, 'pem'],
		['of a PFX with a password', PFX.password, P12, 'pfx'],
		['of a PFX that was cut off', PFX.ecModern.slice(0, 800), P12, 'pfx'],
		['of a PFX with one byte changed', flip(PFX.ecModern, 900), P12, 'pfx'],
		['of bytes that are something else', Buffer.from('hello').toString('base64'), P12, 'pfx'],
		['of nothing', '', P12, 'pfx'],
		['whose checksum takes 200000 rounds', PFX.manyRounds, P12, 'rounds'],
		['whose checksum takes one round of SHA-512 more than that', PFX.tooManyOfSha512, P12, 'rounds'],
		['whose decryption takes 200000 rounds', PFX.manyRoundsWithoutMac, P12, 'rounds'],
		['of a PFX without a key', PFX.withoutKey, P12, 'keyMissing'],
		['of PEM without a key', ec, PEM, 'keyMissing'],
		['of PEM without a certificate', KEY.ec, PEM, 'certMissing'],
		['of PEM with another key', KEY.rsa + ec, PEM, 'keyMismatch'],
		['of PEM with an encrypted key', locked + ec, PEM, 'keyEncrypted'],
		['of PEM with an encrypted key of the old kind', lockedOld + ec, PEM, 'keyEncrypted'],
		['of PEM with a broken block', KEY.ec + ec.replace('MII', 'MIJ'), PEM, 'pem'],
	])('%s is refused, with the rule', (_, value, contentType, rule) => {
		expect(parseCertificate(value, contentType)).toEqual({ kind: 'broken', rule })
	})
})

function flip(base64: string, at: number): string {
	const bytes = Buffer.from(base64, 'base64')
	bytes[at] = (bytes[at] ?? 0) ^ 1
	return bytes.toString('base64')
}
