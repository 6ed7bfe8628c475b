import { createHash } from 'node:crypto'
import type { Clock } from './clock.ts'
import { type SecretAddress, sameAddress } from './vault/vault.ts'
import type { PendingWrite } from './view.ts'

/**
 * What a mount shows of a name, in a form that can be compared: a version when it has a manifest, otherwise a digest of the bytes
 * (in memory only), `absent` when there is no file.
 */
export interface Shown {
	readonly token: string
	readonly pinned: boolean
	/** The secret that the name is of by now, as far as a mount tells. */
	readonly source: SecretAddress | undefined
}

export const ABSENT = 'absent'
export const tokenOfVersion = (version: string): string => `version ${version}`
export const tokenOfBytes = (bytes: Uint8Array): string =>
	`bytes ${createHash('sha256').update(bytes).digest('base64')}`

/** What the vault answered to the question for the current version. */
export type Current =
	| { kind: 'value'; value: string; version: string }
	/** 404 */
	| { kind: 'absent' }
	/** The current version cannot be read by anybody; the binding's policy says what the file is. */
	| { kind: 'disabled' }
	/** Nobody will answer: no permission, no vault. */
	| { kind: 'denied' }
	/** Not now. */
	| { kind: 'unavailable' }

export interface OverlayOptions {
	readonly clock: Clock
	/** 0 ≤ x < 1, for jitter. */
	readonly random: () => number
	/** Milliseconds until the vault is asked about an entry that the mount has not caught up with. */
	readonly keepMs: number
	/** What the mounts show of a file now. */
	readonly shown: (name: string) => Shown
	/** One versionless GET. Never rejects. */
	readonly ask: (address: SecretAddress) => Promise<Current>
	/** Called when an entry changed without a call of `add`. */
	readonly onChange: () => void
	/** Called when the file wins although the vault could not say which is current. */
	readonly onGivenUp: () => void
}

/** A write or a removal of this process. */
export interface OwnWrite {
	readonly address: SecretAddress
	/** No mount covers the name. */
	readonly beyond: boolean
	/** What was written; undefined for a removal. */
	readonly value: string | undefined
	readonly version: string | undefined
}

interface Entry {
	readonly address: SecretAddress
	/** No mount covers the name: reads go to the vault anyway once the entry is gone. */
	readonly beyond: boolean
	value: string | undefined
	version: string | undefined
	/** Tokens of what was written: any of them in the mount means that it has caught up. */
	written: Set<string>
	/** Tokens that are known to be older than what was written. */
	older: Set<string>
	deadline: number
	/** Monotonic milliseconds before which the vault is not asked again. */
	notBefore: number
	failures: number
	asking: boolean
}

// An outage of the vault is waited for an hour beyond the deadline; then the file is as good a guess as any.
const PATIENCE_MS = 3_600_000
// A mount that changes during each question must not make one question follow the other.
const ASK_PAUSE_MS = 1_000
const RETRY_FIRST_MS = 5_000
const RETRY_MAX_MS = 60_000
// Versions that one process can write within a deadline and that the mount may still show: far more than the 300 writes/10 s of a vault allow a name.
const MAX_OLDER = 64
// 10,000 entries of some kilobytes each; more names than that within one deadline are not read back by anybody.
const MAX_ENTRIES = 10_000

