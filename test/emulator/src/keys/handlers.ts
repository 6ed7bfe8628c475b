// `/keys`: the public part. Everything that computes with a key is answered with a 501; see routes.ts.
import type { Reply } from '../http/message.ts'
import { badParameter } from '../http/service-error.ts'
import { objectAttributes } from '../secrets/bundle.ts'
import { isObject, parseObject, parseObjectPatch } from '../secrets/input.ts'
import type { Found, FoundDeleted, SecretInput } from '../secrets/model.ts'
import { contextOf, nameOf, type OperationContext, ok, page } from '../secrets/operation.ts'
import type { KeyRoute } from '../secrets/routes.ts'
import { strip } from '../secrets/versions.ts'
import { createKey, importedKey, parseOperations, publicJwk } from './create.ts'
import type { KeyVersion } from './model.ts'

const keyId = (c: OperationContext, name: string, version?: string): string =>
	`${contextOf(c).origin}/keys/${name}${version === undefined ? '' : `/${version}`}`

/** `attributes, tags, managed`. */
const shared = (c: OperationContext, version: KeyVersion): object => ({
	attributes: {
		...objectAttributes(contextOf(c), version),
		...(version.exportable === undefined ? {} : { exportable: version.exportable }),
	},
	...(version.tags === undefined ? {} : { tags: version.tags }),
	...(version.managed ? { managed: true } : {}),
})

function bundle(c: OperationContext, { name, version }: Found<KeyVersion>): object {
	const { kty, ...numbers } = version.jwk
	const key = { kid: keyId(c, name, version.version), kty, key_ops: version.operations, ...numbers }
	return { key, ...shared(c, version) }
}

const item = (c: OperationContext, { name, version }: Found<KeyVersion>, withVersion: boolean): object => ({
	kid: keyId(c, name, withVersion ? version.version : undefined),
	...shared(c, version),
})

const deletion = (c: OperationContext, found: FoundDeleted<KeyVersion>): object => ({
	recoveryId: `${contextOf(c).origin}/deletedkeys/${found.name}`,
	deletedDate: found.deletedDate,
	scheduledPurgeDate: found.scheduledPurgeDate,
})

/** What a body says of a new version beside the key itself. */
function metadata(body: Record<string, unknown>): Pick<KeyVersion, 'enabled'> & Partial<KeyVersion> {
	const { enabled = true, ...rest } = parseObjectPatch(body) satisfies Partial<SecretInput>
	const { exportable } = isObject(body['attributes']) ? body['attributes'] : {}
	return { enabled, ...strip(rest), ...(typeof exportable === 'boolean' ? { exportable } : {}) }
}

async function create(c: OperationContext): Promise<Reply> {
	const body = parseObject(c.request.body)
	const { kty, key_size: size, crv: curve, key_ops: operations } = body
	const version = { ...metadata(body), operations: parseOperations(operations, kty as string) }
	// Before the work: it is refused anyway.
	c.vault.keys.requireFree(nameOf(c))
	const key = await createKey({ kty, size, curve })
	return ok(bundle(c, c.vault.keys.add(nameOf(c), { ...version, jwk: publicJwk(key, kty as string) })))
}

function importKey(c: OperationContext): Reply {
	const body = parseObject(c.request.body)
	const { key: jwk } = body
	if (!isObject(jwk)) throw badParameter("Property 'key' is required and must be an object.")
	const kty = jwk['kty'] as string
	const key = importedKey(jwk)
	const version = { ...metadata(body), operations: parseOperations(jwk['key_ops'], kty), jwk: publicJwk(key, kty) }
	return ok(bundle(c, c.vault.keys.add(nameOf(c), version)))
}

function update(c: OperationContext): Reply {
	const body = c.request.body.length === 0 ? {} : parseObject(c.request.body)
	const operations = body['key_ops']
	const { keys } = c.vault
	const { kty } = keys.read(nameOf(c), c.match.version).version.jwk
	const patch = {
		...parseObjectPatch(body),
		...(operations === undefined ? {} : { operations: parseOperations(operations, kty) }),
	}
	return ok(bundle(c, keys.change(nameOf(c), c.match.version, patch as Partial<KeyVersion>)))
}

export const KEY_OPERATIONS: Readonly<Record<KeyRoute, (context: OperationContext) => Reply | Promise<Reply>>> = {
	createKey: create,
	importKey,
	updateKey: update,
	getKey: (c) => ok(bundle(c, c.vault.keys.read(nameOf(c), c.match.version))),
	listKeys: (c) =>
		page(
			c,
			'keys',
			(after, limit) => c.vault.keys.list(after, limit),
			(found) => item(c, found, false),
		),
	listKeyVersions: (c) =>
		page(
			c,
			'versions',
			(after, limit) => c.vault.keys.listVersions(nameOf(c), after, limit),
			(found) => item(c, found, true),
		),
	deleteKey: (c) => {
		const found = c.vault.keys.delete(nameOf(c))
		return ok({ ...deletion(c, found), ...bundle(c, found) })
	},
	listDeletedKeys: (c) =>
		page(
			c,
			'deleted',
			(after, limit) => c.vault.keys.listDeleted(after, limit),
			(found) => ({ ...deletion(c, found), ...item(c, found, false) }),
		),
	getDeletedKey: (c) => {
		const found = c.vault.keys.getDeleted(nameOf(c))
		return ok({ ...deletion(c, found), ...bundle(c, found) })
	},
	purgeKey: (c) => {
		c.vault.keys.purge(nameOf(c))
		return { status: 204 }
	},
	recoverKey: (c) => ok(bundle(c, c.vault.keys.recover(nameOf(c)))),
}
