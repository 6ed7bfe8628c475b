// What must be true when everything has been healed and has had its time.
import { type ManifestSecret, previousFileName } from 'purista-azure-mounted-secret-store/manifest'
import { conditionOf, type SeenStatus } from './judge.ts'
import { previousOf, type Target, type VaultHistory } from './model.ts'
import { type FileWish, isBraked, type Watching } from './wishes.ts'

/** What one binding shows at the moment. */
export interface Shown {
	/** of the binding itself */
	generation: number
	status: SeenStatus | undefined
	texts: ReadonlyMap<string, string>
	/** by the manifest */
	manifest: Readonly<Record<string, ManifestSecret>>
	/** no older versions can be told, because versions of one second are among them */
	tied?: (wish: FileWish) => boolean
	/** somebody else counts removals for all places, and this one says of each that waits that it is held */
	counted?: boolean
	/** files without which the place cannot be */
	required?: readonly string[]
	/** the place does not take this version under this name: what was there stays, and that is told */
	refused?: (name: string, wish: FileWish, id: string) => boolean
}

/** @returns what is not as the model says; undefined when all is */
export function difference(watching: Watching, shown: Shown, vaults: VaultHistory): string | undefined {
	const { asked, files } = watching
	const { status, manifest, generation } = shown
	if (status?.observedGeneration !== generation) return 'the status is of another generation'
	if (asked.suspend) return conditionOf(status, 'Fresh')?.reason === 'Suspended' ? undefined : 'it is not suspended'
	// A binding that only selects, and has nothing, most likely has a wrong selector: it says so.
	const named = [...asked.wishes.values()].some(({ tag }) => tag === undefined)
	// And where there is nothing, pods wait for what is selected and cannot be used now: it is to come.
	const isToCome = [...files].some(([, { selected, course }]) => selected && isFlaw(course.target?.why))
	let [ready, fresh] = [Object.keys(manifest).length > 0 || (named && !isToCome), true]
	const { required = [] } = shown
	const isRefused = (name: string, wish: FileWish | undefined, target: Target | undefined) =>
		wish !== undefined && target?.kind === 'version' && shown.refused?.(name, wish, target.id) === true
	const isDue = (name: string) => {
		const target = files.get(name)?.course.target
		return target?.kind === 'version' && !isRefused(name, asked.wishes.get(name), target)
	}
	// It cannot be made as long as one of these is not to be had.
	if (shown.texts.size === 0 && !required.every(isDue)) return conditionProblem('Ready', false, status)
	const waiting: string[] = []
	for (const [name, file] of files) {
		const wish = asked.wishes.get(name)
		const { target } = file.course
		const one = status.secrets?.find((each) => each.name === name)
		if (target?.why === 'deselected' && isHidden(shown, name)) return undefined
		if (!file.selected && !wish) {
			const isOurs = !watching.tampered.has(name) && !watching.unlisted.has(name)
			if ((shown.texts.has(name) && isOurs) || one) return `${name} is not wanted and still there`
			continue
		}
		// What stands in the manifest beside older versions, while its own file is gone, is not delivered.
		const entry = shown.texts.has(name) ? manifest[name] : undefined
		// Bytes of what was wanted here before stay until there are better ones.
		const other = wish && otherOf(wish, watching.tampered.has(name) ? undefined : shown.texts.get(name), entry, vaults)
		// Nobody asked for these bytes here, and whether it matters that they are there nobody said.
		if (other && (file.selected || wish.optional)) return undefined
		if (wish && !file.selected && !wish.optional && (!entry || other)) ready = false
		// After a hold the pinned bytes stay until there are better ones, and the rules for those do not apply to them.
		if (entry?.pinned && wish?.pin === undefined && target?.kind !== 'version') return undefined
		if (entry && !other && one?.version !== entry.version)
			return `${name}: the manifest says ${entry.version}, the status ${one?.version}`
		if (target?.kind === 'remove' && entry && isBraked(file, target)) {
			// What the place cannot be without stays, and that is told.
			if (required.includes(name)) return conditionProblem('Fresh', false, status)
			// Of another secret of the same vault they stay: a pod may live on them.
			if (other === 'object') fresh = false
			else waiting.push(name)
		}
		if (isRefused(name, wish, target)) {
			ready = fresh = false
			continue
		}
		if (target?.kind === 'version') {
			const problem = versionProblem(name, wish, target, shown, vaults)
			if (problem !== undefined) return problem
			if (one?.reason === 'Unsettled') return `${name} is unsettled`
		}
		if (target?.kind === 'keep') {
			// A deselected secret that is kept is what the policy asked for.
			if (target.why === 'disabled' || target.why === 'versionAbsent' || (target.why === 'absent' && entry))
				fresh = false
			const state = { absent: 'Absent', disabled: 'Disabled', deselected: 'Deselected' }[target.why as string]
			if (entry && !other && state !== undefined && entry.state !== state)
				return `${name} is kept in the state ${entry.state}, though ${target.why}`
		}
	}
	const isWaiting = (name: string) => status.secrets?.find((each) => each.name === name)?.reason === 'RemovalsHeld'
	if (shown.counted) waiting.splice(0, waiting.length, ...waiting.filter((name) => !isWaiting(name)))
	if (waiting.length > asked.maxRemovals && !shown.counted) fresh = false
	else if (waiting.length > 0) return `${waiting.join(', ')} still there`
	return conditionProblem('Ready', ready, status) ?? conditionProblem('Fresh', fresh, status)
}

