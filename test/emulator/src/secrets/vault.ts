// The pure model of one vault: states of names, versions, order, visibility. No HTTP, no access rules, no IO.
import type { EmulatorClock } from '../clock.ts'
import type { Random } from '../random.ts'
import {
	alreadyExists,
	beingDeleted,
	beingRecovered,
	deletedButRecoverable,
	deletedSecretNotFound,
	managedSecret,
	restoreConflict,
	secretDisabled,
	secretNotFound,
} from './errors.ts'
import type { Found, FoundDeleted, Page, Secret, SecretInput, SecretPatch, SecretVersion } from './model.ts'
import { SortedKeys } from './sorted-keys.ts'
import { pageOfVersions, strip } from './versions.ts'

export interface VaultOptions {
	readonly clock: EmulatorClock
	readonly random: Random
	/** How long a delete or a recover takes to show, in milliseconds. */
	readonly visibilityDelayMs: () => number
	/** Retention of deleted secrets, 7 to 90 days. */
	readonly recoverableDays: number
}

/** Length of a version id: 32 lower-case hex characters. */
const VERSION_LENGTH = 32

export class Vault {
	readonly name: string
	readonly recoverableDays: number
	readonly #options: VaultOptions
	/** By lower-case name. */
	readonly #secrets = new Map<string, Secret>()
	readonly #keys = new SortedKeys()

	constructor(name: string, options: VaultOptions) {
		this.name = name
		this.recoverableDays = options.recoverableDays
		this.#options = options
	}

	/** `Recoverable+Purgeable`, or the customised level when the retention is below the default of 90 days. */
	get recoveryLevel(): string {
		return this.recoverableDays < 90 ? 'CustomizedRecoverable+Purgeable' : 'Recoverable+Purgeable'
	}

