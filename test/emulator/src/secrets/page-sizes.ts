// How many items a page of a list has. The service stores what it lists in parts, and a page ends where a part
// does: pages come short, and even empty, with more behind them.
import { createHash } from 'node:crypto'

/** `uneven`: as the service. `full`: every page but the last is full. A list: sizes of the pages in turn, full after it. */
export type PagePlan = 'uneven' | 'full' | readonly number[]

/** Of 223 recorded pages with a next one, 52 were short or empty. */
const SHORT_SHARE: number = 52 / 223
/** Recorded short pages of 25 had 24, 23 and 21: up to four are missing. */
const MAX_MISSING = 4

/** Which page of which list: the same one has the same size again, whatever is asked in between. */
export interface PageQuestion {
	readonly list: 'secrets' | 'keys' | 'certificates' | 'deleted' | 'versions'
	/** What the list is of: vault, and the secret for versions. */
	readonly of: string
	/** Pages before it, since the first. */
	readonly index: number
	readonly limit: number
}

export interface PageSizes {
	/** At most so many items; 0 to the limit. */
	size(question: PageQuestion): number
	/** Whether the last page is followed by an empty one: a full one always is for secrets, and sometimes for versions. */
	extra(question: PageQuestion, items: number): boolean
}

/** Sizes by plan, drawn from the seed. */
export function pageSizes(plan: () => PagePlan, seed: string): PageSizes {
	const draw = ({ list, of, index, limit }: PageQuestion, what: string): Buffer =>
		createHash('sha256').update(`${seed}:${what}:${list}:${of}:${index}:${limit}`).digest()
	return {
		size: (question) => {
			const planned = plan()
			const { index, limit } = question
			if (planned === 'full') return limit
			if (planned !== 'uneven') return Math.min(planned[index] ?? limit, limit)
			const bytes = draw(question, 'size')
			if (bytes.readUInt32BE(0) / 2 ** 32 >= SHORT_SHARE) return limit
			return Math.max(0, limit - 1 - (bytes.readUInt32BE(4) % MAX_MISSING))
		},
		extra: (question, items) => {
			const planned = plan()
			if (planned === 'full') return false
			if (planned !== 'uneven') return planned[question.index + 1] === 0
			return items === question.limit && (question.list !== 'versions' || draw(question, 'extra').readUInt8(0) < 128)
		},
	}
}
