import { MANIFEST_FILE } from 'purista-azure-mounted-secret-store/manifest'
import { isKubeError, KubeError } from '../adapters/kube/errors.ts'
import { OWNER_LABEL } from '../api/constants.ts'
import type { Binding } from '../api/parse.ts'
import { adoptLine, deleteSecretLine } from '../plan/commands.ts'
import { controllerOf, type Delivered, readDelivered, type SecretObject } from '../plan/delivered.ts'
import { listed, withLine } from '../plan/messages.ts'
import type { SecretWrite } from '../plan/write.ts'
import type { ReadBack, Secrets } from '../ports/cluster.ts'
import { type Refusal, refused, refusedBy } from './identity.ts'
import type { Memory } from './memory.ts'

/** The write was overtaken by somebody else's: read back and plan again. */
export class LostRace extends Error {
	override readonly name = 'LostRace'
}

/** Our Secret as it is now: with its bytes for comparison, which nobody may keep. */
export type Present = { kind: 'ours'; delivered: Delivered; secret: SecretObject } | { kind: 'none' } | Refusal

/** Reads our Secret back, and says why when it is not ours. */
export async function readPresent(secrets: Secrets, binding: Binding, memory: Memory): Promise<Present> {
	const { namespace, name, delivery } = binding
	let back: ReadBack
	try {
		back = await secrets.readBack(namespace, delivery.name, name)
	} catch (error) {
		if (!isKubeError(error, 'forbidden', 'invalid')) throw error
		return refusedBy(error, 'SecretWriteRefused', 'The API server does not let the operator read the Secret')
	}
	if (back.kind === 'none') return back
	if (back.kind === 'foreign') {
		if (back.owner !== undefined) {
			return refused(
				'SecretOfOtherBinding',
				`The Secret ${delivery.name} belongs to the binding ${back.owner}. Write another name in spec.delivery.secret.name of one of them.`,
			)
		}
		return refused(
			'SecretNotOurs',
			withLine(
				`The namespace has a Secret ${delivery.name} that this operator does not own; it is not touched. Write another name in spec.delivery.secret.name, or hand it over:`,
				adoptLine(namespace, delivery.name, OWNER_LABEL, name),
			),
		)
	}
	const controller = controllerOf(back.secret)
	if (controller) {
		return refused(
			'SecretNotOurs',
			`The Secret ${delivery.name} is controlled by the ${controller.kind} ${controller.name}, which would take every change back. Write another name in spec.delivery.secret.name.`,
		)
	}
	return { kind: 'ours', delivered: withManifest(readDelivered(back.secret), memory), secret: back.secret }
}

/**
 * The manifest counts while its key is ours. Edited by somebody, or not delivered at all, what this process remembers takes
 * its place; after a restart that is nothing, and everything is read again.
 */
function withManifest(delivered: Delivered, memory: Memory): Delivered {
	if (delivered.manifest && delivered.keys.get(MANIFEST_FILE)?.foreign === undefined) return delivered
	memory.revision = Math.max(memory.revision, plausible(delivered.manifest?.revision))
	const { delivered: before } = memory
	const remembered = before !== undefined && before !== 'none' && before.uid === delivered.uid
	return { ...delivered, manifest: remembered ? before.manifest : undefined }
}

// A forged revision must not use up the numbers. 10^12 is beyond any that counting or seconds since 1970 reach.
const plausible = (revision = 0) => (revision < 1e12 ? revision : 0)

/**
 * Does what was planned. @returns the Secret afterwards, undefined when nothing was to be done, or why it was refused.
 * @throws LostRace when somebody else was faster
 */
export async function writeSecret(
	secrets: Secrets,
	binding: Binding,
	write: SecretWrite,
): Promise<SecretObject | Refusal | undefined> {
	const { namespace, delivery } = binding
	switch (write.kind) {
		case 'none':
			return undefined
		case 'tooLarge': {
			const largest = write.largest.map(({ name, bytes }) => `${name} (${bytes} bytes)`).join(', ')
			return refused(
				'SecretTooLarge',
				`The Secret would have ${write.bytes} bytes; Kubernetes takes 1048576. The largest: ${largest}. Spread them over several bindings.`,
			)
		}
		case 'typeDiffers':
			return refused(
				'SecretTypeDiffers',
				withLine(
					`The Secret ${delivery.name} exists with the type ${write.type}, and a type cannot be changed. Write type: ${write.type}, or delete the Secret; it is made anew:`,
					deleteSecretLine(namespace, delivery.name),
				),
			)
		case 'immutable':
			return refused(
				'SecretImmutable',
				withLine(
					`The Secret ${delivery.name} is immutable, so it cannot follow the vault. Delete it; it is made anew:`,
					deleteSecretLine(namespace, delivery.name),
				),
			)
		case 'keyMissing':
			return refused(
				'RequiredKeyMissing',
				`A Secret of type ${delivery.secretType} needs ${listed(write.keys)}, which could not be read from the vault. Nothing was written.`,
			)
		case 'create':
		case 'patch':
			try {
				const answer =
					write.kind === 'create'
						? await secrets.create(namespace, write.body)
						: await secrets.patch(namespace, delivery.name, write.body)
				if (answer === 'exists') throw new LostRace('the Secret exists by now')
				return answer
			} catch (error) {
				if (!(error instanceof KubeError)) throw error
				return refusalOf(error)
			}
	}
}

/** What a user can do about; everything else is thrown again, for the queue. */
function refusalOf(error: KubeError): Refusal {
	switch (error.kind) {
		case 'conflict':
		case 'notFound':
			throw new LostRace('the Secret was changed meanwhile')
		case 'forbidden':
		case 'invalid':
			return refusedBy(error, 'SecretWriteRefused', 'The API server refuses to write the Secret')
		case 'tooLarge':
			return refused('SecretTooLarge', 'The API server refuses the Secret as too large.')
		case 'alreadyExists':
		case 'unauthorized':
		case 'gone':
		case 'throttled':
		case 'unreachable':
		case 'timeout':
		case 'server':
		case 'other':
			throw error
	}
}

/**
 * Handles the Secret under its former name, once the new one is there: it goes with `onDelete: Delete`, and stays otherwise.
 */
export async function dropRenamed(secrets: Secrets, binding: Binding, formerName: string | undefined): Promise<void> {
	const { namespace, name, delivery } = binding
	if (formerName === undefined || formerName === delivery.name || delivery.onDelete !== 'Delete') return
	const back = await secrets.readBack(namespace, formerName, name)
	if (back.kind !== 'ours' || controllerOf(back.secret)) return
	const { uid, resourceVersion } = back.secret.metadata
	await secrets.remove(namespace, formerName, uid, resourceVersion)
}
