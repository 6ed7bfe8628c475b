import { createHash } from 'node:crypto'
import type { SecretChange } from './changes.ts'
import type { Clock } from './clock.ts'

export interface FollowedOptions {
	readonly clock: Clock
	/** Milliseconds between polls of a name beyond the mounts. */
	readonly intervalMs: number
	/** File that the name leads to; undefined when no mount covers it. */
	readonly fileOf: (name: string) => string | undefined
	/** Reads the name from the vault; what that gives comes back by `note`. */
	readonly read: (name: string) => Promise<unknown>
	readonly emit: (changes: readonly SecretChange[]) => void
}

/** What the vault had under a name when it was read last. */
interface Known {
	readonly token: string
	readonly version: string | undefined
}

// As many as the fallback holds. Names of input, read once each, must not become a thousand questions a minute for ever: the oldest goes.
const MAX_NAMES = 1_000

const ABSENT: Known = { token: 'absent', version: undefined }

function knownOf(found: { value: string | undefined; version: string | undefined } | undefined): Known {
	const { value, version } = found ?? {}
	if (value === undefined) return ABSENT
	// The value itself is not kept for longer than the cache keeps it.
	const token = version || createHash('sha256').update(value).digest('base64')
	return { token, version: version || undefined }
}

/**
 * Changes of names that are no names of files: those that a read asked for, and those that a listener names.
 *
 * 1. A vault name in another case than the mount writes it changes when its file does.
 * 2. A name that no mount covers is read from the vault once every `cacheTtl`, while somebody listens: one GET for each name. A read
 *    of the application in between tells as well.
 */
export class Followed {
	readonly #options: FollowedOptions
	readonly #names = new Map<string, Known | undefined>()
	/** How many listeners want a name; those names are never given up. */
	readonly #wanted = new Map<string, number>()
	#listeners = 0
	/** Aborted when the last listener ends: of looks that are under way only those of the present listeners are followed by another. */
	#looking = new AbortController()

	constructor(options: FollowedOptions) {
		this.#options = options
	}

	/** A name that somebody asked for. */
	remember(name: string): void {
		if (this.#names.has(name)) return
		this.#names.set(name, undefined)
		for (const oldest of this.#names.keys()) {
			if (this.#names.size - this.#wanted.size <= MAX_NAMES) return
			if (!this.#wanted.has(oldest)) this.#names.delete(oldest)
		}
	}

	/** What the vault has under a name beyond the mounts now. */
	note(name: string, found: { value: string | undefined; version: string | undefined } | undefined): void {
		const before = this.#names.get(name)
		this.remember(name)
		const now = knownOf(found)
		this.#names.set(name, now)
		if (before === undefined || before.token === now.token) return
		const kind = before === ABSENT ? 'added' : now === ABSENT ? 'removed' : 'changed'
		this.#options.emit([{ name, kind, version: now.version, previousVersion: before.version }])
	}

	/** The changes of a view, and those of names that lead to the same files. */
	withOtherNames(changes: readonly SecretChange[]): readonly SecretChange[] {
		if (changes.length === 0 || this.#names.size === 0) return changes
		const byName = new Map(changes.map((change) => [change.name, change]))
		const more: SecretChange[] = []
		for (const name of this.#names.keys()) {
			if (byName.has(name)) continue
			const fileName = this.#options.fileOf(name)
			const change = fileName === undefined ? undefined : byName.get(fileName)
			if (change !== undefined) more.push({ ...change, name })
		}
		return [...changes, ...more]
	}

	/** Begins to look by time. Returns the function that ends it. */
	listen(names: readonly string[] = []): () => void {
		const wanted = [...new Set(names)]
		for (const name of wanted) {
			this.#wanted.set(name, (this.#wanted.get(name) ?? 0) + 1)
			this.remember(name)
		}
		this.#listeners += 1
		if (this.#listeners === 1) this.#begin()
		if (wanted.length > 0) void this.#look(wanted)
		let listening = true
		return () => {
			if (!listening) return
			listening = false
			for (const name of wanted) this.#letGo(name)
			this.#listeners -= 1
			if (this.#listeners === 0) this.#looking.abort()
		}
	}

	#letGo(name: string): void {
		const others = (this.#wanted.get(name) ?? 1) - 1
		if (others > 0) this.#wanted.set(name, others)
		else this.#wanted.delete(name)
	}

	clear(): void {
		this.#listeners = 0
		this.#looking.abort()
		this.#names.clear()
		this.#wanted.clear()
	}

	#begin(): void {
		this.#looking = new AbortController()
		this.#schedule(this.#looking.signal)
	}

	#schedule(signal: AbortSignal): void {
		const cancel = this.#options.clock.after(this.#options.intervalMs, () => {
			signal.removeEventListener('abort', cancel)
			void this.#look([...this.#names.keys()]).then(() => {
				if (!signal.aborted) this.#schedule(signal)
			})
		})
		signal.addEventListener('abort', cancel)
	}

	/** Failures are those of the next read as well: the application meets them there. */
	async #look(names: readonly string[]): Promise<void> {
		const beyond = names.filter((name) => this.#options.fileOf(name) === undefined)
		await Promise.allSettled(beyond.map((name) => this.#options.read(name)))
	}
}
