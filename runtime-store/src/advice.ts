import { storeError } from './errors.ts'
import type { Mount, MountProblem } from './mount/mount.ts'
import type { UnhandledError } from './purista.ts'

// What a failure says depends on what is there: an advice that is already followed helps nobody. Paths and names of bindings are
// configuration, so they may be in a text; names of secrets are not.

const PROBLEMS: Readonly<Record<MountProblem, string>> = {
	missing: 'is not there',
	empty: 'is empty',
	unreadable: 'cannot be read',
	older: 'shows an older revision than before',
}

/** 503 for a name that a mount might give another meaning. */
export function notReady(mounts: readonly Mount[]): UnhandledError {
	const away = mounts.filter(({ snapshot }) => snapshot === undefined)
	if (away.length > 0) {
		const list = away.map(({ path, problem, problemCode }) => {
			const why = problem === undefined ? 'was not read yet' : PROBLEMS[problem]
			return `${path} ${why}${problemCode === undefined ? '' : ` (${problemCode})`}`
		})
		const text = `mounted secrets are not loaded: ${list.join(', ')}. Mount the volume there, or set mountPath to [] where there is none`
		return storeError('NotReady', text)
	}
	const broken = mounts.filter(({ snapshot }) => snapshot?.manifestProblem !== undefined)
	const list = broken.map(({ path, snapshot }) => `${path} (${snapshot?.manifestProblem})`)
	return storeError(
		'NotReady',
		`which secret of the vault the name means is not known, because the manifest cannot be used: ${list.join(', ')}`,
	)
}

/** 501 for a write of a name that no mount covers while no vault is asked. */
export function notCovered(mounts: readonly Mount[], hasVault: boolean): UnhandledError {
	const vault = hasVault ? 'leave readFallback of the store on' : 'set vaultUrl of the store'
	const bindings = mounts.flatMap(({ snapshot }) => snapshot?.manifest?.binding ?? [])
	const [first] = bindings
	if (first === undefined) return storeError('NotCovered', `no mount has this secret: ${vault}`)
	const names = bindings.map(({ namespace, name }) => `${namespace}/${name}`).join(' or ')
	return storeError(
		'NotCovered',
		`no mount covers this secret: add it to spec.secrets of the AzureSecretBinding ${names}, or ${vault}`,
	)
}

/** 501 for a version that no mount holds while no vault is asked. */
export function versionNotMounted(
	hasVault: boolean,
	kept: { readonly covered: boolean; readonly previous: number },
): UnhandledError {
	const vault = hasVault ? 'leave readFallback of the store on' : 'set vaultUrl of the store'
	if (!kept.covered) return storeError('VersionNotMounted', `no mount holds this version: ${vault}`)
	const more = kept.previous === 0 ? 'set' : 'raise'
	return storeError(
		'VersionNotMounted',
		`no mount holds this version: ${more} "previous" of the secret in the AzureSecretBinding, or ${vault}`,
	)
}
