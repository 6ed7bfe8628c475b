import type { Clock } from '../clock.ts'
import { codeOf } from './files.ts'
import type { MountRead, ReadFiles } from './read.ts'
import { type MountSnapshot, manifestOf, snapshotOf, wipe } from './snapshot.ts'
import type { DirectoryWatch, WatchedRoot, WatchScope } from './watch.ts'

/** What keeps a mount from being followed; the last good snapshot stays meanwhile. */
export type MountProblem =
	/** The directory is not there. */
	| 'missing'
	/** The directory holds nothing. */
	| 'empty'
	/** A file or the directory cannot be read, or it is half written. */
	| 'unreadable'
	/** The manifest is older than the one already read. */
	| 'older'

export interface MountOptions {
	readonly path: string
	readonly clock: Clock
	readonly read: (path: string, known: string | undefined) => Promise<MountRead>
	/** Lets the event loop turn. */
	readonly turn: () => Promise<void>
	/** The directory that a path leads to now. */
	readonly resolve: (path: string) => Promise<WatchedRoot>
	readonly watch: (
		path: string,
		scope: WatchScope,
		onEvent: () => void,
		onError: (error: unknown) => void,
	) => DirectoryWatch
	/** Milliseconds between checks of the link that no event asked for. */
	readonly pollMs: number
	/** Cut white space around the texts of a plain directory. */
	readonly trim: boolean
	/** No directory, or nothing in it, is an answer and no problem: a folder for local work begins like that. */
	readonly absentIsFine: boolean
	/** Called with each new snapshot, in order. The snapshot of before is wiped after the call. */
	readonly onSnapshot: (snapshot: MountSnapshot) => void
	/** Called when a problem begins, changes, or ends (undefined). `code` is that of the system error. */
	readonly onProblem: (path: string, problem: MountProblem | undefined, code: string | undefined) => void
	/** Called when a snapshot of another kind of trouble than the one before is taken: a manifest that cannot be used, files that cannot be read. */
	readonly onFlaw: (path: string, snapshot: MountSnapshot) => void
	/** Called when events cannot be had, for example for want of inotify watches, and the poll is all there is. */
	readonly onWatchLost: (path: string, code: string | undefined) => void
}

// A kubelet that reads from an API server behind its peers can go back for one sync period (60-90 s). A Secret restored from
// a backup stays back: after two such periods it is what there is.
const OLDER_GRACE_MS = 180_000

// inotify limits are of the node: what other pods hold may be free again a minute later.
const WATCH_AGAIN_MS = 60_000

// The id of a plain directory without files.
const EMPTY_FOLDER = { kind: 'plain', id: 'plain ', files: new Map(), faults: new Map(), subPath: false } as const

const flawsOf = ({ manifestProblem = '', faults }: MountSnapshot) =>
	[manifestProblem, ...[...faults].map((fault) => fault.join(' ')).toSorted()].join('\n').trim()

/**
 * Follows one mounted directory and holds its last good snapshot.
 *
 * 1. Anything that may mean a change (event, poll, somebody asking) calls `check()`.
 * 2. One look at a time. A call during a look makes one more look follow it, so that the last call always sees what came before it.
 * 3. A look whose generation is known ends there. A new one becomes the snapshot; a problem leaves the snapshot as it is.
 * 4. A manifest of the same binding with a lower revision is not taken, until it has stood for 180 s.
 */
export class Mount {
	readonly path: string
	snapshot: MountSnapshot | undefined
	problem: MountProblem | undefined
	/** Code of the system error of the problem. */
	problemCode: string | undefined
	/** True while events arrive, false while only the poll looks. */
	watching = false
	/** Monotonic milliseconds of the last check that found the directory in order. */
	lastSeen: number | undefined
	/** Snapshots taken so far. */
	loads = 0

	readonly #options: MountOptions
	#watch: (DirectoryWatch & { readonly key: string }) | undefined
	/** Id of the directory that the snapshot is of. */
	#snapshotRoot: string | undefined
	#flaws = ''
	#watchAgainAt = 0
	#looking: Promise<void> | undefined
	#again = false
	#closed = false
	#olderSince: { id: string; at: number } | undefined
	#cancelPoll: () => void = () => {}

	constructor(options: MountOptions) {
		this.path = options.path
		this.#options = options
	}

	/** Takes the first poll and follows the directory from then on. Resolves after that look. */
	async start(): Promise<void> {
		this.#poll()
		await this.check()
	}

