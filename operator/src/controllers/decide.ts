import { createHash } from 'node:crypto'
import type { Binding } from '../api/parse.ts'
import { buildManifest, encode, planWrite, type WriteInput } from '../destinations/secret/rules.ts'
import { deliveredSecret, drifted } from '../destinations/secret/secret-object.ts'
import { type HeldRemovals, holdRemovals } from '../engine/brake.ts'
import { decideEntry, type EntryResult } from '../engine/entry.ts'
import { namedTags } from '../engine/select.ts'
import type { Present } from './deliver.ts'
import { withoutHistory } from './history.ts'
import type { LookResult } from './look.ts'
import { deliveredOf, type Memory } from './memory.ts'

export interface Planning {
	binding: Binding
	vaultUrl: string
	memory: Memory
}

/** What becomes of each secret, before removals are counted. */
export interface Decided {
	results: EntryResult[]
	/** keys of others whose bytes are the wanted ones */
	accepted: Map<string, string>
}

export interface Planned extends Decided {
	removals: HeldRemovals | undefined
	manifest: ReturnType<typeof buildManifest>
	write: ReturnType<typeof planWrite>
}

/** Decides about each secret by what was found, and by the bytes that are there when they were read back just now. */
export function decide({ binding, memory }: Planning, found: LookResult, present: Present | undefined): Decided {
	const delivered = deliveredOf(memory)
	const data = present?.kind === 'ours' ? (present.secret.data ?? {}) : {}
	const accepted = new Map(memory.accepted)
	const lost = new Set(delivered ? drifted(delivered, [...delivered.keys.keys()], memory.accepted) : [])
	const tags = namedTags(binding.select)
	const results = found.wanted.map((wanted): EntryResult => {
		const { name } = wanted
		const finding = found.findings.get(name) ?? { kind: 'unchanged' }
		const context = { policy: binding.policy, intact: !lost.has(name), tags }
		const decided = withoutHistory(decideEntry(wanted, finding, deliveredSecret(delivered, name), context))
		// A process that starts after us has this to go by: it must not take for settled what is still to be read again.
		const unsettled = decided.delivered && decided.reason === undefined && !found.known.get(name)?.settled
		const result: EntryResult = unsettled ? { ...decided, reason: 'Unsettled' } : decided
		const same = result.value !== undefined && Object.hasOwn(data, name) && data[name] === encode(result.value)
		if (!same) return result
		// Somebody wrote the value that we would write. Writing it again would not even make the field ours.
		const holder = delivered?.keys.get(name)?.foreign
		if (holder !== undefined) accepted.set(name, holder)
		return { ...result, value: undefined }
	})
	return { results, accepted }
}

// 48 bits: nobody acknowledges by chance, and it can be read aloud.
const DIGEST_DIGITS = 12

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, DIGEST_DIGITS)

/** The write that brings the Secret to what was decided, as far as the removals may be done. */
export function finish({ binding, vaultUrl, memory }: Planning, found: LookResult, decided: Decided): Planned {
	const delivered = deliveredOf(memory)
	const { maxRemovals } = binding.policy
	const { results, held } = holdRemovals(decided.results, maxRemovals, binding.allowRemovals, digestOf)
	const bySelectors = results.some(({ wanted: { name } }) => {
		const finding = found.findings.get(name)
		return held?.names.includes(name) && finding?.kind === 'leaves' && finding.why === 'selectors'
	})
	// Without a list nothing is known of new selectors, so the old ones go on.
	const selectorsHeld = bySelectors || (binding.select.length > 0 && found.selectors !== 'listed')
	const input: WriteInput = { binding, vaultUrl, results, delivered, revision: memory.revision, selectorsHeld }
	const manifest = buildManifest(input)
	return { ...decided, results, removals: held, manifest, write: planWrite(input, manifest) }
}
