import type { Binding } from '../api/parse.ts'
import type { Content } from './decode.ts'
import { decideEntry, type EntryResult } from './entry.ts'
import type { Holding } from './holding.ts'
import { drifted, secretInManifest } from './manifest-entry.ts'
import { withoutOlder } from './older.ts'
import type { Poll } from './poll.ts'
import { namedTags } from './select.ts'

/** What becomes of each secret, before removals are counted. */
export interface Decided {
	readonly results: readonly EntryResult[]
	/** files of others whose bytes are the wanted ones, and who wrote them */
	readonly accepted: ReadonlyMap<string, string>
}

/** What is there: with its bytes, when it was read back just now. */
export interface Present {
	readonly holding: Holding | undefined
	readonly accepted: ReadonlyMap<string, string>
}

/** Decides about each secret by what was found, and by the bytes that are there when they are known. */
export function decide(binding: Binding, vaultUrl: string, poll: Poll, { holding, accepted }: Present): Decided {
	const lost = new Set(holding ? drifted(holding, [...holding.files.keys()], accepted) : [])
	const tags = namedTags(binding.select)
	const taken = new Map(accepted)
	const results = poll.wanted.map((wanted): EntryResult => {
		const { name } = wanted
		const one = poll.ones.get(name)
		const context = { policy: binding.policy, intact: !lost.has(name), tags }
		const before = secretInManifest(holding, name, vaultUrl)
		const decided = withoutOlder(decideEntry(wanted, one?.finding ?? { kind: 'unchanged' }, before, context))
		// A process that starts after us has this to go by: it must not take for settled what is still to be read again.
		const isUnsettled = decided.inManifest && decided.reason === undefined && !one?.known?.settled
		const result: EntryResult = isUnsettled ? { ...decided, reason: 'Unsettled' } : decided
		if (result.value === undefined || !sameBytes(holding?.content?.(name), result.value)) return result
		// Somebody wrote the value that we would write. Writing it again would not even make the file ours.
		const writer = holding?.files.get(name)?.foreign
		if (writer !== undefined) taken.set(name, writer)
		return { ...result, value: undefined }
	})
	return { results, accepted: taken }
}

function sameBytes(a: Content | undefined, b: Content): boolean {
	if (a === undefined) return false
	return Buffer.from(a).equals(Buffer.from(b))
}
