import { createHash } from 'node:crypto'
import type { SecretChange } from './changes.ts'
import type { Clock } from './clock.ts'

export interface FollowedOptions {
	readonly clock: Clock
	/** Milliseconds between looks at a name beyond the mounts. */
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
	#listeners = 0
	#cancel: () => void = () => {}

	constructor(options: FollowedOptions) {
		this.#options = options
	}

	/** A name that somebody asked for. */
	remember(name: string): void {
		if (this.#names.has(name)) return
		this.#names.set(name, undefined)
		const oldest = this.#names.size > MAX_NAMES ? this.#names.keys().next().value : undefined
		if (oldest !== undefined) this.#names.delete(oldest)
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
		for (const name of names) this.remember(name)
		this.#listeners += 1
		if (this.#listeners === 1) this.#schedule()
		if (names.length > 0) void this.#look(names)
		let listening = true
		return () => {
			if (!listening) return
			listening = false
			this.#listeners -= 1
			if (this.#listeners === 0) this.#cancel()
		}
	}

	clear(): void {
		this.#listeners = 0
		this.#cancel()
		this.#names.clear()
	}

	#schedule(): void {
		this.#cancel = this.#options.clock.after(this.#options.intervalMs, () => {
			void this.#look([...this.#names.keys()]).then(() => {
				if (this.#listeners > 0) this.#schedule()
			})
		})
	}

	/** Failures are those of the next read as well: the application meets them there. */
	async #look(names: readonly string[]): Promise<void> {
		const beyond = names.filter((name) => this.#options.fileOf(name) === undefined)
		await Promise.allSettled(beyond.map((name) => this.#options.read(name)))
	}
}
