import * as z from 'zod'
import { DNS_NAME, GROUP, OBJECT_NAME, SECRET_TYPES, type SecretType } from './constants.ts'
import { duration, type Rule, rules } from './schema-parts.ts'

// Room for what teams and their tools put there; Kubernetes itself allows 256 KiB of annotations for one object.
const metadataMap = (what: string, maxValue: number) =>
	z
		.record(z.string(), z.string().max(maxValue))
		.prefault({})
		.meta({
			description: `${what} of the Secret. Nothing is copied from the binding.`,
			maxProperties: 32,
			...rules({
				rule: `self.all(key, !key.startsWith('${GROUP}/'))`,
				message: `keys that start with ${GROUP}/ are the operator's own: leave them out`,
			}),
		})

const deliverySecret = z
	.strictObject({
		name: z.string().regex(DNS_NAME).min(1).max(253).meta({
			description:
				"Name of the Secret in the binding's namespace. A Secret of that name that is not ours is refused, not overwritten.",
		}),
		type: z
			.enum(Object.keys(SECRET_TYPES) as [SecretType, ...SecretType[]])
			.default('Opaque')
			.meta({ description: 'Type of the Secret. Types other than Opaque ask for certain names in secrets.' }),
		labels: metadataMap('Labels', 63),
		annotations: metadataMap('Annotations', 4096),
		manifest: z.boolean().default(true).meta({
			description:
				'Adds the key .binding.json: which version each file is, without values. The PURISTA store needs it to map names and to see its own writes; without it a restart of the operator reads all values again.',
		}),
		onDelete: z.enum(['Delete', 'Retain']).default('Delete').meta({
			description:
				'What happens to the Secret when the binding is deleted. A retained Secret is taken up again by a binding of the same name.',
		}),
	})
	.meta({ description: 'The Secret that is written. Only with type: Secret, which needs it.' })

/** Which blocks go with which type: for the API server, and for the parser. */
export const DELIVERY_RULES = {
	secretMissing: {
		rule: "self.type != 'Secret' || has(self.secret)",
		message: 'delivery by Secret needs the name of the Secret: write secret: {name: …}, or type: Volume',
	},
	secretTooMuch: {
		rule: "self.type != 'Volume' || !has(self.secret)",
		message: 'delivery by Volume makes no Secret: leave out secret, or write type: Secret',
	},
	volumeTooMuch: {
		rule: "self.type != 'Secret' || !has(self.volume)",
		message: 'volume is for delivery by Volume: leave it out, or write type: Volume',
	},
	refreshTooMuch: {
		rule: "self.type != 'Volume' || self.refreshPods",
		message: 'refreshPods is for delivery by Secret: leave it out, files of volumes change without it',
	},
} as const satisfies Record<string, Rule>

/**
 * Bits that files of a volume may have: reading alone, for nobody writes there. As a number it is what YAML makes of 0440; who
 * forgets the leading zero writes 440, which is another mode altogether and is refused by the same list.
 */
export const VOLUME_MODES = { '0400': 0o400, '0440': 0o440, '0444': 0o444 } as const
const texts = Object.keys(VOLUME_MODES).flatMap((mode) => [mode, mode.slice(1)])
const isText = `self in [${texts.map((mode) => `'${mode}'`).join(', ')}]`
const isNumber = `self in [${Object.values(VOLUME_MODES).join(', ')}]`

const deliveryVolume = z
	.strictObject({
		mode: z
			.union([z.int(), z.string().max(4)])
			.optional()
			.meta({
				description:
					"Permissions of the files: 0400, 0440 or 0444, as text or as an octal number. Default: 0440 when the pod has an fsGroup, whose the files then are, else 0444. The files' owner is root.",
				'x-kubernetes-int-or-string': true,
				...rules({
					rule: `type(self) == int ? ${isNumber} : ${isText}`,
					message: 'write 0400, 0440 or 0444, with the leading zero: the files can only be read',
				}),
			}),
		offlineFor: duration(
			'0s',
			'How long after the last good poll of the vault a node that still has the values in memory may start another pod of the same ServiceAccount while the vault or Entra is away, at most 24h. 0s: never. During that time also an identity that was revoked meanwhile starts pods; values are never kept on disk.',
			'0s',
			'24h',
		),
	})
	.meta({ description: 'How pods get the files. Only with type: Volume.' })

export const delivery = z
	.strictObject({
		type: z.enum(['Secret', 'Volume']).default('Secret').meta({
			description:
				"How the secrets get to the pods. Secret: the operator writes a Kubernetes Secret, which pods mount. Volume: pods mount a volume of the driver secrets.purista.dev, and the node reads the values into its memory with the pod's own identity; no Secret is made.",
		}),
		secret: deliverySecret.optional(),
		volume: deliveryVolume.optional(),
		refreshPods: z.boolean().default(true).meta({
			description:
				'Annotates the pods that mount the Secret after it was written, so that the kubelet refreshes their files at once instead of within 90 seconds. Nothing restarts. Volumes need no such help.',
		}),
	})
	.meta({ description: 'Where the secrets go.', ...rules(...Object.values(DELIVERY_RULES)) })

export const typeRules = Object.entries(SECRET_TYPES)
	.filter(([type]) => type !== 'Opaque')
	.map(([type, { all, any }]): Rule => {
		const has = (name: string) =>
			`(self.secrets.exists(s, s.name == '${name}') || self.certificates.exists(c, c.cert == '${name}' || c.key == '${name}'))`
		const test = [...all.map(has).join(' && '), ...(any.length > 0 ? [`(${any.map(has).join(' || ')})`] : [])].join('')
		const words = all.length > 0 ? all.join(' and ') : any.join(' or ')
		// Selectors may bring a name along that a vault can have; then the operator says when it is missing.
		const bySelector = [...all, ...any].every((name) => OBJECT_NAME.test(name)) ? 'self.select.size() > 0 || ' : ''
		return {
			rule: `!has(self.delivery.secret) || self.delivery.secret.type != '${type}' || ${bySelector}${all.length > 1 ? `(${test})` : test}`,
			message: `a Secret of type ${type} needs ${words}: add secrets or certificates with that name, or write type: Opaque`,
		}
	})
