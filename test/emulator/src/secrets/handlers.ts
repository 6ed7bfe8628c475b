// One thin function per operation: read the request, ask the model, render the answer.
import { type Incoming, originOf, originWithPort, type Reply } from '../http/message.ts'
import { badParameter } from '../http/service-error.ts'
import { hasOutContentType } from './api-version.ts'
import { openBackup, sealBackup } from './backup.ts'
import { type BundleContext, bundle, deletedBundle, deletedItem, listItem, versionId } from './bundle.ts'
import { PEM, PFX } from './certificates.ts'
import { parseObject, parsePatch, parseSet } from './input.ts'
import type { Found, Page } from './model.ts'
import type { PageQuestion, PageSizes } from './page-sizes.ts'
import { nextLink, parseMaxResults, parseSkipToken } from './paging.ts'
import type { RouteMatch, SecretRoute } from './routes.ts'
import type { Vault } from './vault.ts'

interface OperationContext {
	readonly request: Incoming
	readonly vault: Vault
	readonly match: RouteMatch
	readonly apiVersion: string
	/** Key of backups: a blob of another emulator is refused, as one of another subscription is. */
	readonly backupKey: Buffer
	readonly sizes: PageSizes
}

type Operation = (context: OperationContext) => Reply

const ok = (json: unknown): Reply => ({ status: 200, json })

const contextOf = ({ request, vault }: OperationContext): BundleContext => ({
	origin: originOf(request),
	recoveryLevel: vault.recoveryLevel,
	recoverableDays: vault.recoverableDays,
})

/** The name is there: the route has it in its path. */
const nameOf = ({ match }: OperationContext): string => match.name as string

/** One page of a list, as large as the page plan lets it be; see page-sizes.ts. */
function page<T>(
	context: OperationContext,
	list: PageQuestion['list'],
	read: (after: string | undefined, limit: number) => Page<T>,
	render: (item: T) => object,
): Reply {
	const { request, apiVersion, vault, sizes, match } = context
	const limit = parseMaxResults(request.query)
	const { after, index } = parseSkipToken(request.query)
	const of = match.name === undefined ? vault.name : `${vault.name}/${match.name.toLowerCase()}`
	const question: PageQuestion = { list, of, index, limit }
	const { items, last, more } = read(after, sizes.size(question))
	const goesOn = more || sizes.extra(question, items.length)
	const link = { origin: originWithPort(request), path: request.path, apiVersion }
	const next = { after: last ?? after, index: index + 1 }
	return ok({
		value: items.map(render),
		nextLink: goesOn ? nextLink({ ...link, maxResults: request.query.get('maxresults') }, next) : null,
	})
}

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

export const OPERATIONS: Readonly<Record<SecretRoute, Operation>> = {
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
