import type { AnnotatedPins } from '../api/annotated-pins.ts'
import type { WantedSecret } from '../api/parse.ts'
import { objectKey } from './known.ts'

/** What is wanted while the annotation hold pins something. */
export interface PinsInForce {
	secrets: WantedSecret[]
	/** file names that are pinned; empty when nothing is */
	names: string[]
	/** milliseconds since the epoch at which that ends; undefined when nothing is pinned */
	until: number | undefined
	/** what is wrong with the annotation; undefined when nothing is */
	problem: string | undefined
}

/**
 * Pins what the annotation `hold` names, until its time is over. The files of a certificate are pinned together: a key of
 * another version than its certificate would be worse than none.
 *
 * @param now milliseconds since the epoch
 */
export function pinByAnnotation(secrets: readonly WantedSecret[], annotated: AnnotatedPins, now: number): PinsInForce {
	const nothing = { secrets: [...secrets], names: [], until: undefined, problem: undefined }
	if (annotated.kind === 'none') return nothing
	if (annotated.kind === 'invalid') return { ...nothing, problem: annotated.problem }
	if (now >= annotated.until) return nothing
	const unknown = [...annotated.versions.keys()].filter((name) => !secrets.some((wanted) => wanted.name === name))
	if (unknown.length > 0)
		return { ...nothing, problem: 'it names a secret that the binding does not have: write the name of a file' }

	const certificates = new Map<string, string>()
	for (const wanted of secrets) {
		const version = annotated.versions.get(wanted.name)
		if (version !== undefined && wanted.form?.kind === 'certificate') certificates.set(objectKey(wanted), version)
	}
	const versionOf = (wanted: WantedSecret) =>
		wanted.form?.kind === 'certificate' ? certificates.get(objectKey(wanted)) : annotated.versions.get(wanted.name)
	const names: string[] = []
	const pinned = secrets.map((wanted) => {
		const version = versionOf(wanted)
		if (version === undefined) return wanted
		names.push(wanted.name)
		return { ...wanted, version }
	})
	return { secrets: pinned, names, until: annotated.until, problem: undefined }
}
