import {
	MANIFEST_SCHEMA,
	type Manifest,
	type ManifestSecret,
	SECRET_STATES,
	sameContent,
} from 'purista-azure-mounted-secret-store/manifest'
import { API_VERSION, KIND } from '../../api/constants.ts'
import type { VolumeBinding } from '../../api/parse.ts'
import type { BindingStatus, SecretStatus } from '../../api/schema.ts'
import { parseTime } from '../../api/time.ts'
import { nameOfForm } from '../../engine/form.ts'
import type { Change, DestinationRules, Holding } from '../../engine/holding.ts'
import { listedVersion } from '../../engine/listed-version.ts'
import { refusedBy } from '../../engine/refusal.ts'
import { manifestSelectors, nameBySelectors } from '../../engine/select.ts'
import type { Secrets } from '../../ports/cluster.ts'
import type { Destination } from '../../ports/destination.ts'
import { isKubeError, KubeError } from '../../ports/kube-error.ts'
import { controllerOf, type SecretObject } from '../secret/secret-object.ts'

/** A file of the status has no bytes: it says that the vault has something for it. */
const SHOWN = { bytes: 0, foreign: undefined }

/** What would be written: nothing when neither a secret nor what is said of one changes. */
export const statusRules: DestinationRules = {
	judge(change) {
		const files = change.set.size + change.drop.length > 0
		const before = change.on?.manifest
		return files || !before || !sameContent(before, change.manifest) ? { kind: 'fits', files } : { kind: 'nothing' }
	},
}

/**
 * The status of a binding as a place to deliver to: of a binding whose values nodes deliver, the operator delivers what it knows
 * of them. The status itself is written after each pass, by whoever runs passes; so a write here is only remembered, and a
 * process that starts later reads it back from the status.
 *
 * @param vaultUrl of the source that is read now
 * @param secrets takes away the Secret that the binding was delivered by before
 */
export function createStatusDestination(
	binding: VolumeBinding,
	status: BindingStatus,
	vaultUrl: string,
	secrets: Pick<Secrets, 'readBack' | 'remove'>,
): Destination {
	const { namespace, name: owner } = binding
	return {
		rules: statusRules,
		readBack: async () => {
			const holding = holdingOfStatus(binding, status, vaultUrl)
			return holding ? { kind: 'ours', holding } : { kind: 'none' }
		},
		write: async (change) => ({ kind: 'written', holding: holdingAfter(binding, change) }),
		async removeFormer(formerName) {
			try {
				const back = await secrets.readBack(namespace, formerName, owner)
				// Whether it was to go with the binding the spec does not say any more; its owner reference does.
				if (back.kind !== 'ours' || controllerOf(back.secret) || !goesWith(back.secret, owner)) return { kind: 'done' }
				const { uid, resourceVersion } = back.secret.metadata
				await secrets.remove(namespace, formerName, uid, resourceVersion)
				return { kind: 'done' }
			} catch (error) {
				if (!(error instanceof KubeError)) throw error
				if (!isKubeError(error, 'forbidden', 'invalid')) return { kind: 'away', error }
				const text = `The API server refuses to remove the Secret ${formerName}, by which the binding was delivered before`
				return refusedBy(error, 'SecretWriteRefused', text)
			}
		},
	}
}

const goesWith = ({ metadata }: SecretObject, binding: string) =>
	metadata.ownerReferences?.some(
		({ apiVersion, kind, name }) => apiVersion === API_VERSION && kind === KIND && name === binding,
	) ?? false

const placeOf = ({ uid }: VolumeBinding) => `status/${uid}`

/** What the status says once the change is told. */
export function holdingAfter(binding: VolumeBinding, { set, drop, on, manifest }: Change): Holding {
	const names = new Set([...(on?.files.keys() ?? []), ...set.keys()])
	for (const name of drop) names.delete(name)
	const files = new Map([...names].map((name) => [name, SHOWN]))
	return { id: placeOf(binding), files, manifest, revision: manifest.revision, token: undefined }
}

/** What the status says that the vault has; undefined: it says nothing of any secret. */
export function holdingOfStatus(binding: VolumeBinding, status: BindingStatus, vaultUrl: string): Holding | undefined {
	const shown = (status.secrets ?? []).filter(isShown)
	if (shown.length === 0) return undefined
	const manifest: Manifest = {
		schema: MANIFEST_SCHEMA,
		// Nobody reads a revision of the status.
		revision: 1,
		binding: { namespace: binding.namespace, name: binding.name, uid: binding.uid },
		vault: status.vault ?? vaultUrl,
		selectors: manifestSelectors(binding.select),
		secrets: Object.fromEntries(shown.map((each) => [each.name, entryOf(each, binding)])),
	}
	const files = new Map(shown.map(({ name }) => [name, SHOWN]))
	return { id: placeOf(binding), files, manifest, revision: 1, token: undefined }
}

/** What is pending is there when it is of the vault of before: nodes hold those bytes until there are better ones. */
const isShown = ({ updated, version, state, vault }: SecretStatus) =>
	(state !== 'Pending' || vault !== undefined) && (updated !== undefined || version !== undefined)

function entryOf(shown: SecretStatus, { secrets, select, annotatedPins }: VolumeBinding): ManifestSecret {
	const { name, objectName, version, vault, updated, expires } = shown
	const wanted = secrets.find((each) => each.name === name)
	const form = nameOfForm(wanted?.form)
	const selector = shown.selected && !wanted ? select.find((each) => isNamedBy(each, shown)) : undefined
	const ms = parseTime(updated)
	return {
		objectName,
		...(vault === undefined ? {} : { vault }),
		version: version ?? listedVersion(ms === undefined ? undefined : ms / 1000),
		state: SECRET_STATES.find((state) => state === shown.state) ?? 'Current',
		pinned: isPinned(version, wanted?.version, annotatedPins),
		...(updated === undefined ? {} : { updated }),
		...(expires === undefined ? {} : { expires }),
		...(form === undefined ? {} : { form }),
		// Another one was an entry of a spec before.
		...(shown.selected && !wanted ? { selected: true } : {}),
		// It had the tags that its selector asks for when it was told.
		tags: selector?.tags ?? {},
		previous: (shown.previous ?? []).map((each) => ({ version: each })),
	}
}

/** A version is told of what the spec pins, and of what the annotation hold does. */
const isPinned = (
	version: string | undefined,
	pin: string | undefined,
	annotatedPins: VolumeBinding['annotatedPins'],
): boolean =>
	version !== undefined &&
	(version === pin || (annotatedPins.kind === 'until' && [...annotatedPins.versions.values()].includes(version)))

const isNamedBy = (selector: VolumeBinding['select'][number], { name, objectName }: SecretStatus) =>
	nameBySelectors([{ ...selector, tags: {} }], { objectName, tags: {} }) === name