const isFlaw = (why: Target['why']) => why === 'disabled' || why === 'expired' || why === 'notYetValid'

/** A read of what is disabled shows no tags: a node that nobody tells of it cannot know that it is deselected as well. */
const isHidden = ({ counted, manifest }: Shown, name: string) =>
	counted === true && manifest[name]?.state === 'Disabled'

function conditionProblem(type: string, wanted: boolean, status: SeenStatus): string | undefined {
	const is = conditionOf(status, type)
	return is?.status === (wanted ? 'True' : 'False')
		? undefined
		: `${type} is ${is?.status} (${is?.reason}), not ${wanted}`
}

/** Whether the bytes are of another secret, or of another vault, than is wanted. */
function otherOf(
	{ vault, objectName, pin }: FileWish,
	text: string | undefined,
	entry: ManifestSecret | undefined,
	vaults: VaultHistory,
): 'object' | 'vault' | undefined {
	const origin = text === undefined ? undefined : vaults.origin(text)
	// A stranger's bytes are of what the manifest says was there before him: nobody can mend what is wanted no more.
	if ((origin && origin.vault !== vault) || (!origin && entry?.vault !== undefined)) return 'vault'
	const isOther =
		entry !== undefined && (entry.objectName !== objectName || (pin !== undefined && entry.version !== pin))
	return isOther || (origin && origin.objectName !== objectName) ? 'object' : undefined
}

function versionProblem(
	name: string,
	wish: FileWish | undefined,
	target: Extract<Target, { kind: 'version' }>,
	{ texts, manifest, tied }: Shown,
	vaults: VaultHistory,
): string | undefined {
	if (!wish) return undefined
	const { vault, objectName, older = 0, pin } = wish
	const idOf = (key: string) => {
		const origin = vaults.origin(texts.get(key) ?? '')
		return origin?.objectName === objectName && origin.vault === vault ? origin.id : undefined
	}
	if (idOf(name) !== target.id) return `${name} is of version ${idOf(name)} instead of ${target.id}`
	const state = target.why ? 'Previous' : 'Current'
	const entry = manifest[name]
	if (entry?.version !== target.id || entry.state !== state || entry.pinned !== (pin !== undefined))
		return `${name}: the manifest says ${entry?.state} ${entry?.version}, pinned ${entry?.pinned}`
	if (tied?.(wish)) return undefined
	const item = vaults.item(vault, objectName)
	const kept = item && older > 0 ? previousOf(item, target.id, older) : []
	const inManifest = entry.previous.map(({ version }) => version)
	if (inManifest.join() !== kept.join()) return `${name} has the older versions ${inManifest}, not ${kept}`
	const inFiles = kept.map((_, i) => idOf(previousFileName(name, i + 1)))
	if (inFiles.join() !== kept.join()) return `${name} has files of the older versions ${inFiles}, not ${kept}`
	return undefined
}
