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

/** A binding of the run, as it is at the moment. */
export interface Watching {
	spec: BindingSpec
	shape: Shape
	/** what the annotation hold pins */
	hold: { name: string; id: string } | undefined
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
		shape: firstShape(spec),
		hold: undefined,
		acknowledged: new Set(),
		files: new Map(entriesOf(spec).map((entry) => [entry.name, file(entry)])),
		revision: 0,
		manifest: undefined,
		suspendedAt: undefined,
	}
}

/** Whether the brake counts the removal of a file that has this target: not when the spec itself does not name it any more. */
export const isBraked = ({ tag }: Entry, target: Target | undefined) =>
	target?.kind === 'remove' && (tag !== undefined || target.why !== 'unwanted')

/**
 * Follows vault, specs and time.
 *
 * 1. A change of vault or spec: what is wanted before it, then what is wanted after it.
 * 2. Time: at the moments at which a version expires, or its time comes, as well.
 * 3. A look judges times by when it began and reads what the vault has later: after a change both sides of a moment that
 *    has just passed count.
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
		this.#want(this.#followed, 0, at)
	}

	/** Vault or specs have changed since `began` (monotonic milliseconds). */
	change(began: number): void {
		this.#want(Math.min(this.#followed, Date.now() - this.#lookMs), 1, began)
	}

	/** @param sides 1: also what is wanted right before each moment */
	#want(since: number, sides: 0 | 1, began: number): void {
		const now = Date.now()
		const ended = performance.now()
		const moments = [...this.#vault.items.values()]
			.flatMap(turnsOf)
			.filter((turn) => turn > since && turn <= now)
			.toSorted((a, b) => a - b)
			// Times of versions are whole seconds, so a millisecond is before the moment and after any other.
			.flatMap((turn) => (sides === 1 ? [turn - 1, turn] : [turn]))
		this.#followed = now
		for (const watching of this.#bindings) {
			for (const { entry, course, told } of watching.files.values()) {
				for (const moment of [...moments, now]) {
					const target = this.#targetOf(watching, entry, moment / 1000)
					for (const each of [course, told.course]) each.want(target, began, ended)
				}
			}
		}
	}

	#targetOf({ shape, hold }: Watching, entry: Entry, now: number): Target {
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
