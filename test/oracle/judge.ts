// Says of each version of a place, and of each status, what must never be.
import { MANIFEST_FILE, type Manifest, previousFileName } from 'purista-azure-mounted-secret-store/manifest'
import { manifestIn } from './manifests.ts'
import type { Times, VaultHistory } from './model.ts'
import { type Asked, type File, isBraked, type Watching } from './wishes.ts'

/** A place after somebody wrote it. */
export interface SeenPlace {
	/** undefined: it is not there any more */
	texts: ReadonlyMap<string, string> | undefined
	/** the operator did it; otherwise the test, or whoever it plays */
	ours: boolean
	/** counts up through everything that is written, statuses too */
	order: number
}

/** A status, as far as the oracle reads it. */
export interface SeenStatus {
	observedGeneration?: number | undefined
	conditions?: readonly SeenCondition[] | undefined
	secrets?: readonly SeenSecret[] | undefined
	lastChangeTime?: string | undefined
}
export interface SeenCondition {
	type: string
	status: string
	reason: string
	message: string
	observedGeneration?: number | undefined
}
interface SeenSecret {
	name: string
	version?: string | undefined
	state: string
	reason?: string | undefined
}

export const conditionOf = (status: SeenStatus | undefined, type: string) =>
	status?.conditions?.find((each) => each.type === type)

export interface JudgeOptions {
	vaults: VaultHistory
	times: Times
	/** how long a secret must have been absent before it counts as that, milliseconds */
	absentMs: number
	/** whether a write may still come of which the process is dead: it follows the spec that this one saw */
	isLate?: () => boolean
	/** statuses and places are told in the order in which they were written: two watches do not keep it, and rules 8 and 9 need it */
	ordered: boolean
}

/**
 * 1. A file holds the value of a version that was to be delivered at some time since the version that it held before.
 * 2. Files that are made of one value hold parts of one version.
 * 3. A file goes only when a policy or the spec says so, and a place only when the test takes it away.
 * 4. By policies no more files go at once than the brake lets go, unless they were acknowledged.
 * 5. What the status tells of a file never goes back either, unless somebody else put back what it tells of.
 * 6. The manifest tells of the versions whose values are there, older ones as well; its revision rises with each change.
 * 7. Nothing is written while the status says that the binding is suspended.
 * 8. A status that tells of another version of a file tells of the one that is there, unless somebody else had his hands on it.
 * 9. Ready says of the spec that it names: each file that it must have is there, of the vault and secret that it asks for.
 *
 * What others do to a place counts as what the file held before.
 */
export class Judge {
	readonly problems: string[] = []
	/** versions of places that were judged */
	seen = 0
	readonly #options: JudgeOptions

	constructor(options: JudgeOptions) {
		this.#options = options
	}

	status(binding: Watching, status: SeenStatus, generation: number, order: number): void {
		const problem = (text: string) => this.problems.push(`${binding.name}, status ${order}: ${text}`)
		const { ordered } = this.#options
		const isSuspended = status.observedGeneration === generation && conditionOf(status, 'Fresh')?.reason === 'Suspended'
		if (!this.#options.isLate?.())
			binding.before = binding.before.filter((asked) => asked.generation >= (status.observedGeneration ?? 0))
		binding.suspendedAt = isSuspended ? order : undefined
		if (status.lastChangeTime !== undefined) binding.reported = true
		for (const { name, version } of status.secrets ?? []) {
			const file = binding.files.get(name)
			if (!file) continue
			// What a status says again may be old: the one before told of a poll that came to no end.
			if (file.byStatus.version === version) continue
			file.byStatus.version = version
			if (version === undefined) continue
			const id = this.#idOf(file.text)
			// Renamed back to a place that was left with older bytes, they are what there is to tell of.
			const isFound = binding.tampered.has(name) && id === version
			if (!isFound && !file.byStatus.course.see(version)) problem(`tells version ${version} of ${name}, which is over`)
			if (!ordered || isSuspended || binding.tampered.has(name)) continue
			if (id !== version) problem(`tells version ${version} of ${name}, and there is ${id}`)
		}
		if (ordered && conditionOf(status, 'Ready')?.status === 'True' && !isSuspended)
			this.#judgeReady(binding, status, problem)
	}

	/** Rule 9. */
	#judgeReady(binding: Watching, { observedGeneration }: SeenStatus, problem: (text: string) => void): void {
		// An annotation changes what is asked for and not the generation: then either will do.
		const alike = [binding.asked, ...binding.before].filter(({ generation }) => generation === observedGeneration)
		const missing = alike.map((asked) => this.#missing(binding, asked))
		if (alike.length > 0 && missing.every((each) => each !== undefined)) problem(`is Ready, and ${missing[0]}`)
	}

	/** The first file that must be there and is not, or is of something else. */
	#missing({ files, tampered }: Watching, { suspend, wishes }: Asked): string | undefined {
		if (suspend) return undefined
		for (const [name, { tag, optional, vault, objectName }] of wishes) {
			if (tag || optional || tampered.has(name) || tampered.has(MANIFEST_FILE)) continue
			const origin = this.#options.vaults.origin(files.get(name)?.text ?? '')
			if (origin?.vault === vault && origin.objectName === objectName) continue
			const there = origin ? `a value of ${origin.objectName} in ${origin.vault}` : 'nothing'
			return `${name} holds ${there} instead of ${objectName} in ${vault}`
		}
		return undefined
	}

