import { notReady } from './advice.ts'
import { type ChangeListener, ChangeListeners, type SecretChange } from './changes.ts'
import type { Clock } from './clock.ts'
import { storeError } from './errors.ts'
import { Mount, type MountOptions } from './mount/mount.ts'
import type { MountSnapshot } from './mount/snapshot.ts'
import { resolveName, type Target } from './names.ts'
import { ABSENT, Overlay, type OverlayOptions, type Shown, tokenOfBytes, tokenOfVersion } from './overlay.ts'
import type { Logger, UnhandledError } from './purista.ts'
import { type SecretAddress, sameAddress } from './vault/vault.ts'
import { buildView, changesBetween, EMPTY_VIEW, type View } from './view.ts'

export interface StateOptions {
	readonly paths: readonly string[]
	readonly aliases: ReadonlyMap<string, string>
	readonly clock: Clock
	/** Milliseconds from the first use on that reads wait for the mounts. */
	readonly patienceMs: number
	readonly logger: () => Logger
	/** Called once, at the first use. */
	readonly onStart: () => void
	readonly mount: Omit<MountOptions, 'path' | 'clock' | 'onSnapshot'>
	readonly overlay: Pick<OverlayOptions, 'keepMs' | 'random' | 'ask' | 'onGivenUp'>
}

/** The secret of a file that came after the last manifest that could be used: not the one that had the name before. */
const UNKNOWN: SecretAddress = { vault: undefined, objectName: '' }

/**
 * What reads are answered from, and how it comes to be: mounts → snapshots, plus the overlay of own writes → one view. Each change of either
 * makes a new view, and what differs between the two views is what listeners are told.
 */
export class State {
	readonly mounts: readonly Mount[]
	readonly overlay: Overlay
	view: View = EMPTY_VIEW
	/** The texts of the view once all mounts are loaded, for reads that need to look at nothing else. */
	ready: ReadonlyMap<string, string> = EMPTY_VIEW.texts
	/** All mounts have been read. */
	loaded = false
	destroyed = false

	readonly #options: StateOptions
	readonly #listeners: ChangeListeners
	readonly #onView = new Set<(changes: readonly SecretChange[]) => void>()
	#snapshots: readonly (MountSnapshot | undefined)[]
	#startedAt: number | undefined
	readonly #waiting = new Set<() => void>()

	constructor(options: StateOptions) {
		this.#options = options
		const { clock, logger, mount, overlay, paths } = options
		this.#listeners = new ChangeListeners(logger)
		this.overlay = new Overlay({ ...overlay, clock, shown: (name) => this.shown(name), onChange: () => this.refresh() })
		this.mounts = paths.map((path) => new Mount({ ...mount, path, clock, onSnapshot: () => this.refresh() }))
		this.#snapshots = paths.map(() => undefined)
		if (paths.length === 0) this.loaded = true
	}

