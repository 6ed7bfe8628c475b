import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { ParsedCertificate } from '../engine/form.ts'
import { BrokenCertificate, type Bundle } from './bundle.ts'
import { openPfx } from './pfx.ts'

/**
 * Reads a certificate that the vault gave as a secret.
 *
 * 1. Whether it is PFX or PEM is what its contentType says; the value is not asked.
 * 2. The private key is normalised to PKCS#8 by OpenSSL (in Node), whatever form it came in.
 * 3. The leaf is the certificate that the key belongs to. Vaults keep them in any order, leaf last included.
 * 4. The chain: who issued the leaf, who issued that one, until one that issued itself or nobody is left.
 */
export function parseCertificate(value: string, contentType: string | undefined): ParsedCertificate {
	try {
		const { certificates, keys } = open(value, contentType)
		if (certificates.length === 0) throw new BrokenCertificate('certMissing')
		if (keys.length === 0) throw new BrokenCertificate('keyMissing')
		for (const key of keys) {
			const leaf = certificates.find((each) => each.checkPrivateKey(key))
			if (!leaf) continue
			const chain = chainOf(leaf, certificates).map(pem)
			const pkcs8 = key.export({ type: 'pkcs8', format: 'pem' }).toString()
			return { kind: 'ok', certificate: { leaf: pem(leaf), chain, key: pkcs8 } }
		}
		return { kind: 'broken', rule: 'keyMismatch' }
	} catch (error) {
		if (error instanceof BrokenCertificate) return { kind: 'broken', rule: error.rule }
		// OpenSSL opens some things only when they are used: curves and algorithms that it does not know.
		return { kind: 'broken', rule: isPfx(contentType) ? 'pfx' : 'pem' }
	}
}

const isPfx = (contentType: string | undefined) => mediaType(contentType) === 'application/x-pkcs12'
const mediaType = (contentType: string | undefined) => contentType?.trim().toLowerCase()

const pem = (certificate: X509Certificate): string => `${certificate.toString().trimEnd()}\n`

function open(value: string, contentType: string | undefined): Bundle {
	if (isPfx(contentType)) return openPfx(value)
	if (mediaType(contentType) === 'application/x-pem-file') return openPem(value)
	throw new BrokenCertificate('contentType')
}

// Old keys have headers (Proc-Type, DEK-Info) with dashes in them.
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----(?:(?!-----)[\s\S])*-----END \1-----/g
const LOCKED = /^Proc-Type:.*ENCRYPTED|^-----BEGIN ENCRYPTED PRIVATE KEY/m

function openPem(value: string): Bundle {
	const bundle: Bundle = { certificates: [], keys: [] }
	try {
		for (const [block, label = ''] of value.matchAll(BLOCK)) {
			if (LOCKED.test(block)) throw new BrokenCertificate('keyEncrypted')
			if (label === 'CERTIFICATE') bundle.certificates.push(new X509Certificate(block))
			else if (label.endsWith('PRIVATE KEY')) bundle.keys.push(createPrivateKey(block))
		}
	} catch (error) {
		if (error instanceof BrokenCertificate) throw error
		// OpenSSL's message says nothing that would help more, and may quote.
		throw new BrokenCertificate('pem')
	}
	if (bundle.certificates.length + bundle.keys.length === 0) throw new BrokenCertificate('pem')
	return bundle
}

/** All certificates but the leaf: its issuers in order, then what issued none of them, as it was found. */
function chainOf(leaf: X509Certificate, certificates: readonly X509Certificate[]): X509Certificate[] {
	const rest = certificates.filter(({ fingerprint256 }) => fingerprint256 !== leaf.fingerprint256)
	const chain: X509Certificate[] = []
	let at: X509Certificate | undefined = leaf
	while (at) {
		const child: X509Certificate = at
		const index = rest.findIndex((each) => child.checkIssued(each) && child.verify(each.publicKey))
		at = index < 0 ? undefined : rest.splice(index, 1)[0]
		if (at) chain.push(at)
	}
	return [...chain, ...rest]
}
