// A vault that counts: the emulator's throttle, a network, and readers that ask through the budget of their node as a session does.

import { type Ask, VaultError, type VaultReader, type VaultSecret } from '../../operator/src/ports/vault.ts'
import type { Budget } from '../../operator/src/vault/budget.ts'
import { EmulatorClock } from '../emulator/src/clock.ts'
import { Throttle } from '../emulator/src/faults/throttle.ts'
import type { StillClock } from './still-clock.ts'

// One way to the vault, and back: 50 ms a call are common (FACTS.md#throttling of the operator takes 0.05 to 0.2 s).
const [LEAST_MS, MORE_MS] = [15, 20]
/** the exchange of a token at Entra, before the first read of a session */
const TOKEN_MS = 150

export class ThrottledVault {
	calls = 0
	throttled = 0
	tokens = 0
	/** virtual time of each call that was served, for the busiest second */
	readonly servedAt: number[] = []
	readonly #clock: StillClock
	readonly #random: () => number
	readonly #throttle: Throttle
	readonly #secrets = new Map<string, { version: string; updated: number }>()
	readonly #left = new Map<number, { count: number; done: () => void }>()
	#versions = 0

	constructor(clock: StillClock, random: () => number) {
		this.#clock = clock
		this.#random = random
		this.#throttle = new Throttle(new EmulatorClock({ now: () => clock.now() }))
	}

	rotate(name: string): void {
		const version = String(++this.#versions).padStart(32, '0')
		this.#secrets.set(name, { version, updated: Math.floor(this.#clock.now() / 1000) })
	}

	updatedOf(name: string): number {
		return this.#secrets.get(name)?.updated ?? 0
	}

	reset(): void {
		this.calls = 0
		this.throttled = 0
		this.tokens = 0
		this.servedAt.length = 0
	}

	/** Tells once for each node that it has read every secret. */
	onAllRead(nodes: number, done: () => void): void {
		for (let node = 0; node < nodes; node++) this.#left.set(node, { count: this.#secrets.size, done })
	}

	readerOf(node: number, budget: Budget): VaultReader {
		let opening: Promise<void> | undefined
		const none = () => Promise.reject(new Error('a node that is told what changed lists nothing'))
		return {
			issuer: 'https://issuer.example.com',
			list: none,
			versions: none,
			read: async (name, _, ask) => {
				opening ??= this.#open()
				await opening
				return this.#read(node, name, ask, budget)
			},
		}
	}

	async #open(): Promise<void> {
		this.tokens++
		await this.#clock.sleep(TOKEN_MS)
	}

	async #read(node: number, name: string, { lane, signal }: Ask, budget: Budget): Promise<VaultSecret> {
		const place = await budget.acquire({ lane, namespace: 'fleet', signal })
		try {
			await this.#clock.sleep(LEAST_MS + MORE_MS * this.#random())
			this.calls++
			const refused = this.#throttle.take('fleet', 'other')
			await this.#clock.sleep(LEAST_MS + MORE_MS * this.#random())
			if (refused) {
				this.throttled++
				// The service's 429 says nothing of how long.
				place.throttled(undefined)
				throw new VaultError({ kind: 'throttled' })
			}
			this.servedAt.push(this.#clock.monotonic())
			return this.#answer(node, name)
		} finally {
			place.release()
		}
	}

	#answer(node: number, name: string): VaultSecret {
		const { version, updated } = this.#secrets.get(name) ?? { version: '', updated: 0 }
		const left = this.#left.get(node)
		if (left && --left.count === 0) left.done()
		const facts = { enabled: true, created: updated, updated, tags: {} }
		return { version, value: () => `value of ${name} ${version}`, facts, serverTime: this.#clock.now() }
	}
}