/**
 * Read-your-writes: what this process wrote or removed, until the mounts have caught up. M is what the mounts show of the name.
 *
 * 1. An entry is made when the vault has accepted the call. What M was when the call *began* counts as older, and so does what this process
 *    wrote under the name before. A call whose outcome is unknown makes no entry.
 * 2. M is pinned, or the name is of another vault or another secret by now: the entry goes, the binding decides.
 * 3. M is the version that was written: the entry goes, the mount has caught up. After a removal an absent M is no such sign, for absences have
 *    no ids: it may be one from before a value that is still on its way. So a removal stays until its deadline, and goes then if M is absent.
 * 4. M is older: the entry stays until its deadline (2 x interval + 90 s). A name that no mount covers has no M to wait for: its entry goes at the
 *    deadline, and reads ask the vault.
 * 5. M is anything else, or the deadline has come: one versionless GET asks the vault which is current. `created` is not asked: its
 *    whole seconds do not order two writes. With the answer C:
 *    a. C is M: the entry goes, the mount is right. (Not so only if the vault was restored to the very version that a mount still shows which is
 *       later than the deadline, and which shows after that what came between.)
 *    b. C is what was written: the entry stays with a new deadline, and M as it was when the question began is older from now on.
 *    c. C is another version: somebody wrote after us. The entry becomes C, because M is not even as new as that; new deadline.
 *    d. Absent: the entry becomes, or stays, a removal with a new deadline, and M is older: the mount keeps the file by policy, or does not know yet.
 *    e. Disabled: the entry goes; the policy of the binding decides what M is.
 *    f. Denied: the entry stays until its deadline, then goes with a warning. Unavailable: asked again with backoff, at most for an hour beyond
 *       the deadline, then the same.
 *    An answer counts only if the entry is still the one that was asked about.
 * 6. All names that lead to one secret have an entry of their own, because mounts catch up one by one; also a name that begins to lead there
 *    while one of the entries stands.
 */
export class Overlay {
	readonly #entries = new Map<string, Entry>()
	readonly #options: OverlayOptions
	#cancelTimer: () => void = () => {}

	constructor(options: OverlayOptions) {
		this.#options = options
	}

	get size(): number {
		return this.#entries.size
	}

	pending(): ReadonlyMap<string, PendingWrite> {
		return this.#entries
	}

