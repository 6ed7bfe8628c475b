// What the model wants of every file of the random run, moment by moment.
import { Course, type Item, type Target, targetOf } from './model.ts'
import { type BindingSpec, type Entry, entriesOf, firstShape, isWanted, type Shape } from './specs.ts'
import type { RandomVault } from './vault.ts'

/** One file, as its Secret last showed it. */
export interface File {
	entry: Entry
	course: Course
	/** undefined: not there */
	text: string | undefined
	/** the same, as the status tells it */
	told: { course: Course; version: string | undefined }
}

/** What a binding asks for. */
export interface Asked {
	generation: number
	shape: Shape
	/** what the annotation hold pins */
	hold: { name: string; id: string } | undefined
}

/** A binding of the run, as it is at the moment. */
export interface Watching extends Asked {
	spec: BindingSpec
	/** what it asked for before, as long as the operator may not have seen the edits since: its watch may be silent */
	before: Asked[]
	/** names that the annotation allow-removals lets go */
	acknowledged: ReadonlySet<string>
	files: Map<string, File>
	/** highest revision of a manifest of ours, and its text */
	revision: number
	manifest: string | undefined
	/** resourceVersion of the binding whose status says that it is suspended */
	suspendedAt: number | undefined
}

export function watchingOf(spec: BindingSpec): Watching {
	const file = (entry: Entry): File => {
		const told = { course: new Course(), version: undefined }
		return { entry, course: new Course(), text: undefined, told }
	}
	return {
		spec,
		generation: 1,
		before: [],
		shape: firstShape(spec),
		hold: undefined,
		acknowledged: new Set(),
		files: new Map(entriesOf(spec).map((entry) => [entry.name, file(entry)])),
		revision: 0,
		manifest: undefined,
		suspendedAt: undefined,
	}
}

/** The binding asks for something else from now on. */
export function edited(watching: Watching, to: Partial<Asked>): void {
	const { generation, shape, hold } = watching
	watching.before.push({ generation, shape, hold })
	Object.assign(watching, to)
}

/** Whether the brake counts the removal of a file that has this target: not when the spec itself does not name it any more. */
export const isBraked = ({ tag }: Entry, target: Target | undefined) =>
	target?.kind === 'remove' && (tag !== undefined || target.why !== 'unwanted')

/**
 * Follows vault, specs and time.
 *
 * 1. A change of vault or spec: what was wanted before it, then what is wanted after it.
 * 2. Time: at the moments at which a version expires, or its time comes, as well.
 * 3. A look judges times by when it began and reads what the vault has later: after a change both sides of a moment that
 *    has just passed count.
 * 4. While the operator may still follow an older spec, what that wants counts before what the present one wants.
 */
export class Wishes {
	readonly #vault: RandomVault
	readonly #bindings: readonly Watching[]
	readonly #lookMs: number
	/** up to when time was followed, milliseconds since the epoch */
	#followed = Date.now()

	/** @param lookMs how long a look may take */
	constructor(vault: RandomVault, bindings: readonly Watching[], lookMs: number) {
		this.#vault = vault
		this.#bindings = bindings
		this.#lookMs = lookMs
	}

	/** Follows time alone. */
	pass(): void {
		const at = performance.now()
		this.#want(this.#momentsSince(this.#followed), at)
	}

	/** Vault or specs have changed since `began` (monotonic milliseconds). */
	change(began: number): void {
		const passed = this.#momentsSince(Math.min(this.#followed, Date.now() - this.#lookMs))
		// Times of versions are whole seconds, so a millisecond is before the moment and after any other.
		this.#want([...passed.flatMap((moment) => [moment - 1, moment]), Date.now()], began)
	}

	/** At which the time of a version came or was over. */
	#momentsSince(since: number): number[] {
		const now = Date.now()
		const turns = [...this.#vault.items.values()].flatMap(turnsOf)
		this.#followed = now
		return turns.filter((turn) => turn > since && turn <= now).toSorted((a, b) => a - b)
	}

	#want(moments: readonly number[], began: number): void {
		const ended = performance.now()
		for (const watching of this.#bindings) {
			for (const { entry, course, told } of watching.files.values()) {
				for (const moment of moments) {
					for (const asked of [...watching.before, watching]) {
						const target = this.#targetOf(asked, entry, moment / 1000)
						for (const each of [course, told.course]) each.want(target, began, ended)
					}
				}
			}
		}
	}

	#targetOf({ shape, hold }: Asked, entry: Entry, now: number): Target {
		if (!isWanted(entry, shape)) return { kind: 'remove', why: 'unwanted' }
		const pin = hold?.name === entry.name ? hold.id : undefined
		return targetOf(this.#vault.items.get(entry.objectName), shape.policy, now, { tag: entry.tag, pin })
	}
}

/** Milliseconds since the epoch. */
const turnsOf = ({ versions }: Item) =>
	versions
		.flatMap(({ expires, notBefore }) => [expires, notBefore])
		.flatMap((time) => (time === undefined ? [] : [time * 1000]))
