import { MANIFEST_SCHEMA, type Manifest, type ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { SecretBinding } from '../../api/parse.ts'
import type { BindingStatus, SecretStatus } from '../../api/schema.ts'
import { nameOfForm } from '../../engine/form.ts'
import type { Holding } from '../../engine/holding.ts'
import { manifestSelectors } from '../../engine/select.ts'

/**
 * What a manifest would say of a Secret that has none by the spec, as the status remembers it: for a process that has not seen
 * the Secret before, so that it reads no value again and knows what selectors brought.
 *
 * The status is written after the Secret. So it may tell of older bytes than there are, and then the vault tells of a newer
 * version; and it may tell of another vault or Secret, of which it says so. Keys that somebody else wrote, as who restores a
 * Secret does, count as edited and are read again.
 *
 * @param vaultUrl of which vault is wanted now
 */
export function rememberedBy(
	status: BindingStatus,
	binding: SecretBinding,
	vaultUrl: string,
	holding: Holding,
): Holding {
	const { delivery } = binding
	if (delivery.manifest || holding.manifest || status.vault !== vaultUrl || status.secretName !== delivery.name)
		return holding
	const isSame = status.observedGeneration === binding.generation
	const secrets = (status.secrets ?? []).flatMap((each): [string, ManifestSecret][] => {
		const entry = holding.files.has(each.name) ? entryOf(each, binding, isSame) : undefined
		return entry ? [[each.name, entry]] : []
	})
	const manifest: Manifest = {
		schema: MANIFEST_SCHEMA,
		// Nobody reads it.
		revision: 0,
		binding: { namespace: binding.namespace, name: binding.name, uid: binding.uid },
		vault: vaultUrl,
		selectors: manifestSelectors(binding.select),
		secrets: Object.fromEntries(secrets),
	}
	return { ...holding, manifest }
}

/**
 * Of an entry of the spec nothing is known when the spec has changed since: its form may be another one. Nor is it when older
 * versions belong beside it, of which the status does not say which they are.
 */
function entryOf(shown: SecretStatus, binding: SecretBinding, isSame: boolean): ManifestSecret | undefined {
	const { name, objectName, version, vault, updated, expires, state, selected } = shown
	const wanted = binding.secrets.find((each) => each.name === name)
	if (version === undefined || vault !== undefined || (state !== 'Current' && state !== 'Deselected')) return undefined
	if (!selected && (!isSame || !wanted || (wanted.previous ?? 0) > 0)) return undefined
	const form = nameOfForm(wanted?.form)
	return {
		objectName,
		version,
		state,
		pinned: wanted?.version !== undefined,
		...(updated === undefined ? {} : { updated }),
		...(expires === undefined ? {} : { expires }),
		...(form === undefined || selected ? {} : { form }),
		...(selected ? { selected } : {}),
		tags: {},
		previous: [],
	}
}
