// Objects of one kind in one vault: states of names, versions, order, visibility. No HTTP, no access rules, no IO.
import type { EmulatorClock } from '../clock.ts'
import type { Random } from '../random.ts'
import { managedObject, type Noun, type ObjectErrors, objectErrors } from './errors.ts'
import type { Found, FoundDeleted, ObjectPatch, ObjectVersion, Page, Stored } from './model.ts'
import { SortedKeys } from './sorted-keys.ts'
import { pageOfVersions, strip } from './versions.ts'

export interface StoreOptions {
	readonly clock: EmulatorClock
	readonly random: Random
	/** How long a delete or a recover takes to show, in milliseconds. */
	readonly visibilityDelayMs: () => number
	/** Retention of deleted objects, 7 to 90 days. */
	readonly recoverableDays: number
}

/** Length of a version id: 32 lower-case hex characters. */
const VERSION_LENGTH = 32

/** What a new version gets from the store. */
type Stamped = 'version' | 'created' | 'updated'

/** `owner`: the call comes from the certificate that the object belongs to. */
export interface Call {
	readonly owner?: boolean
}

export class ObjectStore<V extends ObjectVersion> {
	readonly recoverableDays: number
	protected readonly options: StoreOptions
	protected readonly errors: ObjectErrors
	/** By lower-case name. */
	readonly #objects = new Map<string, Stored<V>>()
	readonly #keys = new SortedKeys()

	constructor(noun: Noun, options: StoreOptions) {
		this.errors = objectErrors(noun)
		this.recoverableDays = options.recoverableDays
		this.options = options
	}

	/** `Recoverable+Purgeable`, or the customised level when the retention is below the default of 90 days. */
	get recoveryLevel(): string {
		return this.recoverableDays < 90 ? 'CustomizedRecoverable+Purgeable' : 'Recoverable+Purgeable'
	}

	/** Whether the name is taken by an object that is there. */
	has(name: string): boolean {
		const object = this.find(name)
		return object !== undefined && this.#visible(object)
	}

	/** Throws when a new version of the name cannot be made now. The object of the name, if there is one. */
	requireFree(name: string, call: Call = {}): Stored<V> | undefined {
		const existing = this.find(name)
		if (!existing) return undefined
		this.#requireWritable(existing)
		if (this.current(existing).managed && !call.owner) throw managedObject('set')
		return existing
	}

	/** Adds a version; `id` when another object shares it. */
	add(name: string, version: Omit<V, Stamped>, call: Call & { id?: string } = {}): Found<V> {
		const existing = this.requireFree(name, call)
		const object: Stored<V> = existing ?? { name, state: { kind: 'live', visibleAt: 0 }, versions: [] }
		const now = this.options.clock.seconds()
		const stamped = { version: call.id ?? this.newVersion(), ...version, created: now, updated: now } as unknown as V
		object.versions.push(stamped)
		if (!existing) this.insert(object)
		return { name: object.name, version: stamped }
	}

	newVersion(): string {
		return this.options.random.hex(VERSION_LENGTH)
	}

	/** The version, the current one when none is named, also when it is disabled. */
	read(name: string, version?: string): Found<V> {
		const object = this.live(name, version)
		return {
			name: object.name,
			version: version === undefined ? this.current(object) : this.#version(object, name, version),
		}
	}

	/** Changes metadata of a version, of the current one when none is named. */
	change(name: string, version: string | undefined, patch: Partial<V> & ObjectPatch, call: Call = {}): Found<V> {
		const object = this.live(name, version)
		const old = version === undefined ? this.current(object) : this.#version(object, name, version)
		// What belongs to a certificate can be disabled and enabled, and nothing else.
		if (old.managed && !call.owner && Object.keys(strip(patch)).some((key) => key !== 'enabled'))
			throw managedObject('update')
		const changed: V = { ...old, ...strip(patch), updated: this.options.clock.seconds() }
		object.versions[object.versions.indexOf(old)] = changed
		return { name: object.name, version: changed }
	}

