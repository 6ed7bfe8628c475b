import { type PageLimit, VaultError } from '../ports/vault.ts'

/** What the service puts on a page at most. */
export const PAGE_SIZE = 25
// 100,000 secrets. Whatever says that there are more is not a vault but an answer whose last page never comes.
const MAX_PAGES = 4_000

export interface Pages<T> {
	complete: boolean
	/** that were read */
	pages: number
	items: T[]
}

/** Reads pages until the last one, or one more than allowed: that is how it is known that there are more. */
export async function readPages<T>(limit: PageLimit, next: () => Promise<IteratorResult<T[]>>): Promise<Pages<T>> {
	const items: T[] = []
	for (let pages = 1; ; pages++) {
		const page = await next()
		// An empty vault has one page as well: it took one call.
		if (page.done) return { complete: true, pages: Math.max(pages - 1, 1), items }
		if (pages > limit.pages) return { complete: false, pages, items }
		if (pages > MAX_PAGES) throw new VaultError({ kind: 'garbage' })
		items.push(...page.value)
	}
}
