// What must be true when everything has been healed and has had its time.
import { type ManifestSecret, parseManifest, previousFileName } from 'purista-azure-mounted-secret-store/manifest'
import { type BindingObject, condition, type Stage } from '../stage.ts'
import { type Checker, textsOf } from './checker.ts'
import { previousOf, type Target } from './model.ts'
import { isWanted } from './specs.ts'
import type { RandomVault } from './vault.ts'
import { type File, isBraked, type Watching } from './wishes.ts'

/** What one binding shows at the moment. */
interface Shown {
	binding: BindingObject
	texts: ReadonlyMap<string, string>
	/** by the manifest */
	told: Readonly<Record<string, ManifestSecret>>
}

/** @returns what is not yet as the model says; undefined when all is */
export async function unsettled(stage: Stage, vault: RandomVault, checker: Checker): Promise<string | undefined> {
	for (const [secretName, watching] of checker.bindings) {
		const binding = await stage.binding(watching.spec.name)
		const secret = await stage.secret(secretName)
		const texts = textsOf(secret ?? {})
		const parsed = parseManifest(texts.get('.binding.json') ?? '')
		const told = parsed.kind === 'ok' ? parsed.manifest.secrets : {}
		checker.pass()
		const problem =
			secret && parsed.kind !== 'ok' ? 'no manifest' : await difference(watching, { binding, texts, told }, vault)
		if (problem !== undefined) return `${watching.spec.name}: ${problem}`
	}
	return undefined
}

async function difference(watching: Watching, shown: Shown, vault: RandomVault): Promise<string | undefined> {
	const { spec, shape, files } = watching
	const { binding, told } = shown
	const { status, metadata } = binding
	if (status?.observedGeneration !== metadata.generation) return 'the status is of another generation'
	if (shape.suspend) return condition(binding, 'Fresh')?.reason === 'Suspended' ? undefined : 'it is not suspended'
	// A binding that only selects, and has nothing, most likely has a wrong selector: it says so.
	let [ready, fresh] = [spec.entries.length > 0 || Object.keys(told).length > 0, true]
	const waiting: string[] = []
	for (const [name, file] of files) {
		const { entry, course } = file
		const { target } = course
		const one = status.secrets?.find((each) => each.name === name)
		if (!entry.tag && !isWanted(entry, shape)) {
			if (shown.texts.has(name) || one) return `${name} is not wanted and still there`
			continue
		}
		const delivered = told[name]
		if (!entry.tag && !delivered) ready = false
		// After a hold the pinned bytes stay until there are better ones, and the rules for those do not apply to them.
		if (delivered?.pinned && target?.kind !== 'version') return undefined
		if (delivered && one?.version !== delivered.version)
			return `${name}: the manifest says ${delivered.version}, the status ${one?.version}`
		if (delivered && isBraked(entry, target)) waiting.push(name)
		if (target?.kind === 'version') {
			const problem = versionProblem(name, file, target, shown, vault, shape.previous)
			if (problem !== undefined) return problem
			if (one?.reason === 'Unsettled') return `${name} is unsettled`
		}
		if (target?.kind === 'keep') {
			// A deselected secret that is kept is what the policy asked for.
			if (target.why === 'disabled' || (target.why === 'absent' && delivered)) fresh = false
			const state = { absent: 'Absent', disabled: 'Disabled', deselected: 'Deselected' }[target.why as string]
			if (delivered && delivered.state !== state)
				return `${name} is kept in the state ${delivered.state}, though ${target.why}`
		}
	}
	if (waiting.length > spec.maxRemovals) fresh = false
	else if (waiting.length > 0) return `${waiting.join(', ')} still there`
	for (const [type, wanted] of [
		['Ready', ready],
		['Fresh', fresh],
	] as const) {
		const is = condition(binding, type)
		if (is?.status !== (wanted ? 'True' : 'False')) return `${type} is ${is?.status} (${is?.reason}), not ${wanted}`
	}
	return undefined
}

function versionProblem(
	name: string,
	{ entry }: File,
	target: Extract<Target, { kind: 'version' }>,
	{ texts, told }: Shown,
	vault: RandomVault,
	count: number,
): string | undefined {
	const { objectName, older = false } = entry
	const idOf = (key: string) => {
		const origin = vault.origins.get(texts.get(key) ?? '')
		return origin?.objectName === objectName ? origin.id : undefined
	}
	if (idOf(name) !== target.id) return `${name} is of version ${idOf(name)} instead of ${target.id}`
	const state = target.why ? 'Previous' : 'Current'
	const delivered = told[name]
	if (delivered?.version !== target.id || delivered.state !== state || delivered.pinned)
		return `${name}: the manifest says ${delivered?.state} ${delivered?.version}, pinned ${delivered?.pinned}`
	const item = vault.items.get(objectName)
	const kept = item && older ? previousOf(item, target.id, count) : []
	const inManifest = delivered.previous.map(({ version }) => version)
	if (inManifest.join() !== kept.join()) return `${name} has the older versions ${inManifest}, not ${kept}`
	const inFiles = kept.map((_, i) => idOf(previousFileName(name, i + 1)))
	if (inFiles.join() !== kept.join()) return `${name} has files of the older versions ${inFiles}, not ${kept}`
	return undefined
}