	/** Soft delete with all versions: gone at once here, seen among the deleted ones later. */
	delete(name: string, call: Call = {}): FoundDeleted<V> {
		const object = this.find(name)
		if (object?.state.kind !== 'live') throw this.errors.notFound(name)
		if (object.state.visibleAt > this.#now()) throw this.errors.beingRecovered(object.name)
		this.#requireOwn(object, 'delete', call)
		const deletedDate = this.options.clock.seconds()
		const scheduledPurgeDate = deletedDate + this.recoverableDays * 86_400
		object.state = { kind: 'deleted', visibleAt: this.#later(), deletedDate, scheduledPurgeDate }
		return { name: object.name, version: this.current(object), deletedDate, scheduledPurgeDate }
	}

	getDeleted(name: string): FoundDeleted<V> {
		const object = this.find(name)
		const deleted = object && this.#asDeleted(object)
		if (!deleted) throw this.errors.deletedNotFound(name)
		return deleted
	}

	purge(name: string, call: Call = {}): void {
		const object = this.find(name)
		if (object?.state.kind !== 'deleted') throw this.errors.deletedNotFound(name)
		this.#requireSettled(object)
		this.#requireOwn(object, 'purge', call)
		object.state = { kind: 'purging', freeAt: this.#later() }
	}

	/** Brings back the same versions; reads answer "not found" until it shows. */
	recover(name: string, call: Call = {}): Found<V> {
		const object = this.find(name)
		// Unlike a purge, a recover of a name that is not there speaks of an object, not of a deleted one.
		if (object?.state.kind !== 'deleted') throw this.errors.notFound(name)
		this.#requireSettled(object)
		this.#requireOwn(object, 'recover', call)
		object.state = { kind: 'live', visibleAt: this.#later() }
		return { name: object.name, version: this.current(object) }
	}

	/** By name, each with its current version, disabled ones included. */
	list(after: string | undefined, limit: number): Page<Found<V>> {
		return this.#page(after, limit, (object) =>
			this.#visible(object) ? { name: object.name, version: this.current(object) } : undefined,
		)
	}

	listDeleted(after: string | undefined, limit: number): Page<FoundDeleted<V>> {
		return this.#page(after, limit, (object) => this.#asDeleted(object))
	}

	/** Versions by id, which is a random order in time. A name that is not there has no versions: no error. */
	listVersions(name: string, after: string | undefined, limit: number): Page<Found<V>> {
		const object = this.find(name)
		if (!object || !this.#visible(object)) return { items: [], more: false }
		return pageOfVersions(object, after, limit)
	}

	/** Everything of one object. */
	export(name: string): Stored<V> {
		return this.live(name, undefined)
	}

	/** All objects in all states, for a state file. */
	dump(): Array<Stored<V>> {
		return [...this.#objects.values()]
	}

	/** Takes what `dump` gave. */
	load(objects: ReadonlyArray<Stored<V>>): void {
		for (const object of objects) this.insert({ ...object, versions: [...object.versions] })
	}

	protected insert(object: Stored<V>): void {
		const key = object.name.toLowerCase()
		this.#objects.set(key, object)
		this.#keys.add(key)
	}

	/** The entry of a name in any state, after whatever time has ended is gone. */
	protected find(name: string): Stored<V> | undefined {
		const key = name.toLowerCase()
		const object = this.#objects.get(key)
		if (!object) return undefined
		const { state } = object
		const gone =
			(state.kind === 'purging' && state.freeAt <= this.#now()) ||
			(state.kind === 'deleted' && state.scheduledPurgeDate <= this.options.clock.seconds())
		if (!gone) return object
		this.#objects.delete(key)
		this.#keys.remove(key)
		return undefined
	}

	protected live(name: string, version: string | undefined): Stored<V> {
		const object = this.find(name)
		if (!object || !this.#visible(object))
			throw this.errors.notFound(version === undefined ? name : `${name}/${version}`)
		return object
	}

	protected current(object: Stored<V>): V {
		return object.versions.at(-1) as V
	}

	#now(): number {
		return this.options.clock.now()
	}

	#later(): number {
		return this.#now() + this.options.visibilityDelayMs()
	}

	#visible(object: Stored<V>): boolean {
		return object.state.kind === 'live' && object.state.visibleAt <= this.#now()
	}

	#requireWritable({ name, state }: Stored<V>): void {
		if (state.kind === 'purging') throw this.errors.beingDeleted()
		if (state.kind === 'deleted')
			throw state.visibleAt > this.#now() ? this.errors.beingDeleted() : this.errors.deletedButRecoverable(name)
		if (state.visibleAt > this.#now()) throw this.errors.beingRecovered(name)
	}

	/** A delete that does not show yet is still going on. */
	#requireSettled({ state }: Stored<V>): void {
		if (state.kind === 'deleted' && state.visibleAt > this.#now()) throw this.errors.beingDeleted()
	}

	#requireOwn(object: Stored<V>, operation: string, call: Call): void {
		if (this.current(object).managed && !call.owner) throw managedObject(operation)
	}

	#asDeleted(object: Stored<V>): FoundDeleted<V> | undefined {
		const { state } = object
		if (state.kind !== 'deleted' || state.visibleAt > this.#now()) return undefined
		if (state.scheduledPurgeDate <= this.options.clock.seconds()) return undefined
		const { deletedDate, scheduledPurgeDate } = state
		return { name: object.name, version: this.current(object), deletedDate, scheduledPurgeDate }
	}

	#version(object: Stored<V>, name: string, version: string): V {
		const wanted = version.toLowerCase()
		const found = object.versions.find((each) => each.version === wanted)
		if (!found) throw this.errors.notFound(`${name}/${version}`)
		return found
	}

	/** One page of at most `limit` items, which may be 0. */
	#page<T>(after: string | undefined, limit: number, pick: (object: Stored<V>) => T | undefined): Page<T> {
		const items: T[] = []
		let last: string | undefined
		for (const key of this.#keys.after(after)) {
			const object = this.#objects.get(key)
			const item = object && pick(object)
			if (!item) continue
			if (items.length === limit) return { items, more: true, ...(last === undefined ? {} : { last }) }
			items.push(item)
			last = key
		}
		return { items, more: false, ...(last === undefined ? {} : { last }) }
	}
}
