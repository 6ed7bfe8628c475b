import { fileNameProblem } from 'purista-azure-mounted-secret-store/manifest'
import * as z from 'zod'
import { type AnnotatedPins, parseAnnotatedPins } from './annotated-pins.ts'
import {
	ALLOW_REMOVALS_ANNOTATION,
	type Audience,
	HOLD_ANNOTATION,
	OWNER_LABEL,
	REQUESTED_ANNOTATION,
	type SecretType,
} from './constants.ts'
import { DELIVERY_RULES, VOLUME_MODES } from './delivery-schema.ts'
import { parseDuration } from './duration.ts'
import {
	type BindingStatus,
	type CertificateEntry,
	type Decode,
	type Policy,
	type Selector,
	specSchema,
	statusSchema,
} from './schema.ts'
import { parseTime } from './time.ts'

/** How the content of a file is made of a value of the vault. */
export type Form =
	| { kind: 'value'; decode: Decode; property: string | undefined }
	/** `ca`: the chain goes to a file of its own instead of behind the leaf */
	| { kind: 'certificate'; part: 'cert' | 'key' | 'ca'; ca: boolean }

/** One secret that a binding wants, with its defaults filled in. */
export interface WantedSecret {
	/** key in the Secret, file name */
	name: string
	/** name in the vault */
	objectName: string
	/** pinned version */
	version?: string
	optional: boolean
	/** absent: the value is the content */
	form?: Form
	/** how many older versions are kept beside it; absent: none */
	previous?: number
	/** a selector brought it, not an entry of the spec */
	selected?: true
}

export interface SecretDelivery {
	type: 'Secret'
	name: string
	secretType: SecretType
	labels: Record<string, string>
	annotations: Record<string, string>
	manifest: boolean
	onDelete: 'Delete' | 'Retain'
	refreshPods: boolean
}

export interface VolumeDelivery {
	type: 'Volume'
	/** permission bits of the files; undefined: 0440 when the pod has a group, else 0444 */
	mode: number | undefined
	/** milliseconds for which a node may start pods from memory while vault or Entra is away; 0: never */
	offlineFor: number
}

/** How the secrets get to the pods. A union by `type`. */
export type Delivery = SecretDelivery | VolumeDelivery

/** A binding as the operator works with it. Vault and identity may still be completed by the ServiceAccount. */
export interface Binding<D extends Delivery = Delivery> {
	namespace: string
	name: string
	uid: string
	generation: number
	/** text of the annotation requested-at */
	requested: string | undefined
	/** URL in lower case, without a trailing slash */
	vaultUrl: string | undefined
	identity: {
		serviceAccountName: string
		clientId: string | undefined
		tenantId: string | undefined
		audience: Audience
	}
	secrets: WantedSecret[]
	delivery: D
	/** milliseconds */
	interval: number
	/** what the spec says, where the operator asks vaults less often than that */
	shorterInterval?: number | undefined
	/** milliseconds */
	staleAfter: number
	select: Selector[]
	policy: Policy
	annotatedPins: AnnotatedPins
	/** texts of the annotations hold and allow-removals: changes do not show in the generation */
	overrides: string
	/** text of the annotation allow-removals */
	allowRemovals: string | undefined
	/** when it was created, milliseconds since the epoch; undefined when the API server did not say */
	createdAt: number | undefined
}

/** A binding that is delivered by a Kubernetes Secret. */
export type SecretBinding = Binding<SecretDelivery>
/** A binding that nodes deliver into volumes. */
export type VolumeBinding = Binding<VolumeDelivery>

/** What an object of the API turned out to be. `status` is what it says, empty when it cannot be read. */
export type ParsedBinding =
	| { kind: 'active'; binding: Binding; status: BindingStatus }
	| { kind: 'suspended'; generation: number; status: BindingStatus }
	| { kind: 'invalid'; generation: number; problem: string; status: BindingStatus }

const metadataSchema = z.object({
	namespace: z.string(),
	name: z.string(),
	uid: z.string(),
	generation: z.number().default(0),
	creationTimestamp: z.string().optional(),
	annotations: z.record(z.string(), z.string()).optional(),
})
const objectSchema = z.object({
	metadata: metadataSchema,
	spec: z.unknown().optional(),
	status: z.unknown().optional(),
})

// The status holds this text (maxLength 256), and comparing needs no more of it.
const MAX_REQUEST = 256

/**
 * Reads an object of the API. Throws only for what is no Kubernetes object at all; whatever a user can write is answered
 * as `invalid`, with a problem that says what to write instead.
 */
export function parseBinding(object: unknown): ParsedBinding {
	const { metadata, spec: rawSpec, status: rawStatus } = objectSchema.parse(object)
	const readStatus = statusSchema.safeParse(rawStatus ?? {})
	const status = readStatus.success ? readStatus.data : {}
	const { generation } = metadata
	const invalid = (problem: string): ParsedBinding => ({ kind: 'invalid', generation, problem, status })

	if (metadata.name.length > 63) return invalid(`the name of a binding becomes a label: write at most 63 characters`)
	const read = specSchema.safeParse(rawSpec)
	if (!read.success) {
		// Paths and zod's own words; the values that it refuses are not in them.
		const [first] = read.error.issues
		return invalid(`spec.${first?.path.join('.') ?? ''}: ${first?.message ?? 'invalid'}`)
	}
	const spec = read.data
	if (spec.suspend) return { kind: 'suspended', generation, status }

	const problem = problemOf(spec)
	if (problem !== undefined) return invalid(problem)
	const delivery = deliveryOf(spec.delivery)
	if (typeof delivery === 'string') return invalid(delivery)
	return { kind: 'active', binding: bindingOf(metadata, spec, delivery), status }
}

