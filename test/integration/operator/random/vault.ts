// The vault of the random run: each change is made to the emulator and to the model.
import type { Emulator } from 'azure-key-vault-emulator'
import { until } from '../../../kit/until.ts'
import type { Item, Origin, VaultHistory, Version } from '../../../oracle/model.ts'
import { UNORDERED, VAULT } from './specs.ts'

export class RandomVault {
	readonly items = new Map<string, Item>()
	/** every value that was ever set, and its parts */
	readonly origins = new Map<string, Origin>()
	/** what the oracle may know */
	readonly history: VaultHistory = {
		item: (_, name) => this.items.get(name),
		items: () => this.items.values(),
		origin: (text) => this.origins.get(text),
	}
	readonly #emulator: Emulator
	readonly #vault: string
	readonly #random: () => number
	#count = 0

	constructor(emulator: Emulator, vault: string, random: () => number) {
		this.#emulator = emulator
		this.#vault = vault
		this.#random = random
	}

	/** A new version, with the tags of the one before. */
	async rotate(name: string): Promise<void> {
		const { control } = this.#emulator
		const item = this.items.get(name) ?? { versions: [], deleted: false, tags: {} }
		const value = name === 'pair' ? `{"user":"${this.#text(name)}","password":"${this.#text(name)}"}` : this.#text(name)
		if (!UNORDERED.has(name) && item.versions.length > 0) await this.#apart(name)
		const { version: id } = await control.setSecret({ vault: this.#vault, name, value, tags: item.tags })
		item.versions.push({ id, value, enabled: true })
		this.items.set(name, item)
		const texts = name === 'pair' ? Object.values(JSON.parse(value) as Record<string, string>) : []
		for (const text of [value, ...texts]) this.origins.set(text, { vault: VAULT, objectName: name, id })
	}

	/** Changes what is said of the current version, or of one so many before it. */
	async describe(name: string, what: Partial<Omit<Version, 'id' | 'value'>>, before = 0): Promise<void> {
		const version = this.items.get(name)?.versions.at(-1 - before)
		if (!version) return
		await this.#emulator.control.updateSecret({ vault: this.#vault, name, version: version.id, ...what })
		Object.assign(version, what)
	}

	async tag(name: string, tags: Record<string, string>): Promise<void> {
		await this.#emulator.control.updateSecret({ vault: this.#vault, name, tags })
		const item = this.items.get(name)
		if (item) item.tags = tags
	}

	async delete(name: string): Promise<void> {
		await this.#emulator.control.deleteSecret({ vault: this.#vault, name })
		const item = this.items.get(name)
		if (item) item.deleted = true
	}

	async recover(name: string): Promise<void> {
		await this.#emulator.control.recoverSecret({ vault: this.#vault, name })
		const item = this.items.get(name)
		if (item) item.deleted = false
	}

	/** Versions of one second could not be ordered. */
	async #apart(name: string): Promise<void> {
		const { created } = await this.#emulator.control.getSecret({ vault: this.#vault, name })
		await until('the next second', async () => Math.floor(Date.now() / 1000) > created, { everyMs: 50 })
	}

	/** Random, long enough that no chance finds it in a log. */
	#text(name: string): string {
		const digits = Array.from({ length: 4 }, () => Math.floor(this.#random() * 2 ** 32).toString(36))
		return `${name}-${++this.#count}-canary-${digits.join('')}`
	}
}
