import { type ChangeListener, ChangeListeners } from './changes.ts'
import type { Clock } from './clock.ts'
import { storeError } from './errors.ts'
import { Mount, type MountOptions } from './mount/mount.ts'
import { resolveName, type Target } from './names.ts'
import { ABSENT, Overlay, type OverlayOptions, type Shown, tokenOfBytes, tokenOfVersion } from './overlay.ts'
import type { Logger } from './purista.ts'
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
	readonly mount: Pick<MountOptions, 'read' | 'watch' | 'pollMs' | 'absentIsFine' | 'onProblem' | 'onWatchLost'>
	readonly overlay: Pick<OverlayOptions, 'keepMs' | 'random' | 'ask' | 'onGivenUp'>
}

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
	readonly #onView = new Set<() => void>()
	#startedAt: number | undefined
	readonly #waiting = new Set<() => void>()

	constructor(options: StateOptions) {
		this.#options = options
		const { clock, logger, mount, overlay, paths } = options
		this.#listeners = new ChangeListeners(logger)
		this.overlay = new Overlay({ ...overlay, clock, shown: (name) => this.shown(name), onChange: () => this.refresh() })
		this.mounts = paths.map((path) => new Mount({ ...mount, path, clock, onSnapshot: () => this.refresh() }))
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

	/** Where a name of the application leads. */
	resolve(name: string): Target {
		return resolveName(
			this.#options.aliases.get(name) ?? name,
			this.mounts.map((mount) => mount.snapshot),
		)
	}

	/** What the mounts show of a file. */
	shown(fileName: string): Shown {
		for (const mount of this.mounts) {
			const secret = mount.snapshot?.secrets.get(fileName)
			if (secret === undefined) continue
			const { meta, bytes } = secret
			if (meta === undefined) return { token: tokenOfBytes(bytes), pinned: false, objectName: undefined }
			return { token: tokenOfVersion(meta.version), pinned: meta.pinned, objectName: meta.objectName }
		}
		return { token: ABSENT, pinned: false, objectName: undefined }
	}

	/** Makes the view anew and tells what changed in it. */
	refresh(): void {
		if (this.destroyed) return
		this.overlay.settle()
		const before = this.view
		const snapshots = this.mounts.map((mount) => mount.snapshot)
		this.view = buildView(snapshots, this.overlay.pending(), this.#options.aliases)
		if (!this.loaded) {
			if (snapshots.includes(undefined)) return
			this.loaded = true
			this.ready = this.view.texts
			for (const wake of [...this.#waiting]) wake()
		} else {
			this.ready = this.view.texts
			const changes = changesBetween(before, this.view)
			if (changes.length > 0) this.#listeners.emit(changes)
		}
		for (const listener of this.#onView) listener()
	}

	onChange(listener: ChangeListener): () => void {
		this.start()
		return this.#listeners.add(listener)
	}

	/** Calls the listener in the same turn after each new view. */
	onView(listener: () => void): () => void {
		this.start()
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
