import type { Hold } from '../api/hold.ts'
import type { WantedSecret } from '../api/parse.ts'
import { objectKey } from './known.ts'

/** What is wanted while a hold is in force. */
export interface Holds {
	secrets: WantedSecret[]
	/** file names that are pinned; empty when no hold is in force */
	names: string[]
	/** milliseconds since the epoch at which the hold ends; undefined when none is in force */
	until: number | undefined
	/** what is wrong with the annotation; undefined when nothing is */
	problem: string | undefined
}

/**
 * Pins what the annotation `hold` names, until its time is over. The files of a certificate are held together: a key of
 * another version than its certificate would be worse than none.
 *
 * @param now milliseconds since the epoch
 */
export function applyHold(secrets: readonly WantedSecret[], hold: Hold, now: number): Holds {
	const nothing = { secrets: [...secrets], names: [], until: undefined, problem: undefined }
	if (hold.kind === 'none') return nothing
	if (hold.kind === 'invalid') return { ...nothing, problem: hold.problem }
	if (now >= hold.until) return nothing
	const unknown = [...hold.versions.keys()].filter((name) => !secrets.some((wanted) => wanted.name === name))
	if (unknown.length > 0)
		return { ...nothing, problem: 'it names a secret that the binding does not have: write the name of a file' }

	const certificates = new Map<string, string>()
	for (const wanted of secrets) {
		const version = hold.versions.get(wanted.name)
		if (version !== undefined && wanted.form?.kind === 'certificate') certificates.set(objectKey(wanted), version)
	}
	const versionOf = (wanted: WantedSecret) =>
		wanted.form?.kind === 'certificate' ? certificates.get(objectKey(wanted)) : hold.versions.get(wanted.name)
	const names: string[] = []
	const pinned = secrets.map((wanted) => {
		const version = versionOf(wanted)
		if (version === undefined) return wanted
		names.push(wanted.name)
		return { ...wanted, version }
	})
	return { secrets: pinned, names, until: hold.until, problem: undefined }
}
