import { OWNER_LABEL } from '../../api/constants.ts'
import type { SecretBinding } from '../../api/parse.ts'
import type { BindingStatus } from '../../api/schema.ts'
import type { Change } from '../../engine/holding.ts'
import type { Answers, Away, Refusal } from '../../engine/questions.ts'
import { refused, refusedBy } from '../../engine/refusal.ts'
import type { Secrets } from '../../ports/cluster.ts'
import type { Destination } from '../../ports/destination.ts'
import { isKubeError, KubeError } from '../../ports/kube-error.ts'
import { adoptLine } from '../../status/commands.ts'
import { withLine } from '../../status/messages.ts'
import { rememberedBy } from './manifest-of-status.ts'
import { CHECKED_KEYS, secretRules } from './rules.ts'
import { controllerOf, holdingOf, type SecretObject } from './secret-object.ts'

/** Does a piece of work of the main thread when it is its turn: a Secret may have 500 keys. */
type Slice = <T>(work: () => T) => Promise<T>

interface SecretDestinationOptions {
	/** default: at once */
	slice?: Slice
	/** the status to go by where the Secret has no manifest, and which vault is wanted */
	statusAsManifest?: { readonly status: BindingStatus; readonly vaultUrl: string } | undefined
}

/** The Secret of a binding as a place to deliver to. Each refusal is named by the call that met it. */
export function createSecretDestination(
	binding: SecretBinding,
	secrets: Secrets,
	{ slice = async (work) => work(), statusAsManifest }: SecretDestinationOptions = {},
): Destination {
	const { namespace, name: owner, delivery } = binding
	const { planned, ...rules } = secretRules(binding)
	const holdingLater = (secret: SecretObject) => slice(() => holdingOf(secret))
	return {
		rules,
		async readBack() {
			try {
				const back = await secrets.readBack(namespace, delivery.name, owner)
				if (back.kind === 'none') return back
				if (back.kind === 'foreign') return foreign(binding, back.owner)
				const refusal = controlled(binding, back.secret)
				if (refusal) return refusal
				const holding = await holdingLater(back.secret)
				return {
					kind: 'ours',
					holding: statusAsManifest
						? rememberedBy(statusAsManifest.status, binding, statusAsManifest.vaultUrl, holding)
						: holding,
				}
			} catch (error) {
				return refusedOrAway(error, 'The API server does not let the operator read the Secret')
			}
		},
		async write(change) {
			const write = await slice(() => planned(change))
			try {
				if (write.kind === 'create') {
					const answer = await secrets.create(namespace, await slice(() => write.body()))
					return answer === 'exists' ? { kind: 'lostRace' } : { kind: 'written', holding: await holdingLater(answer) }
				}
				if (write.kind === 'patch') {
					const body = await slice(() => write.body())
					return { kind: 'written', holding: await holdingLater(await secrets.patch(namespace, delivery.name, body)) }
				}
				// The engine asks for nothing that the rules do not take.
				return { kind: 'away', error: new Error(`a write that the rules do not take: ${write.kind}`) }
			} catch (error) {
				return writeRefused(error, change)
			}
		},
		async removeFormer(formerName) {
			if (delivery.onDelete !== 'Delete') return { kind: 'done' }
			try {
				const back = await secrets.readBack(namespace, formerName, owner)
				if (back.kind !== 'ours' || controllerOf(back.secret)) return { kind: 'done' }
				const { uid, resourceVersion } = back.secret.metadata
				await secrets.remove(namespace, formerName, uid, resourceVersion)
				return { kind: 'done' }
			} catch (error) {
				return refusedOrAway(error, `The API server refuses to remove the Secret under its old name ${formerName}`)
			}
		},
	}
}

/** A Secret of that name that is not ours: another binding's, or nobody's whom we know. */
function foreign({ namespace, name, delivery }: SecretBinding, owner: string | undefined): Refusal {
	if (owner !== undefined) {
		return refused(
			'SecretOfOtherBinding',
			withLine(
				`The Secret ${delivery.name} belongs to the binding ${owner}. Write another name in spec.delivery.secret.name of one of them. If there is no binding ${owner} any more, take the Secret over:`,
				adoptLine(namespace, delivery.name, OWNER_LABEL, name),
			),
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

/** Our label, and a controller that would take every change back. */
function controlled({ delivery }: SecretBinding, secret: SecretObject): Refusal | undefined {
	const controller = controllerOf(secret)
	return controller
		? refused(
				'SecretNotOurs',
				`The Secret ${delivery.name} is controlled by the ${controller.kind} ${controller.name}, which would take every change back. Write another name in spec.delivery.secret.name.`,
			)
		: undefined
}

/** @throws what is no failure of the API server */
function refusedOrAway(error: unknown, text: string): Refusal | Away {
	if (!(error instanceof KubeError)) throw error
	return isKubeError(error, 'forbidden', 'invalid')
		? refusedBy(error, 'SecretWriteRefused', text)
		: { kind: 'away', error }
}

/** What a user can do about is a refusal; everything else is tried again. */
function writeRefused(error: unknown, { set }: Change): Answers['write'] {
	if (isKubeError(error, 'conflict', 'notFound')) return { kind: 'lostRace' }
	if (isKubeError(error, 'tooLarge'))
		return refused('SecretTooLarge', 'The API server refuses the Secret as too large.')
	const answer = refusedOrAway(error, 'The API server refuses to write the Secret')
	// It may be more particular about a value than we are.
	const files = isKubeError(error, 'invalid') ? [...set.keys()].filter((key) => CHECKED_KEYS.has(key)) : []
	return answer.kind === 'refused' && files.length > 0 ? { ...answer, files } : answer
}
