import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { Holding } from './holding.ts'

type Described = Pick<Holding, 'files' | 'manifest'>

/**
 * The manifest entry of a file, if its bytes are there. It says `vault` exactly when the bytes are of another vault than
 * `vaultUrl`: then nothing that the present vault tells is about them.
 */
export function secretInManifest(
	holding: Described | undefined,
	name: string,
	vaultUrl: string,
): ManifestSecret | undefined {
	if (!holding?.manifest || !holding.files.has(name)) return undefined
	return entryOf(holding.manifest, name, vaultUrl)
}

/** The same whether or not the bytes are there. */
export function entryOf(
	{ vault, secrets }: NonNullable<Described['manifest']>,
	name: string,
	vaultUrl: string,
): ManifestSecret | undefined {
	const secret = Object.hasOwn(secrets, name) ? secrets[name] : undefined
	if (!secret || (secret.vault === undefined && vault === vaultUrl)) return secret
	const { vault: own = vault, ...rest } = secret
	return own === vaultUrl ? rest : { ...rest, vault: own }
}

/** Names whose bytes are missing or written by somebody else, though the manifest counts them as delivered. */
export function drifted(
	{ files }: Pick<Described, 'files'>,
	names: readonly string[],
	accepted: ReadonlyMap<string, string>,
): string[] {
	return names.filter((name) => {
		const file = files.get(name)
		if (!file) return true
		// Somebody wrote the very value that we would write: the file stays theirs, and is compared once per their write.
		return file.foreign !== undefined && accepted.get(name) !== file.foreign
	})
}

/** Whether a file is there with bytes of ours, or with the very bytes that we would write. */
export const isIntact = (
	holding: Pick<Described, 'files'> | undefined,
	name: string,
	accepted: ReadonlyMap<string, string>,
): boolean => holding !== undefined && drifted(holding, [name], accepted).length === 0