	/** Adds a version, also when the value is equal to the current one. */
	set(name: string, input: SecretInput, certificate?: { pem: string }): Found {
		const existing = this.#find(name)
		if (existing) {
			this.#requireWritable(existing)
			if (this.#current(existing).managed && !certificate) throw managedSecret('set')
		}
		const secret: Secret = existing ?? { name, state: { kind: 'live', visibleAt: 0 }, versions: [] }
		const now = this.#options.clock.seconds()
		const id = this.#options.random.hex(VERSION_LENGTH)
		const previous = secret.versions.at(-1)
		const { contentType, tags, notBefore, expires } = input
		const version: SecretVersion = {
			version: id,
			value: input.value,
			enabled: input.enabled ?? true,
			created: now,
			updated: now,
			...(contentType === undefined ? {} : { contentType }),
			...(tags === undefined ? {} : { tags }),
			...(notBefore === undefined ? {} : { notBefore }),
			...(expires === undefined ? {} : { expires }),
			...(certificate ? { managed: true as const, pem: certificate.pem } : {}),
			...(certificate && previous ? { previousVersion: previous.version } : {}),
		}
		secret.versions.push(version)
		if (!existing) this.#insert(secret)
		return { name: secret.name, version }
	}

	/** The current version when none is named. A disabled version is not readable; there is no falling back to an older one. */
	get(name: string, version?: string): Found {
		const secret = this.#live(name, version)
		const found = version === undefined ? this.#current(secret) : this.#version(secret, name, version)
		if (!found.enabled) throw secretDisabled()
		return { name: secret.name, version: found }
	}

	/** Changes metadata of a version, of the current one when none is named. */
	update(name: string, version: string | undefined, patch: SecretPatch): Found {
		const secret = this.#live(name, version)
		const old = version === undefined ? this.#current(secret) : this.#version(secret, name, version)
		// A certificate's secret can be disabled and enabled, and nothing else.
		if (old.managed && Object.keys(strip(patch)).some((key) => key !== 'enabled')) throw managedSecret('update')
		const changed: SecretVersion = { ...old, ...strip(patch), updated: this.#options.clock.seconds() }
		secret.versions[secret.versions.indexOf(old)] = changed
		return { name: secret.name, version: changed }
	}

	/** Soft delete of the secret with all its versions: gone at once here, seen among the deleted ones later. */
	delete(name: string): FoundDeleted {
		const secret = this.#find(name)
		if (secret?.state.kind !== 'live') throw secretNotFound(name)
		if (secret.state.visibleAt > this.#now()) throw beingRecovered(secret.name)
		if (this.#current(secret).managed) throw managedSecret('delete')
		const deletedDate = this.#options.clock.seconds()
		const scheduledPurgeDate = deletedDate + this.recoverableDays * 86_400
		secret.state = { kind: 'deleted', visibleAt: this.#later(), deletedDate, scheduledPurgeDate }
		return { name: secret.name, version: this.#current(secret), deletedDate, scheduledPurgeDate }
	}

	getDeleted(name: string): FoundDeleted {
		const secret = this.#find(name)
		const deleted = secret && this.#asDeleted(secret)
		if (!deleted) throw deletedSecretNotFound(name)
		return deleted
	}

	purge(name: string): void {
		const secret = this.#requireDeleted(name)
		secret.state = { kind: 'purging', freeAt: this.#later() }
	}

	/** Brings back the same versions; reads answer "not found" until it shows. */
	recover(name: string): Found {
		// Unlike a purge, a recover of a name that is not there speaks of a secret, not of a deleted one.
		if (this.#find(name)?.state.kind !== 'deleted') throw secretNotFound(name)
		const secret = this.#requireDeleted(name)
		secret.state = { kind: 'live', visibleAt: this.#later() }
		return { name: secret.name, version: this.#current(secret) }
	}

	/** Secrets by name, each with its current version, disabled ones included. */
	list(after: string | undefined, limit: number): Page<Found> {
		return this.#page(after, limit, (secret) =>
			this.#visible(secret) ? { name: secret.name, version: this.#current(secret) } : undefined,
		)
	}

	listDeleted(after: string | undefined, limit: number): Page<FoundDeleted> {
		return this.#page(after, limit, (secret) => this.#asDeleted(secret))
	}

	/** Versions by id, which is a random order in time. A name that is not there has no versions: no error. */
	listVersions(name: string, after: string | undefined, limit: number): Page<Found> {
		const secret = this.#find(name)
		if (!secret || !this.#visible(secret)) return { items: [], more: false }
		return pageOfVersions(secret, after, limit)
	}

	/** Everything of one secret, for a backup. */
	export(name: string): Secret {
		return this.#live(name, undefined)
	}

	/** Puts a backup back; the name must be free. `idOf` is the id of a version, for the text of a conflict. */
	import(secret: Secret, idOf: (found: Found) => string): Found {
		const existing = this.#find(secret.name)
		if (existing) {
			if (existing.state.kind === 'purging')
				throw restoreConflict(idOf({ name: secret.name, version: this.#current(secret) }))
			this.#requireWritable(existing)
			throw alreadyExists(existing.name)
		}
		const copy: Secret = { name: secret.name, state: { kind: 'live', visibleAt: 0 }, versions: [...secret.versions] }
		this.#insert(copy)
		return { name: copy.name, version: this.#current(copy) }
	}

	/** All secrets in all states, for a state file. */
	dump(): Secret[] {
		return [...this.#secrets.values()]
	}

	/** Takes what `dump` gave. */
	load(secrets: readonly Secret[]): void {
		for (const secret of secrets) this.#insert({ ...secret, versions: [...secret.versions] })
	}

	#now(): number {
		return this.#options.clock.now()
	}

	#later(): number {
		return this.#now() + this.#options.visibilityDelayMs()
	}

	#insert(secret: Secret): void {
		const key = secret.name.toLowerCase()
		this.#secrets.set(key, secret)
		this.#keys.add(key)
	}

	/** The entry of a name in any state, after whatever time has ended is gone. */
	#find(name: string): Secret | undefined {
		const key = name.toLowerCase()
		const secret = this.#secrets.get(key)
		if (!secret) return undefined
		const { state } = secret
		const gone =
			(state.kind === 'purging' && state.freeAt <= this.#now()) ||
			(state.kind === 'deleted' && state.scheduledPurgeDate <= this.#options.clock.seconds())
		if (!gone) return secret
		this.#secrets.delete(key)
		this.#keys.remove(key)
		return undefined
	}

	#visible(secret: Secret): boolean {
		return secret.state.kind === 'live' && secret.state.visibleAt <= this.#now()
	}

	#live(name: string, version: string | undefined): Secret {
		const secret = this.#find(name)
		if (!secret || !this.#visible(secret)) throw secretNotFound(version === undefined ? name : `${name}/${version}`)
		return secret
	}

	#requireWritable(secret: Secret): void {
		const { state } = secret
		if (state.kind === 'purging') throw beingDeleted()
		if (state.kind === 'deleted')
			throw state.visibleAt > this.#now() ? beingDeleted() : deletedButRecoverable(secret.name)
		if (state.visibleAt > this.#now()) throw beingRecovered(secret.name)
	}

	/** For purge and recover: a delete that does not show yet is still going on. */
	#requireDeleted(name: string): Secret {
		const secret = this.#find(name)
		if (secret?.state.kind !== 'deleted') throw deletedSecretNotFound(name)
		if (secret.state.visibleAt > this.#now()) throw beingDeleted()
		return secret
	}

	#asDeleted(secret: Secret): FoundDeleted | undefined {
		const { state } = secret
		if (state.kind !== 'deleted' || state.visibleAt > this.#now()) return undefined
		if (state.scheduledPurgeDate <= this.#options.clock.seconds()) return undefined
		const { deletedDate, scheduledPurgeDate } = state
		return { name: secret.name, version: this.#current(secret), deletedDate, scheduledPurgeDate }
	}

	#current(secret: Secret): SecretVersion {
		return secret.versions.at(-1) as SecretVersion
	}

	#version(secret: Secret, name: string, version: string): SecretVersion {
		const wanted = version.toLowerCase()
		const found = secret.versions.find((each) => each.version === wanted)
		if (!found) throw secretNotFound(`${name}/${version}`)
		return found
	}

	/** One page of at most `limit` items, which may be 0. */
	#page<T>(after: string | undefined, limit: number, pick: (secret: Secret) => T | undefined): Page<T> {
		const items: T[] = []
		let last: string | undefined
		for (const key of this.#keys.after(after)) {
			const secret = this.#secrets.get(key)
			const item = secret && pick(secret)
			if (!item) continue
			if (items.length === limit) return { items, more: true, ...(last === undefined ? {} : { last }) }
			items.push(item)
			last = key
		}
		return { items, more: false, ...(last === undefined ? {} : { last }) }
	}
}
