// `/certificates`: create (self-signed), import, read, change, renew, delete. The rest answers 501; see routes.ts.
import { createHash, X509Certificate } from 'node:crypto'
import type { Reply } from '../http/message.ts'
import { badParameter } from '../http/service-error.ts'
import { objectAttributes } from '../secrets/bundle.ts'
import { parseObject, parseObjectPatch } from '../secrets/input.ts'
import type { Found, FoundDeleted } from '../secrets/model.ts'
import { contextOf, nameOf, type OperationContext, ok, page } from '../secrets/operation.ts'
import type { CertificateRoute } from '../secrets/routes.ts'
import { distinguishedName } from '../tls/certificate.ts'
import { imported, selfSigned, storeCertificate } from './issue.ts'
import type { CertificateVersion } from './model.ts'
import { DEFAULT_POLICY, parsePolicy, policyJson } from './policy.ts'

type FoundCertificate = Found<CertificateVersion>

const url = (c: OperationContext, area: string, ...path: readonly string[]): string =>
	[contextOf(c).origin, area, ...path].join('/')

/** `id, x5t, attributes, tags, subject`: what a list shows. */
const item = (c: OperationContext, { name, version }: FoundCertificate, withVersion: boolean): object => ({
	id: url(c, 'certificates', name, ...(withVersion ? [version.version] : [])),
	x5t: createHash('sha1').update(Buffer.from(version.cer, 'base64')).digest('base64url'),
	attributes: objectAttributes(contextOf(c), version),
	...(version.tags === undefined ? {} : { tags: version.tags }),
	subject: version.policy.subject,
})

const policyOf = (c: OperationContext, { name, version }: FoundCertificate): object =>
	policyJson(version.policy, url(c, 'certificates', name, 'policy'), {
		created: version.created,
		updated: version.updated,
	})

function bundle(c: OperationContext, found: FoundCertificate): object {
	const { name, version } = found
	const { x5t } = item(c, found, true) as { x5t: string }
	return {
		id: url(c, 'certificates', name, version.version),
		kid: url(c, 'keys', name, version.version),
		sid: url(c, 'secrets', name, version.version),
		x5t,
		cer: version.cer,
		attributes: objectAttributes(contextOf(c), version),
		...(version.tags === undefined ? {} : { tags: version.tags }),
		policy: policyOf(c, found),
		...(version.request === undefined ? {} : { pending: { id: url(c, 'certificates', name, 'pending') } }),
	}
}

const deletion = (c: OperationContext, found: FoundDeleted<CertificateVersion>): object => ({
	recoveryId: url(c, 'deletedcertificates', found.name),
	deletedDate: found.deletedDate,
	scheduledPurgeDate: found.scheduledPurgeDate,
})

/** The operation that made the current version: it took no time, but clients ask for it until it is completed. */
function pending(c: OperationContext, name: string, request: string, done: boolean): object {
	return {
		id: url(c, 'certificates', name, 'pending'),
		issuer: { name: 'Self' },
		csr: request,
		cancellation_requested: false,
		status: done ? 'completed' : 'inProgress',
		...(done
			? { target: url(c, 'certificates', name) }
			: { status_details: 'Pending certificate created. Certificate request is in progress.' }),
		request_id: createHash('sha256').update(request).digest('hex').slice(0, 32),
	}
}

async function create(c: OperationContext): Promise<Reply> {
	const body = c.request.body.length === 0 ? {} : parseObject(c.request.body)
	const { certificates } = c.vault
	const name = nameOf(c)
	// Without a policy a certificate that is there is renewed by its own.
	const before = certificates.has(name) ? certificates.read(name).version.policy : DEFAULT_POLICY
	const policy = parsePolicy(body['policy'], before)
	const material = await selfSigned(c.vault, name, policy, c.now)
	const found = storeCertificate(c.vault, name, material, parseObjectPatch(body))
	return { status: 202, json: pending(c, found.name, material.request ?? '', false) }
}