type Spec = z.output<typeof specSchema>

/** What the schema cannot say of a spec: what is wrong, and what to write instead. */
function problemOf({ secrets, certificates, delivery }: Spec): string | undefined {
	const names = new Set<string>()
	for (const [field, list] of [
		['secrets', secrets],
		['certificates', certificates.flatMap(filesOf)],
	] as const) {
		for (const { name } of list) {
			const problem = fileNameProblem(name)
			if (problem !== undefined) return `spec.${field}: ${problem}`
			if (names.has(name)) return `spec.${field}: the name ${name} occurs twice: write each name once`
			names.add(name)
		}
	}
	const { labels = {}, annotations = {} } = delivery.secret ?? {}
	if ([labels, annotations].some((keys) => Object.hasOwn(keys, OWNER_LABEL)))
		return `spec.delivery.secret: ${OWNER_LABEL} is the operator's own: leave it out`
	return undefined
}

/** @returns or what is wrong with it */
function deliveryOf({ type, secret, volume, refreshPods }: Spec['delivery']): Delivery | string {
	const refused = ({ message }: { message: string }) => `spec.delivery: ${message}`
	if (type === 'Volume') {
		if (secret) return refused(DELIVERY_RULES.secretTooMuch)
		if (!refreshPods) return refused(DELIVERY_RULES.refreshTooMuch)
		const mode = modeOf(volume?.mode)
		if (mode === 'none') return 'spec.delivery.volume.mode: write 0400, 0440 or 0444, with the leading zero'
		return { type, mode, offlineFor: parseDuration(volume?.offlineFor ?? '0s') }
	}
	if (volume) return refused(DELIVERY_RULES.volumeTooMuch)
	if (!secret) return refused(DELIVERY_RULES.secretMissing)
	return {
		type,
		name: secret.name,
		secretType: secret.type,
		labels: secret.labels,
		annotations: secret.annotations,
		manifest: secret.manifest,
		onDelete: secret.onDelete,
		refreshPods,
	}
}

/** A number is what YAML made of an octal one; a text is read as octal, with or without its leading zero. */
function modeOf(mode: string | number | undefined): number | undefined | 'none' {
	if (mode === undefined) return undefined
	const bits = typeof mode === 'number' ? mode : /^0?[0-7]{3}$/.test(mode) ? Number.parseInt(mode, 8) : Number.NaN
	return Object.values(VOLUME_MODES).find((each) => each === bits) ?? 'none'
}

function bindingOf(metadata: z.output<typeof metadataSchema>, spec: Spec, delivery: Delivery): Binding {
	const { annotations = {} } = metadata
	return {
		namespace: metadata.namespace,
		name: metadata.name,
		uid: metadata.uid,
		generation: metadata.generation,
		requested: annotations[REQUESTED_ANNOTATION]?.slice(0, MAX_REQUEST),
		vaultUrl: spec.vault?.url.toLowerCase().replace(/\/$/, ''),
		// GUIDs and hosts compare without regard to case, and what compares them later may not: one spelling from here on.
		identity: {
			...spec.identity,
			clientId: spec.identity.clientId?.toLowerCase(),
			tenantId: spec.identity.tenantId?.toLowerCase(),
		},
		secrets: [
			...spec.secrets.map(({ name, objectName, version, optional, decode, property, previous }) => ({
				name,
				objectName: objectName ?? name,
				...(version === undefined ? {} : { version }),
				optional,
				...(previous === 0 ? {} : { previous }),
				...(decode === 'None' && property === undefined ? {} : { form: { kind: 'value' as const, decode, property } }),
			})),
			...spec.certificates.flatMap(filesOf),
		],
		delivery,
		interval: parseDuration(spec.refresh.interval),
		staleAfter: parseDuration(spec.refresh.staleAfter),
		select: spec.select,
		policy: spec.policy,
		overrides: JSON.stringify([HOLD_ANNOTATION, ALLOW_REMOVALS_ANNOTATION].map((key) => annotations[key])),
		annotatedPins: parseAnnotatedPins(annotations[HOLD_ANNOTATION]),
		allowRemovals: annotations[ALLOW_REMOVALS_ANNOTATION],
		createdAt: parseTime(metadata.creationTimestamp),
	}
}

/** A certificate is two or three files of one secret of the vault. */
function filesOf({ objectName, version, optional, cert, key, ca }: CertificateEntry): WantedSecret[] {
	const file = (name: string, part: 'cert' | 'key' | 'ca'): WantedSecret => ({
		name,
		objectName,
		...(version === undefined ? {} : { version }),
		optional,
		form: { kind: 'certificate', part, ca: ca !== undefined },
	})
	return [file(cert, 'cert'), file(key, 'key'), ...(ca === undefined ? [] : [file(ca, 'ca')])]
}