	place(binding: Watching, { texts, ours, order }: SeenPlace): void {
		this.seen++
		const problem = (text: string) => this.problems.push(`${binding.name} at ${order}: ${text}`)
		const before = binding.texts
		binding.texts = texts ?? new Map()
		for (const name of new Set([...before.keys(), ...binding.texts.keys()])) {
			if (before.get(name) === binding.texts.get(name)) continue
			if (ours) binding.tampered.delete(name)
			else binding.tampered.add(name)
			// With it goes what was known of the versions of all files.
			if (ours || name !== MANIFEST_FILE) continue
			for (const each of before.keys()) binding.unlisted.add(each)
			// Nothing outside the place tells yet that there was a revision.
			if (!binding.reported) binding.revision = 0
		}
		if (!texts) {
			if (ours) problem('was deleted, and not by the test')
			for (const file of binding.files.values()) file.text = file.written = undefined
			return
		}
		const gone: string[] = []
		const manifest = texts.get(MANIFEST_FILE)
		const parsed = ours && manifest !== undefined ? manifestIn(manifest) : undefined
		const listed = parsed?.kind === 'ok' ? versionsOf(parsed.manifest) : new Map()
		for (const [name, file] of binding.files) {
			const text = texts.get(name)
			if (ours && text !== file.text) this.#judgeFile(name, file, text, binding, problem)
			// When the spec did not ask for it any more at some time meanwhile, that is reason enough.
			const isFree = file.course.isWantedSince((target) => target.kind === 'remove' && !isBraked(file, target))
			const isGone = text === undefined && file.text !== undefined && isBraked(file, file.course.seen)
			if (isGone && !isFree && !binding.unlisted.has(name) && !binding.agreed.has(name)) gone.push(name)
			// What the operator found there, and told in its manifest, is its own as well.
			if (ours && (text !== file.text || (text !== undefined && listed.get(name) === this.#idOf(text))))
				file.written = text
			file.text = text
		}
		if (!ours) return
		const { asked, before: past, suspendedAt, acknowledged } = binding
		// It may be of a spec between two that suspend it, whose status nobody has written yet.
		const isSuspended = [asked, ...past].every(({ suspend }) => suspend)
		if (isSuspended && suspendedAt !== undefined && order > suspendedAt)
			problem('was written while the binding is suspended')
		const allowed = Math.max(...[asked, ...past].map(({ maxRemovals }) => maxRemovals))
		if (this.#secretsOf(binding, gone) > allowed && !gone.every((name) => acknowledged.has(name)))
			problem(`${gone.join(', ')} went at once`)
		// Nothing was there, so a creation of a process that is gone may get there late: it knows of no revision since.
		const isLateCreation = before.size === 0 && this.#options.isLate?.() === true
		this.#judgeManifest(binding, texts, isLateCreation, problem)
		this.#judgeGroups(binding, listed, problem)
	}

	/** Files of one secret of the vault count once, by whichever of the specs is followed. */
	#secretsOf({ asked, before }: Watching, names: readonly string[]): number {
		const all = [asked, ...before]
		const counts = all.map(({ wishes }) => {
			const wishOf = (name: string) => wishes.get(name) ?? all.map((each) => each.wishes.get(name)).find((wish) => wish)
			const keyOf = (name: string) => {
				const wish = wishOf(name)
				return wish ? `${wish.vault}/${wish.objectName}/${wish.pin}` : name
			}
			return new Set(names.map(keyOf)).size
		})
		return Math.min(...counts)
	}

	#idOf(text: string | undefined): string | undefined {
		return text === undefined ? undefined : this.#options.vaults.origin(text)?.id
	}

	/** Rule 2. */
	#judgeGroups(
		{ files, asked, before, tampered }: Watching,
		listed: ReadonlyMap<string, string>,
		problem: (text: string) => void,
	): void {
		// While two specs are followed, files of a group may be of one or the other.
		if (before.length > 0) return
		const ids = new Map<string, string | undefined>()
		for (const [name, { group }] of asked.wishes) {
			const text = files.get(name)?.text
			// What a manifest had that somebody destroyed, and the present one does not tell of, is left there and not delivered.
			if (group === undefined || text === undefined || tampered.has(name) || !listed.has(name)) continue
			const id = this.#idOf(text)
			if (ids.has(group) && ids.get(group) !== id)
				problem(`${name} is of version ${id}, another file of the same value of ${ids.get(group)}`)
			ids.set(group, id)
		}
	}

	#judgeFile(
		name: string,
		file: File,
		text: string | undefined,
		{ asked, before, unlisted, everPinned }: Watching,
		problem: (text: string) => void,
	): void {
		const { vaults, times, absentMs } = this.#options
		const { course } = file
		if (text === undefined) {
			const isLost =
				unlisted.has(name) ||
				(file.selected && everPinned.has(name)) ||
				this.#isOfOtherVault(name, file, [asked, ...before])
			if (!isLost && !course.seeRemoved(times.monotonic(), absentMs)) problem(`${name} went without a reason`)
			return
		}
		const origin = vaults.origin(text)
		const wished = [asked, ...before].flatMap(({ wishes }) => wishes.get(name) ?? [])
		if (!origin || !wished.some(({ vault, objectName }) => origin.vault === vault && origin.objectName === objectName))
			problem(`${name} holds what is no value of ${wished.map(({ objectName }) => objectName).join(' or ')}`)
		else if (!course.see(origin.id)) problem(`${name} holds version ${origin.id}, which was not to be delivered`)
	}

