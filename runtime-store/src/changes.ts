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

/**
 * Delivers events to listeners. Each listener has a queue of its own, so that a slow one delays nobody else, and gets the
 * events in order. What a listener throws is logged and ends there.
 */
export class ChangeListeners {
	readonly #tails = new Map<ChangeListener, Promise<void>>()
	readonly #logger: () => Logger

	constructor(logger: () => Logger) {
		this.#logger = logger
	}

	add(listener: ChangeListener): () => void {
		// A wrapper, so that one function can be registered twice and removed once.
		const own: ChangeListener = (event) => listener(event)
		this.#tails.set(own, Promise.resolve())
		return () => {
			this.#tails.delete(own)
		}
	}

	emit(event: SecretsChanged): void {
		for (const [listener, tail] of this.#tails) {
			const call = tail.then(async () => {
				if (!this.#tails.has(listener)) return
				try {
					await listener(event)
				} catch (error) {
					// Only the kind of error: its message is the application's and may quote the secret.
					this.#logger().error(
						{ error: error instanceof Error ? error.name : typeof error },
						'a listener for changed secrets failed',
					)
				}
			})
			this.#tails.set(listener, call)
		}
	}

	/** Forgets all listeners. Does not wait for calls under way: one of them may be what closes us. */
	close(): void {
		this.#tails.clear()
	}
}
