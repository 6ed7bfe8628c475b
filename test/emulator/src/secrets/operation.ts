// What the handlers of all kinds of objects share: their context, and one page of a list.
import { type Incoming, originOf, originWithPort, type Reply } from '../http/message.ts'
import type { BundleContext } from './bundle.ts'
import type { Page } from './model.ts'
import type { PageQuestion, PageSizes } from './page-sizes.ts'
import { nextLink, parseMaxResults, parseSkipToken } from './paging.ts'
import type { RouteMatch } from './routes.ts'
import type { Vault } from './vault.ts'

export interface OperationContext {
	readonly request: Incoming
	readonly vault: Vault
	readonly match: RouteMatch
	readonly apiVersion: string
	/** Key of backups: a blob of another emulator is refused, as one of another subscription is. */
	readonly backupKey: Buffer
	readonly sizes: PageSizes
	/** The emulator's clock, milliseconds. */
	readonly now: number
}

export const ok = (json: unknown): Reply => ({ status: 200, json })

export const contextOf = ({ request, vault }: OperationContext): BundleContext => ({
	origin: originOf(request),
	recoveryLevel: vault.recoveryLevel,
	recoverableDays: vault.recoverableDays,
})

/** The name is there: the route has it in its path. */
export const nameOf = ({ match }: OperationContext): string => match.name as string

/** One page of a list, as large as the page plan lets it be; see page-sizes.ts. */
export function page<T>(
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