	/** Begins to follow the mounts, once. */
	start(): void {
		if (this.#startedAt !== undefined || this.destroyed) return
		this.#startedAt = this.#options.clock.monotonic()
		this.#options.onStart()
		for (const mount of this.mounts) void mount.start()
	}

	/** Waits for the first load of all mounts; true when it came in time. @throws UnhandledError (503) when destroyed */
	async waitLoaded(timeoutMs: number): Promise<boolean> {
		if (!this.loaded && !this.destroyed && timeoutMs > 0) {
			await new Promise<void>((resolve) => {
				const wake = () => {
					cancel()
					this.#waiting.delete(wake)
					resolve()
				}
				// Kept alive: a program that begins with `await store.ready()` has nothing else to live for yet.
				const cancel = this.#options.clock.after(timeoutMs, wake, true)
				this.#waiting.add(wake)
				this.start()
			})
		}
		if (this.destroyed) throw storeError('Destroyed')
		return this.loaded
	}

	/** As `waitLoaded`, for reads and writes: no longer than the patience that began with the first use. */
	waitPatiently(): Promise<boolean> {
		this.start()
		const waited = this.#options.clock.monotonic() - (this.#startedAt ?? 0)
		return this.waitLoaded(this.#options.patienceMs - waited)
	}

	/** 503 that says what is missing. */
	notReady(): UnhandledError {
		return notReady(this.mounts)
	}

	/** Where a name of the application leads. */
	resolve(name: string): Target {
		return resolveName(
			this.#options.aliases.get(name) ?? name,
			this.mounts.map((mount) => mount.snapshot),
		)
	}

	/** What the mounts show of a name: of the first mount that has a file of that name or wants one. */
	shown(fileName: string): Shown {
		for (const { snapshot } of this.mounts) {
			const file = snapshot?.secrets.get(fileName)
			const source = snapshot?.sources.get(fileName)
			if (file === undefined && source === undefined) continue
			const meta = file?.meta
			const token = meta ? tokenOfVersion(meta.version) : file ? tokenOfBytes(file.bytes) : ABSENT
			const pinned = (meta?.pinned ?? false) || source?.version !== undefined
			return { token, pinned, source: source ?? (snapshot?.mapping === 'kept' ? UNKNOWN : undefined) }
		}
		// Of a selector, or the vault's own: a name that the binding has no more does not go on being what it was.
		const { mapped, vault, objectName } = resolveName(
			fileName,
			this.mounts.map((mount) => mount.snapshot),
		)
		return { token: ABSENT, pinned: false, source: mapped ? { vault, objectName } : undefined }
	}

	/** True for a file that is there and cannot be read, of which no bytes are left either. */
	isUnreadable(fileName: string): boolean {
		for (const { snapshot } of this.mounts) {
			if (snapshot?.secrets.has(fileName)) return false
			if (snapshot?.faults.has(fileName)) return true
			if (snapshot?.sources.has(fileName)) return false
		}
		return false
	}

	/** All names under which the mounts show one secret as a whole. */
	namesOf(address: SecretAddress): string[] {
		const names = new Set<string>()
		for (const { snapshot } of this.mounts)
			for (const [name, source] of snapshot?.sources ?? [])
				if (source.form === undefined && sameAddress(source, address)) names.add(name)
		return [...names].filter((name) => {
			const { pinned, source } = this.shown(name)
			return !pinned && source !== undefined && sameAddress(source, address)
		})
	}

	/** Makes the view anew and tells what changed in it. */
	refresh(): void {
		if (this.destroyed) return
		const snapshots = this.mounts.map((mount) => mount.snapshot)
		const firstLoads = new Set<number>()
		if (snapshots.some((snapshot, i) => snapshot !== this.#snapshots[i])) {
			for (const i of snapshots.keys()) if (this.#snapshots[i] === undefined) firstLoads.add(i)
			if (this.overlay.size > 0) this.#spread()
			this.#snapshots = snapshots
		}
		this.overlay.settle()
		const before = this.view
		this.view = buildView(snapshots, this.overlay.pending(), this.#options.aliases)
		const first = !this.loaded && !snapshots.includes(undefined)
		this.loaded ||= first
		if (this.loaded) this.ready = this.view.texts
		if (first) for (const wake of [...this.#waiting]) wake()
		const changes = changesBetween(before, this.view, firstLoads)
		for (const listener of this.#onView) listener(changes)
	}

	/** Own writes reach the names that lead to their secret only since this change of the mounts. */
	#spread(): void {
		const before = this.#snapshots
		const ledThere = (name: string, address: SecretAddress) =>
			before.some((snapshot) => {
				const source = snapshot?.sources.get(name)
				return source !== undefined && sameAddress(source, address)
			})
		this.overlay.spread((address) => this.namesOf(address).filter((name) => !ledThere(name, address)))
	}

	/** Tells listeners of changes. */
	emit(changes: readonly SecretChange[]): void {
		if (changes.length > 0) this.#listeners.emit(changes)
	}

	/** @param names only changes of these */
	onChange(listener: ChangeListener, names?: readonly string[]): () => void {
		this.start()
		return this.#listeners.add(listener, names)
	}

	/** Calls the listener in the same turn after each new view, with what differs in it. */
	onView(listener: (changes: readonly SecretChange[]) => void): () => void {
		this.#onView.add(listener)
		return () => this.#onView.delete(listener)
	}

	async destroy(): Promise<void> {
		this.destroyed = true
		this.#listeners.close()
		this.#onView.clear()
		this.overlay.clear()
		this.view = EMPTY_VIEW
		this.ready = EMPTY_VIEW.texts
		for (const wake of [...this.#waiting]) wake()
		await Promise.all(this.mounts.map((mount) => mount.close()))
	}
}