	/** Looks now. Resolves when a poll that began after this call has ended; never rejects. */
	check(): Promise<void> {
		if (this.#closed) return Promise.resolve()
		if (this.#looking !== undefined) {
			this.#again = true
			return this.#looking
		}
		this.#looking = this.#pollWhileAsked()
		return this.#looking
	}

	/** Ends watching and wipes what was read. */
	async close(): Promise<void> {
		this.#closed = true
		this.#cancelPoll()
		await this.#watch?.close()
		await this.#looking
		if (this.snapshot !== undefined) wipe(this.snapshot)
		this.snapshot = undefined
	}

	#poll(): void {
		this.#cancelPoll = this.#options.clock.after(this.#options.pollMs, () => {
			void this.check().then(() => {
				if (!this.#closed) this.#poll()
			})
		})
	}

	async #pollWhileAsked(): Promise<void> {
		do {
			this.#again = false
			await this.#look()
		} while (this.#again && !this.#closed)
		// In the turn in which nobody had asked again: who asks in a later one begins a poll of his own.
		this.#looking = undefined
	}

	async #look(): Promise<void> {
		try {
			const read = await this.#options.read(this.path, this.snapshot?.id)
			if (this.#closed) return
			if (read.kind === 'missing') {
				await this.#unwatch()
				return this.#options.absentIsFine ? this.#takeNothing() : this.#report('missing')
			}
			const root = await this.#root()
			if (this.#closed) return
			if (root === undefined) {
				// It went away since it was read: that is what the next poll finds, and no fault of reading.
				this.#again = true
				return
			}
			await this.#ensureWatch(read.kind, root)
			if (this.#closed) return
			switch (read.kind) {
				case 'unchanged':
					this.lastSeen = this.#options.clock.monotonic()
					return this.#report(undefined)
				case 'empty':
					return this.#options.absentIsFine ? this.#takeNothing() : this.#report('empty')
				case 'generation':
				case 'plain':
					return await this.#build(read, root)
			}
		} catch (error) {
			if (!this.#closed) this.#report('unreadable', codeOf(error))
		}
	}

	#takeNothing(): void {
		if (this.snapshot?.id !== EMPTY_FOLDER.id) this.#take(snapshotOf(EMPTY_FOLDER, undefined))
		this.lastSeen = this.#options.clock.monotonic()
	}

	/** In steps with a turn of the event loop between them: thousands of secrets take tens of milliseconds in all. */
	async #build(read: ReadFiles, { id }: WatchedRoot): Promise<void> {
		const { turn, trim } = this.#options
		const parsed = manifestOf(read)
		await turn()
		// What was there in another directory says nothing of the names and files of this one.
		const before = id === this.#snapshotRoot ? this.snapshot : undefined
		const next = snapshotOf(read, parsed, before, trim)
		await turn()
		if (this.#closed) wipe(next)
		else this.#offer(next, id)
	}

	#offer(next: MountSnapshot, root: string): void {
		if (this.#isOlder(next)) {
			wipe(next)
			this.#report('older')
			return
		}
		this.#snapshotRoot = root
		this.#take(next)
	}

	#isOlder(next: MountSnapshot): boolean {
		const [now, then] = [next.manifest, this.snapshot?.manifest]
		if (
			now === undefined ||
			then === undefined ||
			now.binding.uid !== then.binding.uid ||
			now.revision >= then.revision
		) {
			this.#olderSince = undefined
			return false
		}
		const at = this.#options.clock.monotonic()
		if (this.#olderSince?.id !== next.id) this.#olderSince = { id: next.id, at }
		return at - this.#olderSince.at < OLDER_GRACE_MS
	}

	#take(next: MountSnapshot): void {
		const before = this.snapshot
		this.snapshot = next
		this.lastSeen = this.#options.clock.monotonic()
		this.loads += 1
		this.#olderSince = undefined
		this.#report(undefined)
		const flaws = flawsOf(next)
		if (flaws !== this.#flaws) this.#options.onFlaw(this.path, next)
		this.#flaws = flaws
		this.#options.onSnapshot(next)
		if (before !== undefined) wipe(before)
	}

	#report(problem: MountProblem | undefined, code?: string): void {
		this.problemCode = code
		if (problem === this.problem) return
		this.problem = problem
		this.#options.onProblem(this.path, problem, code)
	}

	async #root(): Promise<WatchedRoot | undefined> {
		try {
			return await this.#options.resolve(this.path)
		} catch (error) {
			if (codeOf(error) === 'ENOENT') return undefined
			throw error
		}
	}

	/** Watches the directory that the path leads to now, for what its kind needs. */
	async #ensureWatch(found: MountRead['kind'], root: WatchedRoot): Promise<void> {
		const { clock, watch, onWatchLost } = this.#options
		const kind = found === 'unchanged' ? this.snapshot?.kind : found
		const scope = kind === 'generation' ? 'swap' : 'files'
		const key = `${scope} ${root.id}`
		if (this.#closed || this.#watch?.key === key) return
		await this.#unwatch()
		if (this.#closed || clock.monotonic() < this.#watchAgainAt) return
		this.watching = true
		const onError = (error: unknown) => {
			if (this.#watch !== mine) return
			this.#watchAgainAt = clock.monotonic() + WATCH_AGAIN_MS
			onWatchLost(this.path, codeOf(error))
			void this.#unwatch()
		}
		const mine = Object.assign(
			watch(root.path, scope, () => void this.check(), onError),
			{ key },
		)
		this.#watch = mine
	}

	async #unwatch(): Promise<void> {
		const watch = this.#watch
		this.#watch = undefined
		this.watching = false
		await watch?.close()
	}
}
