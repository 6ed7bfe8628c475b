// The vaults of a simulated history: the emulator's own model of a vault, and what the oracle is told of it.
import { EmulatorClock } from '../emulator/src/clock.ts'
import { ServiceError } from '../emulator/src/http/service-error.ts'
import { createRandom } from '../emulator/src/random.ts'
import type { SecretInput } from '../emulator/src/secrets/model.ts'
import { Vault } from '../emulator/src/secrets/vault.ts'
import type { Item, Origin, VaultHistory, Version } from '../oracle/model.ts'
import type { Agenda } from './agenda.ts'
import { type ObjectName, traitsOf, VAULTS, type VaultName } from './names.ts'
import { untraced } from './untraced.ts'

// A recovered secret answers 404 for 2 to 4 s; recorded.
const VISIBLE_AFTER_MS = 3_000

export type Details = Partial<Omit<Version, 'id' | 'value' | 'created'>>

export class SimulatedVaults implements VaultHistory {
	readonly #agenda: Agenda
	readonly #vaults: ReadonlyMap<string, Vault>
	readonly #items = new Map<string, Item>()
	readonly #origins = new Map<string, Origin>()
	/** the oracle looks before and after */
	readonly #during: (work: () => void) => void
	#count = 0

	constructor(agenda: Agenda, during: (work: () => void) => void) {
		this.#agenda = agenda
		this.#during = during
		const clock = new EmulatorClock({ now: () => agenda.serverNow() })
		const random = createRandom(1)
		const options = { clock, random, visibilityDelayMs: () => VISIBLE_AFTER_MS, recoverableDays: 90 }
		this.#vaults = new Map(VAULTS.map((name) => [name, new Vault(name, options)]))
	}

	item(vault: string, objectName: string): Item | undefined {
		return this.#items.get(`${vault}/${objectName}`)
	}

	items(): Iterable<Item> {
		return this.#items.values()
	}

	origin(text: string): Origin | undefined {
		return this.#origins.get(text)
	}

	/** The model that answers questions. */
	vault(name: string): Vault {
		const vault = this.#vaults.get(name)
		if (!vault) throw new Error(`there is no vault ${name}`)
		return vault
	}

	/** A new version, with the tags of the one before. @returns whether it could be made */
	rotate(vault: VaultName, name: ObjectName): boolean {
		const item = this.item(vault, name) ?? { versions: [], deleted: false, tags: {} }
		const last = item.versions.at(-1)
		const second = Math.floor(this.#agenda.serverNow() / 1000)
		// Which of two versions of one second is the older one cannot be told, and the rules that ask it have tests of their own.
		if (traitsOf(name).ordered && last?.created === second) return false
		const { json } = traitsOf(name)
		const parts = json === true ? { user: this.#text(name), password: this.#text(name) } : undefined
		const value = parts ? JSON.stringify(parts) : this.#single(name, item.versions.length)
		return this.#try(() => {
			const input: SecretInput = { value, tags: item.tags }
			const id = this.vault(vault).set(name, input).version.version
			item.versions.push({ id, value, enabled: true, created: second })
			this.#items.set(`${vault}/${name}`, item)
			for (const text of [value, ...Object.values(parts ?? {})])
				this.#origins.set(text, { vault, objectName: name, id })
		})
	}

	/** Changes what is said of the current version, or of one so many before it. */
	describe(vault: VaultName, name: ObjectName, what: Details, before = 0): boolean {
		const version = this.item(vault, name)?.versions.at(-1 - before)
		if (!version) return false
		return this.#try(() => {
			this.vault(vault).update(name, version.id, what)
			Object.assign(version, what)
		})
	}

	tag(vault: VaultName, name: ObjectName, tags: Record<string, string>): boolean {
		const item = this.item(vault, name)
		if (!item) return false
		return this.#try(() => {
			this.vault(vault).update(name, undefined, { tags })
			item.tags = tags
		})
	}

	delete(vault: VaultName, name: ObjectName): boolean {
		const item = this.item(vault, name)
		if (!item) return false
		return this.#try(() => {
			this.vault(vault).delete(name)
			item.deleted = true
		})
	}

	recover(vault: VaultName, name: ObjectName): boolean {
		const item = this.item(vault, name)
		if (!item) return false
		return this.#try(() => {
			this.vault(vault).recover(name)
			// Until then the vault itself says that it is not there.
			this.#agenda.after(VISIBLE_AFTER_MS, () =>
				this.#during(() => {
					item.deleted = false
				}),
			)
		})
	}

	/** Versions of one second are among them. */
	isTied(vault: string, objectName: string): boolean {
		const seconds = (this.item(vault, objectName)?.versions ?? []).map(({ created }) => created)
		return new Set(seconds).size < seconds.length
	}

	/** What the vault refuses in this moment (a secret that is just being deleted or recovered) does not happen. */
	#try(work: () => void): boolean {
		let done = true
		this.#during(() => {
			try {
				untraced(work)
			} catch (error) {
				if (!(error instanceof ServiceError)) throw error
				done = false
			}
		})
		return done
	}

	#single(name: ObjectName, before: number): string {
		const text = this.#text(name)
		return traitsOf(name).json === 'every other' && before % 2 === 0 ? JSON.stringify({ auths: text }) : text
	}

	/** Long enough that no chance finds it in a status. */
	#text(name: string): string {
		return `${name}-${++this.#count}-${CANARY}`
	}
}

/** Stands in each value: whatever is printed or told must not have it. */
export const CANARY = 'canary-7Hq2xVw'
