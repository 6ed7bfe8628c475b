// One thin function per operation: read the request, ask the model, render the answer.
import type { Reply } from '../http/message.ts'
import { badParameter } from '../http/service-error.ts'
import { hasOutContentType } from './api-version.ts'
import { openBackup, sealBackup } from './backup.ts'
import { bundle, deletedBundle, deletedItem, listItem, versionId } from './bundle.ts'
import { PEM, PFX } from './certificates.ts'
import { parseObject, parsePatch, parseSet } from './input.ts'
import type { Found } from './model.ts'
import { contextOf, nameOf, type OperationContext, ok, page } from './operation.ts'
import type { SecretRoute } from './routes.ts'

/** `outContentType` turns a certificate's PFX into PEM; everything else is refused. Older API versions do not know it. */
function converted({ request, apiVersion }: OperationContext, found: Found): Found {
	const wanted = request.query.get('outContentType')
	if (wanted === undefined || !hasOutContentType(apiVersion)) return found
	const { version } = found
	if (wanted === PEM && version.contentType === PFX && version.pem !== undefined) {
		return { ...found, version: { ...version, value: version.pem, contentType: PEM } }
	}
	const names: Readonly<Record<string, string>> = { [PFX]: 'PFX', [PEM]: 'PEM' }
	const [from, to] = [version.managed ? version.contentType : undefined, wanted].map(
		(type) => names[type ?? ''] ?? 'Unsupported',
	)
	throw badParameter(
		`The '${from}' to '${to}' transformation is not supported. Only PFX to PEM transformation is supported.`,
	)
}

export const SECRET_OPERATIONS: Readonly<Record<SecretRoute, (context: OperationContext) => Reply>> = {
	setSecret: (c) => ok(bundle(contextOf(c), c.vault.set(nameOf(c), parseSet(c.request.body)), { value: true })),
	getSecret: (c) => ok(bundle(contextOf(c), converted(c, c.vault.get(nameOf(c), c.match.version)), { value: true })),
	updateSecret: (c) =>
		ok(bundle(contextOf(c), c.vault.update(nameOf(c), c.match.version, parsePatch(c.request.body)), { value: false })),
	deleteSecret: (c) => ok(deletedBundle(contextOf(c), c.vault.delete(nameOf(c)))),
	listSecrets: (c) =>
		page(
			c,
			'secrets',
			(after, limit) => c.vault.list(after, limit),
			(item) => listItem(contextOf(c), item, { version: false }),
		),
	listVersions: (c) =>
		page(
			c,
			'versions',
			(after, limit) => c.vault.listVersions(nameOf(c), after, limit),
			(item) => listItem(contextOf(c), item, { version: true }),
		),
	listDeleted: (c) =>
		page(
			c,
			'deleted',
			(after, limit) => c.vault.listDeleted(after, limit),
			(item) => deletedItem(contextOf(c), item),
		),
	getDeleted: (c) => ok(deletedBundle(contextOf(c), c.vault.getDeleted(nameOf(c)))),
	purgeSecret: (c) => {
		c.vault.purge(nameOf(c))
		return { status: 204 }
	},
	recoverSecret: (c) => ok(bundle(contextOf(c), c.vault.recover(nameOf(c)), { value: false })),
	backupSecret: (c) => ok({ value: sealBackup(c.vault.export(nameOf(c)), c.backupKey) }),
	restoreSecret: (c) =>
		ok(
			bundle(
				contextOf(c),
				c.vault.import(openBackup(parseObject(c.request.body)['value'], c.backupKey), (found) =>
					versionId(contextOf(c), found),
				),
				{
					value: false,
				},
			),
		),
}
