import { fileNameProblem, type ManifestSecret, type ManifestSelector } from './manifest/index.ts'
import type { MountSnapshot } from './mount/snapshot.ts'

/** Where a name of the application leads. */
export interface Target {
	/** Name of the file; undefined when no mount covers the name. */
	readonly fileName: string | undefined
	/** Name of the secret in the vault; not checked yet. */
	readonly objectName: string
	/** Vault that the mount's manifest names. */
	readonly vault: string | undefined
	/** What the mount shows of it now. */
	readonly meta: ManifestSecret | undefined
	/** The selector that will deliver a secret of this name once it exists. */
	readonly selector: ManifestSelector | undefined
}

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

/**
 * Finds where a name leads.
 *
 * 1. A file of that name, in the first mount that has it; with a manifest its `objectName` is the vault name.
 * 2. A mounted secret whose vault name it is, if it is the only one: services that used vault names go on using them.
 * 3. A selector that will deliver a secret of that name.
 * 4. None: the name is that of the vault.
 */
export function resolveName(name: string, mounts: readonly (MountSnapshot | undefined)[]): Target {
	for (const mount of mounts) {
		const secret = mount?.secrets.get(name)
		if (secret === undefined) continue
		const objectName = secret.meta?.objectName ?? name
		return { fileName: name, objectName, vault: mount?.manifest?.vault, meta: secret.meta, selector: undefined }
	}
	for (const mount of mounts) {
		const fileName = mount?.fileOfObject.get(name.toLowerCase())
		const meta = fileName === undefined ? undefined : mount?.secrets.get(fileName)?.meta
		if (meta === undefined) continue
		return { fileName, objectName: meta.objectName, vault: mount?.manifest?.vault, meta, selector: undefined }
	}
	for (const mount of mounts) {
		if (fileNameProblem(name) !== undefined) break
		for (const selector of mount?.manifest?.selectors ?? []) {
			const objectName = objectNameBySelector(selector, name)
			if (objectName !== undefined)
				return { fileName: name, objectName, vault: mount?.manifest?.vault, meta: undefined, selector }
		}
	}
	return { fileName: undefined, objectName: name, vault: undefined, meta: undefined, selector: undefined }
}