async function importCertificate(c: OperationContext): Promise<Reply> {
	const body = parseObject(c.request.body)
	const { key, chain, contentType } = await imported(body['value'], body['pwd'])
	const kty = key.asymmetricKeyType === 'rsa' ? 'RSA' : 'EC'
	const curve = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521', secp256k1: 'P-256K' }
	const details = key.asymmetricKeyDetails ?? {}
	const before = {
		...DEFAULT_POLICY,
		kty,
		keySize: details.modulusLength,
		curve: curve[details.namedCurve as keyof typeof curve],
		contentType,
		issuer: 'Unknown',
		subject: subjectOf(chain[0] as string),
	}
	const { keySize, curve: crv, ...rest } = before
	const known = { ...rest, ...(keySize === undefined ? {} : { keySize }), ...(crv === undefined ? {} : { curve: crv }) }
	const policy = parsePolicy(body['policy'], known)
	return ok(bundle(c, storeCertificate(c.vault, nameOf(c), { key, chain, policy }, parseObjectPatch(body))))
}

/** `CN=a, O=b`, as policies write it; Node writes one attribute a line. */
function subjectOf(pem: string): string {
	const subject = (new X509Certificate(pem).subject ?? '').split('\n').join(', ')
	// One with attributes that policies do not have is not shown at all.
	return distinguishedName(subject) === undefined ? '' : subject
}

/** Changes attributes and tags of a version, of its secret and key too when it is switched off or on. */
function update(c: OperationContext): Reply {
	const { vault, match } = c
	const patch = parseObjectPatch(c.request.body.length === 0 ? {} : parseObject(c.request.body))
	if (patch.notBefore !== undefined || patch.expires !== undefined)
		throw badParameter('The times of a certificate are those that it was issued with.')
	const found = vault.certificates.change(nameOf(c), match.version, patch as Partial<CertificateVersion>)
	if (patch.enabled !== undefined) {
		const { version } = found.version
		vault.change(found.name, version, { enabled: patch.enabled }, { owner: true })
		vault.keys.change(found.name, version, { enabled: patch.enabled }, { owner: true })
	}
	return ok(bundle(c, found))
}

function updatePolicy(c: OperationContext): Reply {
	const { certificates } = c.vault
	const policy = parsePolicy(parseObject(c.request.body), certificates.read(nameOf(c)).version.policy)
	return ok(policyOf(c, certificates.change(nameOf(c), undefined, { policy })))
}

function lastOperation(c: OperationContext): Reply {
	const { name, version } = c.vault.certificates.read(nameOf(c))
	// One that was imported was never pending.
	if (version.request === undefined) throw badParameter('There is no pending certificate operation.')
	return ok(pending(c, name, version.request, true))
}

/** Key and secret go where their certificate goes. */
const owner = { owner: true }

export const CERTIFICATE_OPERATIONS: Readonly<
	Record<CertificateRoute, (context: OperationContext) => Reply | Promise<Reply>>
> = {
	createCertificate: create,
	importCertificate,
	updateCertificate: update,
	getCertificate: (c) => ok(bundle(c, c.vault.certificates.read(nameOf(c), c.match.version))),
	getCertificatePolicy: (c) => ok(policyOf(c, c.vault.certificates.read(nameOf(c)))),
	updateCertificatePolicy: updatePolicy,
	getCertificateOperation: lastOperation,
	listCertificates: (c) =>
		page(
			c,
			'certificates',
			(after, limit) => c.vault.certificates.list(after, limit),
			(found) => item(c, found, false),
		),
	listCertificateVersions: (c) =>
		page(
			c,
			'versions',
			(after, limit) => c.vault.certificates.listVersions(nameOf(c), after, limit),
			(found) => item(c, found, true),
		),
	deleteCertificate: (c) => {
		const { vault } = c
		const found = vault.certificates.delete(nameOf(c))
		vault.keys.delete(nameOf(c), owner)
		vault.delete(nameOf(c), owner)
		return ok({ ...deletion(c, found), ...bundle(c, found) })
	},
	listDeletedCertificates: (c) =>
		page(
			c,
			'deleted',
			(after, limit) => c.vault.certificates.listDeleted(after, limit),
			(found) => ({ ...deletion(c, found), ...item(c, found, false) }),
		),
	getDeletedCertificate: (c) => {
		const found = c.vault.certificates.getDeleted(nameOf(c))
		return ok({ ...deletion(c, found), ...bundle(c, found) })
	},
	purgeCertificate: (c) => {
		const { vault } = c
		vault.certificates.purge(nameOf(c))
		vault.keys.purge(nameOf(c), owner)
		vault.purge(nameOf(c), owner)
		return { status: 204 }
	},
	recoverCertificate: (c) => {
		const { vault } = c
		const found = vault.certificates.recover(nameOf(c))
		vault.keys.recover(nameOf(c), owner)
		vault.recover(nameOf(c), owner)
		return ok(bundle(c, found))
	},
}