	/**
	 * Remembers a call that the vault accepted.
	 *
	 * @param bases by name that leads to the secret: token of what the mounts showed of it when the call began
	 */
	add(write: OwnWrite, bases: ReadonlyMap<string, string>): void {
		const { address } = write
		const last = [...this.#entries.values()].findLast((entry) => sameAddress(entry.address, address))
		const names = new Set(bases.keys())
		for (const [name, entry] of this.#entries) if (sameAddress(entry.address, address)) names.add(name)
		for (const name of names) {
			// The name got another meaning during the call: what is pending of that one stays.
			const { source } = this.#options.shown(name)
			if (source !== undefined && !sameAddress(source, address)) continue
			const before = this.#entries.get(name)
			// What is known of another secret that had the name says nothing of this one.
			const from = before !== undefined && sameAddress(before.address, address) ? before : last
			const base = bases.get(name) ?? this.#options.shown(name).token
			this.#entries.delete(name)
			this.#entries.set(name, this.#entry(write, this.#olderThan(from, base)))
		}
		while (this.#entries.size > MAX_ENTRIES) {
			const oldest = this.#entries.keys().next().value
			if (oldest === undefined) break
			this.#entries.delete(oldest)
		}
		this.settle()
	}

	/** Gives an entry to names that begin to lead to a secret of which this process wrote another name. */
	spread(namesOf: (address: SecretAddress) => readonly string[]): void {
		for (const entry of [...this.#entries.values()])
			for (const name of namesOf(entry.address))
				if (!this.#entries.has(name)) this.#entries.set(name, { ...entry, beyond: false, asking: false })
	}

	#entry({ address, beyond, value, version }: OwnWrite, older: Set<string>): Entry {
		const written = new Set<string>()
		if (version !== undefined && version !== '') written.add(tokenOfVersion(version))
		if (value !== undefined) written.add(tokenOfBytes(Buffer.from(value)))
		const deadline = this.#options.clock.monotonic() + this.#options.keepMs
		return { address, beyond, value, version, written, older, deadline, notBefore: 0, failures: 0, asking: false }
	}

	/** Looks at all entries anew: after each snapshot, and when a deadline comes. Does not call `onChange` for what it does at once. */
	settle(): void {
		for (const [name, entry] of this.#entries) if (!this.#keeps(name, entry)) this.#entries.delete(name)
		this.#schedule()
	}

	clear(): void {
		this.#cancelTimer()
		this.#entries.clear()
	}

	#olderThan(before: Entry | undefined, base: string): Set<string> {
		const older = [...(before?.older ?? []), ...(before?.written ?? []), base]
		// What was removed counts as older than a new value, and the other way round.
		if (before !== undefined && before.value === undefined) older.push(ABSENT)
		return new Set(older.slice(-MAX_OLDER))
	}

	/** Rules 2 to 5; false when the entry goes. */
	#keeps(name: string, entry: Entry): boolean {
		const now = this.#options.clock.monotonic()
		const { token, pinned, source } = this.#options.shown(name)
		if (pinned) return false
		if (source !== undefined && !sameAddress(source, entry.address)) return false
		if (entry.written.has(token) && !entry.older.has(token)) return false
		const due = now >= entry.deadline
		if (entry.value === undefined && token === ABSENT) return !due
		if (entry.older.has(token) && !due) return true
		if (due && entry.beyond && token === ABSENT) return false
		if (now >= entry.deadline + PATIENCE_MS) {
			this.#options.onGivenUp()
			return false
		}
		if (!entry.asking && now >= entry.notBefore) void this.#ask(name, entry, token)
		return true
	}

	async #ask(name: string, entry: Entry, asked: string): Promise<void> {
		entry.asking = true
		const current = await this.#options.ask(entry.address)
		entry.asking = false
		if (this.#entries.get(name) !== entry) return
		this.#apply(name, entry, asked, current)
		this.settle()
		this.#options.onChange()
	}

	#apply(name: string, entry: Entry, asked: string, current: Current): void {
		const { clock, random } = this.#options
		const now = clock.monotonic()
		const { token } = this.#options.shown(name)
		switch (current.kind) {
			case 'value': {
				const tokens = new Set([tokenOfBytes(Buffer.from(current.value))])
				if (current.version !== '') tokens.add(tokenOfVersion(current.version))
				if (tokens.has(token)) return void this.#entries.delete(name)
				// A client that tells no versions is gone by values.
				const ours = current.version === '' ? entry.value === current.value : entry.version === current.version
				const older = new Set([...entry.older, ...(ours ? [] : entry.written), asked])
				for (const item of tokens) older.delete(item)
				this.#renew(name, entry, { value: current.value, version: current.version, written: tokens, older })
				return
			}
			case 'absent': {
				const older = new Set([...entry.older, ...entry.written, asked])
				this.#renew(name, entry, { value: undefined, version: undefined, written: new Set(), older })
				return
			}
			case 'disabled':
				return void this.#entries.delete(name)
			case 'denied':
				if (now >= entry.deadline) {
					this.#entries.delete(name)
					this.#options.onGivenUp()
				} else entry.notBefore = entry.deadline
				return
			case 'unavailable': {
				const pause = Math.min(RETRY_FIRST_MS * 2 ** entry.failures, RETRY_MAX_MS)
				entry.failures += 1
				// Half of the pause is chance, so that many entries or pods do not ask in step.
				entry.notBefore = now + pause * (0.5 + random() / 2)
				return
			}
		}
	}

	#renew(name: string, entry: Entry, change: Pick<Entry, 'value' | 'version' | 'written' | 'older'>): void {
		const now = this.#options.clock.monotonic()
		const older = new Set([...change.older].slice(-MAX_OLDER))
		const times = { deadline: now + this.#options.keepMs, notBefore: now + ASK_PAUSE_MS, failures: 0, asking: false }
		this.#entries.set(name, { ...entry, ...change, ...times, older })
	}

	#schedule(): void {
		const { clock } = this.#options
		this.#cancelTimer()
		let next = Number.POSITIVE_INFINITY
		for (const entry of this.#entries.values()) {
			if (entry.asking) continue
			next = Math.min(next, entry.notBefore > clock.monotonic() ? entry.notBefore : entry.deadline)
		}
		if (next === Number.POSITIVE_INFINITY) return
		// At least a second: a deadline that was missed by a rounding must not spin.
		this.#cancelTimer = clock.after(Math.max(next - clock.monotonic(), 1_000), () => {
			this.settle()
			this.#options.onChange()
		})
	}
}
