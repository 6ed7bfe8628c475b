import type { Logger } from './purista.ts'

/** One name whose value is another one now. Never the value itself. */
export interface SecretChange {
	readonly name: string
	readonly kind: 'added' | 'changed' | 'removed'
	/** Key Vault version now; undefined when removed or when the mount has no manifest. */
	readonly version: string | undefined
	readonly previousVersion: string | undefined
}

/** What a listener gets: all names that changed at one moment. */
export interface SecretsChanged {
	readonly changes: readonly SecretChange[]
}

/** Called for each change, one call at a time; the next change waits for the promise. */
export type ChangeListener = (event: SecretsChanged) => void | Promise<void>

interface Registered {
	readonly listener: ChangeListener
	/** Names that it wants to hear of; undefined for all. */
	readonly names: ReadonlySet<string> | undefined
	/** Changes that wait for the call under way; one for each name, however many there were. */
	waiting: Map<string, SecretChange>
	calling: boolean
}

/** The one change that two changes of a name make; undefined when nothing is left of them. */
function merged(first: SecretChange, second: SecretChange): SecretChange | undefined {
	const { name, previousVersion } = first
	const [before, after] = [first.kind !== 'added', second.kind !== 'removed']
	if (!before && !after) return undefined
	const kind = before ? (after ? 'changed' : 'removed') : 'added'
	return { name, kind, version: second.version, previousVersion }
}

/**
 * Delivers changes to listeners, one call at a time for each. What comes during a call waits and is merged by name, so that a slow
 * listener delays nobody else and holds no more than one change a name. What a listener throws is logged and ends there.
 */
export class ChangeListeners {
	readonly #registered = new Set<Registered>()
	readonly #logger: () => Logger

	/** @param logger asked at each use, because PURISTA may replace the logger of a store */
	constructor(logger: () => Logger) {
		this.#logger = logger
	}

	add(listener: ChangeListener, names?: readonly string[]): () => void {
		const wanted = names === undefined ? undefined : new Set(names)
		const registered: Registered = { listener, names: wanted, waiting: new Map(), calling: false }
		this.#registered.add(registered)
		return () => {
			this.#registered.delete(registered)
		}
	}

	emit(changes: readonly SecretChange[]): void {
		for (const registered of this.#registered) {
			for (const change of changes) {
				if (registered.names?.has(change.name) === false) continue
				const first = registered.waiting.get(change.name)
				const one = first === undefined ? change : merged(first, change)
				if (one === undefined) registered.waiting.delete(change.name)
				else registered.waiting.set(change.name, one)
			}
			if (!registered.calling) void this.#call(registered)
		}
	}

	/** Forgets all listeners. Does not wait for calls under way: one of them may be what closes us. */
	close(): void {
		this.#registered.clear()
	}

	async #call(registered: Registered): Promise<void> {
		registered.calling = true
		while (registered.waiting.size > 0 && this.#registered.has(registered)) {
			const changes = [...registered.waiting.values()]
			registered.waiting = new Map()
			try {
				// In a later turn, so that a listener never runs inside the call that made the change.
				await Promise.resolve()
				if (this.#registered.has(registered)) await registered.listener({ changes })
			} catch (error) {
				// Only the kind of error: its message is the application's and may quote the secret.
				this.#logger().error(
					{ error: error instanceof Error ? error.name : typeof error },
					'a listener for changed secrets failed',
				)
			}
		}
		registered.calling = false
	}
}
