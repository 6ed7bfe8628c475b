import { fileNameProblem, type ManifestSecret, type ManifestSelector } from './manifest/index.ts'
import type { MountSnapshot } from './mount/snapshot.ts'

/** Where a name of the application leads. */
export interface Target {
	/** Name of the file, also of one that is wanted and not there yet; undefined when no mount covers the name. */
	readonly fileName: string | undefined
	/** Name of the secret in the vault; not checked yet. */
	readonly objectName: string
	/** Vault that the mount's manifest names. */
	readonly vault: string | undefined
	/** Version that the binding wants of a name without a file. */
	readonly version: string | undefined
	/** The file is, or will be, a part or another form of the value. */
	readonly form: string | undefined
	/** What the mount shows of it now. */
	readonly meta: ManifestSecret | undefined
	/** The selector that will deliver a secret of this name once it exists. */
	readonly selector: ManifestSelector | undefined
	/** False while a mount that is not loaded yet may still give the name another meaning. */
	readonly certain: boolean
	/** False while the secret in the vault is not known: the name is uncertain, or a manifest that would tell cannot be read. */
	readonly mapped: boolean
}

type Mounts = readonly (MountSnapshot | undefined)[]

/** Vault name of the secret that a selector delivers under this file name; undefined when it delivers none such. */
export function objectNameBySelector(selector: ManifestSelector, fileName: string): string | undefined {
	const { prefix = '', stripPrefix, nameStyle } = selector
	// Without a prefix only tags select, and those say nothing about a name.
	if (prefix === '') return undefined
	let name = fileName
	if (nameStyle === 'UpperSnake') {
		if (fileName !== fileName.toUpperCase()) return undefined
		// Vault names have no "_" and no case that matters, so this is the exact inverse.
		name = fileName.toLowerCase().replaceAll('_', '-')
	}
	if (stripPrefix) return `${prefix}${name}`
	return name.toLowerCase().startsWith(prefix.toLowerCase()) ? name : undefined
}

/** True when a mount has a file of that name, or one that it cannot read, or wants one. */
const claims = (mount: MountSnapshot, name: string): boolean =>
	mount.secrets.has(name) || mount.sources.has(name) || mount.faults.has(name)

function targetOf(mount: MountSnapshot, fileName: string, certain: boolean): Target {
	const source = mount.sources.get(fileName)
	// A file that came after the last manifest that could be used: only the one that cannot be says which secret it is.
	const told = mount.mapping === 'own' || mount.mapping === 'none'
	return {
		fileName,
		objectName: source?.objectName ?? fileName,
		vault: source?.vault,
		version: source?.version,
		form: source?.form,
		meta: mount.secrets.get(fileName)?.meta,
		selector: undefined,
		certain,
		mapped: certain && (source !== undefined || told),
	}
}

function targetOfSelector(name: string, mounts: Mounts, known: { certain: boolean; mapped: boolean }) {
	if (fileNameProblem(name) !== undefined) return undefined
	for (const mount of mounts) {
		for (const selector of mount?.manifest?.selectors ?? []) {
			const objectName = objectNameBySelector(selector, name)
			if (objectName === undefined) continue
			const nothing = { version: undefined, form: undefined, meta: undefined }
			return { fileName: name, objectName, vault: mount?.manifest?.vault, ...nothing, selector, ...known }
		}
	}
	return undefined
}

/**
 * Finds where a name leads.
 *
 * 1. The first mount that has a file of that name, or whose manifest wants one; with a manifest that says what the vault name is.
 * 2. A secret of a mount whose vault name it is, if it is the only one: services that used vault names go on using them.
 * 3. A selector that will deliver a secret of that name.
 * 4. None: the name is that of the vault.
 *
 * A mount that is not loaded may change the answer of 1 for names that only mounts after it have, and of 2 to 4 for all: then it is not
 * certain, and nobody may go by it.
 */
export function resolveName(name: string, mounts: Mounts): Target {
	let certain = true
	for (const mount of mounts) {
		if (mount === undefined) certain = false
		else if (claims(mount, name)) return targetOf(mount, name, certain)
	}
	for (const mount of mounts) {
		const fileName = mount?.fileOfObject.get(name.toLowerCase())
		if (mount !== undefined && fileName !== undefined && firstClaims(fileName, mount, mounts))
			return targetOf(mount, fileName, certain)
	}
	const known = { certain, mapped: certain && mounts.every((mount) => mount?.mapping !== 'unknown') }
	const selected = targetOfSelector(name, mounts, known)
	if (selected !== undefined) return selected
	const nothing = { version: undefined, form: undefined, meta: undefined, selector: undefined }
	return { fileName: undefined, objectName: name, vault: undefined, ...nothing, ...known }
}

/** False when a mount before has another file of that name, which hides this one. */
const firstClaims = (fileName: string, mount: MountSnapshot, mounts: Mounts): boolean =>
	mounts.find((other) => other !== undefined && claims(other, fileName)) === mount
