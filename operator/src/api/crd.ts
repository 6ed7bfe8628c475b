import * as z from 'zod'
import { API_VERSION, GROUP, KIND, PLURAL, SHORT_NAME, VERSION } from './constants.ts'
import { specSchema, statusSchema } from './schema.ts'

type Schema = Record<string, unknown>

/** JSON Schema of zod, without what structural schemas refuse. */
function structural(schema: z.ZodType): Schema {
	return z.toJSONSchema(schema, {
		target: 'openapi-3.0',
		io: 'input',
		unrepresentable: 'throw',
		override: ({ jsonSchema }) => {
			// Unknown fields are pruned (and refused by kubectl's strict validation); closed objects cannot be said here.
			if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
			// One of two types is said by a word of its own.
			if (jsonSchema['x-kubernetes-int-or-string'] === true) delete jsonSchema.anyOf
			// zod writes the range of safe integers; the API server's own int64 is what counts.
			if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
		},
	}) as Schema
}

const column = (name: string, type: string, jsonPath: string, description: string, priority = 0) => ({
	name,
	type,
	jsonPath,
	description,
	...(priority > 0 ? { priority } : {}),
})
const conditionPath = (type: string) => `.status.conditions[?(@.type=="${type}")].status`

/** The CustomResourceDefinition, as an object. */
export function buildCrd(): object {
	return {
		apiVersion: 'apiextensions.k8s.io/v1',
		kind: 'CustomResourceDefinition',
		metadata: { name: `${PLURAL}.${GROUP}` },
		spec: {
			group: GROUP,
			scope: 'Namespaced',
			names: {
				kind: KIND,
				listKind: `${KIND}List`,
				plural: PLURAL,
				singular: KIND.toLowerCase(),
				shortNames: [SHORT_NAME],
			},
			versions: [
				{
					name: VERSION,
					served: true,
					storage: true,
					subresources: { status: {} },
					additionalPrinterColumns: [
						column('Ready', 'string', conditionPath('Ready'), 'Whether what the spec asks for is delivered'),
						column('Fresh', 'string', conditionPath('Fresh'), 'Whether it is what the vault says'),
						column('Synced', 'string', '.status.synced', 'Delivered of wanted secrets'),
						column('Vault', 'string', '.spec.vault.url', 'URL of the vault'),
						column('Delivery', 'string', '.spec.delivery.type', 'How the secrets get to the pods'),
						column('Last change', 'date', '.status.lastChangeTime', 'When what is delivered last changed'),
						column('Age', 'date', '.metadata.creationTimestamp', 'Age of the binding'),
						column('Reason', 'string', '.status.conditions[?(@.type=="Fresh")].reason', 'Reason of Fresh', 1),
						column('Secret', 'string', '.spec.delivery.secret.name', 'Name of the Secret, if there is one', 1),
					],
					schema: {
						openAPIV3Schema: {
							type: 'object',
							description: `Brings secrets of an Azure Key Vault to the pods of a namespace: by a Kubernetes Secret, or by a volume in memory (${API_VERSION}).`,
							required: ['spec'],
							properties: {
								apiVersion: { type: 'string', description: 'Version of this representation.' },
								kind: { type: 'string', description: `${KIND}.` },
								metadata: { type: 'object' },
								spec: structural(specSchema),
								// Until somebody has looked, a binding is in progress: kstatus takes one that says nothing for done.
								status: { ...structural(statusSchema), default: { observedGeneration: -1 } },
							},
							'x-kubernetes-validations': [
								{
									// The name is the value of the ownership label, and label values end there.
									rule: 'self.metadata.name.size() <= 63',
									message: 'the name of a binding becomes a label: write at most 63 characters',
								},
							],
						},
					},
				},
			],
		},
	}
}
