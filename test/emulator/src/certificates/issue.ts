// Making a certificate and putting it into a vault: with it go a key and a secret of the same name and version.
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { badParameter, notEmulated } from '../http/service-error.ts'
import { createKey, parseOperations, publicJwk } from '../keys/create.ts'
import { PEM, PFX } from '../secrets/certificates.ts'
import type { Found, ObjectPatch } from '../secrets/model.ts'
import type { Vault } from '../secrets/vault.ts'
import { strip } from '../secrets/versions.ts'
import { createCertificate, createRequest } from '../tls/certificate.ts'
import { createPfx } from '../tls/pkcs12.ts'
import { readPfx } from '../tls/read-pfx.ts'
import type { CertificatePolicy, CertificateVersion } from './model.ts'
import { requireSelf } from './policy.ts'

/** What a certificate is made of. */
export interface Material {
	readonly key: KeyObject
	/** PEM, leaf first. */
	readonly chain: readonly string[]
	readonly policy: CertificatePolicy
	readonly request?: string
}

/** A name that a key or a secret has already which is no certificate's cannot be taken. */
function requireFree(vault: Vault, name: string): void {
	vault.certificates.requireFree(name)
	vault.keys.requireFree(name, { owner: vault.certificates.has(name) })
	vault.requireFree(name, { owner: vault.certificates.has(name) })
	for (const store of [vault, vault.keys]) {
		if (store.has(name) && !vault.certificates.has(name))
			throw badParameter(`A secret or key named ${name} exists that belongs to no certificate.`)
	}
}

/** A self-signed certificate by a policy. `now`: milliseconds. */
export async function selfSigned(
	vault: Vault,
	name: string,
	policy: CertificatePolicy,
	now: number,
): Promise<Material> {
	requireSelf(policy)
	requireFree(vault, name)
	const before = vault.certificates.has(name) ? vault.certificates.read(name).version : undefined
	const key =
		policy.reuseKey && before
			? createPrivateKey(before.privateKey)
			: await createKey({ kty: policy.kty, size: policy.keySize, curve: policy.curve })
	const keys = { publicKey: createPublicKey(key), privateKey: key }
	// Whole seconds, as the certificate has them.
	const notBefore = new Date(Math.floor(now / 1000) * 1000)
	const notAfter = new Date(notBefore)
	notAfter.setUTCMonth(notAfter.getUTCMonth() + policy.validityMonths)
	const subject = policy.subject === '' ? `CN=${policy.dnsNames[0] ?? name}` : policy.subject
	const certificate = createCertificate({
		subject,
		issuer: subject,
		publicKey: keys.publicKey,
		signer: keys,
		notBefore,
		notAfter,
		use: { kind: 'server', names: policy.dnsNames, keyUsage: policy.keyUsage, extended: policy.ekus },
	})
	return { key, chain: [certificate], policy, request: createRequest(subject, keys) }
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/g

/** Key and chain of what an import sends: base64 PKCS#12, or PEM. */
export async function imported(
	value: unknown,
	password: unknown,
): Promise<Pick<Material, 'key' | 'chain'> & { contentType: string }> {
	if (typeof value !== 'string') throw badParameter("Property 'value' is required and must be a string.")
	const passphrase = typeof password === 'string' ? password : ''
	try {
		if (!value.includes('-----BEGIN'))
			return { ...(await readPfx(Buffer.from(value, 'base64'), passphrase)), contentType: PFX }
		const chain = value.match(PEM_CERTIFICATE) ?? []
		const key = createPrivateKey({ key: value, ...(passphrase === '' ? {} : { passphrase }) })
		const leaf = chain.findIndex((pem) => new X509Certificate(pem).checkPrivateKey(key))
		if (leaf < 0) throw new Error('no certificate of the key')
		return { key, chain: [chain[leaf] as string, ...chain.filter((_, i) => i !== leaf)], contentType: PEM }
	} catch {
		throw badParameter('The specified PKCS#12 or PEM X.509 certificate content can not be read.')
	}
}

/** Puts certificate, key and secret into the vault as one new version. */
export function storeCertificate(
	vault: Vault,
	name: string,
	material: Material,
	patch: ObjectPatch = {},
): Found<CertificateVersion> {
	requireFree(vault, name)
	const { key, chain, policy, request } = material
	const leaf = new X509Certificate(chain[0] as string)
	if (key.asymmetricKeyType !== 'rsa' && key.asymmetricKeyType !== 'ec')
		throw notEmulated('certificates of this kind of key')
	const seconds = (text: string): number => Math.floor(Date.parse(text) / 1000)
	const { enabled = true, tags } = patch
	const common = { enabled, notBefore: seconds(leaf.validFrom), expires: seconds(leaf.validTo), ...strip({ tags }) }
	const id = vault.certificates.newVersion()
	const privateKey = key.export({ format: 'pem', type: 'pkcs8' }) as string
	const pem = `${policy.exportable ? privateKey : ''}${chain.join('')}`
	const value =
		policy.contentType === PFX ? createPfx(chain, policy.exportable ? key : undefined).toString('base64') : pem
	const kty = policy.kty
	vault.keys.add(
		name,
		{ ...common, managed: true, jwk: publicJwk(key, kty), operations: parseOperations(undefined, kty) },
		{ owner: true, id },
	)
	vault.set(name, { value, contentType: policy.contentType, ...common }, { pem, id })
	return vault.certificates.add(
		name,
		{ ...common, cer: leaf.raw.toString('base64'), policy, privateKey, ...strip({ request }) },
		{ id },
	)
}