	/**
	 * Selectors that look into another vault now, or by a spec that may still be followed, have no more to do with what they
	 * brought from the one before. What somebody else wrote into the file meanwhile does not make it one of theirs. What they
	 * bring from the other vault just as well is replaced, and does not go.
	 */
	#isOfOtherVault(name: string, { selected, written, course }: File, followed: readonly Asked[]): boolean {
		const origin = written === undefined ? undefined : this.#options.vaults.origin(written)
		const isThere = ({ wishes }: Asked) => origin?.vault === wishes.get(name)?.vault
		if (!selected || followed.every(isThere)) return false
		return course.isWantedSince(({ kind }) => kind !== 'version')
	}

	/** Rule 6. */
	#judgeManifest(
		binding: Watching,
		texts: ReadonlyMap<string, string>,
		isLateCreation: boolean,
		problem: (text: string) => void,
	): void {
		const { tampered } = binding
		if (tampered.has(MANIFEST_FILE)) return
		const text = texts.get(MANIFEST_FILE)
		const parsed = text === undefined ? undefined : manifestIn(text)
		if (parsed?.kind !== 'ok') {
			problem('has no readable manifest')
			return
		}
		const { revision } = parsed.manifest
		if (text !== binding.manifest && revision <= binding.revision && !isLateCreation)
			problem(`revision ${revision} after ${binding.revision}`)
		binding.revision = Math.max(binding.revision, revision)
		binding.manifest = text
		const versions = versionsOf(parsed.manifest)
		for (const [name, version] of versions) {
			const everPinned = texts.get(name)
			if (everPinned === undefined || tampered.has(name)) continue
			const id = this.#idOf(everPinned)
			if (id !== version) problem(`${name} is of version ${id}, the manifest says ${version}`)
		}
		for (const name of texts.keys()) {
			if (name !== MANIFEST_FILE && !tampered.has(name) && !versions.has(name) && !binding.unlisted.has(name))
				problem(`${name} is not in the manifest`)
		}
	}
}

/** File name → version, of older versions too. */
function versionsOf({ secrets }: Manifest): Map<string, string> {
	const versions = new Map<string, string>()
	for (const [name, { version, previous }] of Object.entries(secrets)) {
		versions.set(name, version)
		for (const [i, older] of previous.entries()) versions.set(previousFileName(name, i + 1), older.version)
	}
	return versions
}
