import * as z from 'zod'
import {
	ALLOW_REMOVALS_ANNOTATION,
	AUDIENCES,
	DNS_NAME,
	GROUP,
	GUID,
	MAX_SECRETS,
	OBJECT_NAME,
	VAULT_SUFFIXES,
	VAULT_URL,
	VERSION_ID,
} from './constants.ts'
import { delivery, typeRules } from './delivery-schema.ts'
import { duration, type Rule, rules } from './schema-parts.ts'

// The only place where the shape of the resource is written down. `crd.ts` makes the CRD of it, `parse.ts` reads with it.
// It is flat: structural schemas know no unions, so a `type` enum stands beside optional blocks and CEL says what fits.

// The same rule for CEL, whose strings want no backslash.
const VAULT_URL_CEL = VAULT_URL.source.replaceAll('\\/', '/').replaceAll('\\.', '[.]')
// A host name has 253 characters at most.
const MAX_VAULT_URL = 'https://'.length + 253 + 1

// Each is compared with each secret of the vault at each poll.
const MAX_SELECTORS = 16

const vault = z
	.strictObject({
		url: z
			.string()
			.min(1)
			.max(MAX_VAULT_URL)
			.meta({
				description:
					'URL of the vault, such as https://payments-prod.vault.azure.net. Which suffixes it may have the operator is told (--vault-suffix).',
				...rules({
					rule: `self.matches('${VAULT_URL_CEL}')`,
					message: `write the vault's URL as https://<vault name>.${VAULT_SUFFIXES[0]} (China: .${VAULT_SUFFIXES[1]}, US government: .${VAULT_SUFFIXES[2]}), without port or path`,
				}),
			}),
	})
	.meta({
		description: `Which vault. Default: the annotation ${GROUP}/vault-url of the ServiceAccount.`,
	})

const guid = (description: string) => z.string().regex(GUID).max(36).meta({ description })

const identity = z
	.strictObject({
		serviceAccountName: z.string().regex(DNS_NAME).min(1).max(253).meta({
			description:
				"Name of a ServiceAccount in the binding's namespace. The vault is read with its identity, so it is the ServiceAccount that needs a federated credential and a role.",
		}),
		clientId: guid(
			'Client id of the managed identity or app. Default: the annotation azure.workload.identity/client-id of the ServiceAccount.',
		).optional(),
		tenantId: guid(
			'Tenant of the identity. Default: the annotation azure.workload.identity/tenant-id of the ServiceAccount.',
		).optional(),
		audience: z.enum(AUDIENCES).default('api://AzureADTokenExchange').meta({
			description: 'Audience of the ServiceAccount token that is exchanged at Entra.',
		}),
	})
	.meta({ description: 'With whose identity the vault is read.' })

const fileName = (description: string) =>
	z
		.string()
		.regex(/^[-._a-zA-Z0-9]{1,220}$/)
		.min(1)
		.max(220)
		.meta({
			description,
			...rules(
				{
					rule: "self != '.' && !self.startsWith('..')",
					message: 'the name may not be "." or start with "..": write it without the leading dots',
				},
				{
					rule: "self != '__proto__'",
					message: 'the name "__proto__" is unsafe in JavaScript readers: write "proto"',
				},
				{
					rule: "self != '.binding.json'",
					message: 'the name ".binding.json" is that of the manifest: write "binding.json"',
				},
				{
					rule: "!self.matches('[.]previous(-[0-9]+)?$')",
					message: 'names that end in ".previous" or ".previous-N" are kept for older versions: write "-previous"',
				},
			),
		})

const objectName = (description: string) => z.string().regex(OBJECT_NAME).min(1).max(127).meta({ description })

const version = z.string().regex(VERSION_ID).max(32).optional().meta({
	description: 'Pins one version (32 hexadecimal digits). Default: the current version, followed as it changes.',
})

// `.previous-10` is the longest suffix that file names leave room for.
const MAX_PREVIOUS = 10

const optionalFlag = (what: string) =>
	z
		.boolean()
		.default(false)
		.meta({
			description: `An optional ${what} that the vault does not have does not keep the binding from Ready.`,
		})

const secretEntry = z
	.strictObject({
		name: fileName(
			'Key in the Secret, which is the file name in the volume and the name that a PURISTA service asks for.',
		),
		objectName: objectName('Name of the secret in the vault. Default: the same as name.').optional(),
		version,
		previous: z.int().min(0).max(MAX_PREVIOUS).default(0).meta({
			description:
				'How many older enabled versions are kept beside it, as <name>.previous, <name>.previous-2 and so on, the newest first; at most 10.',
		}),
		optional: optionalFlag('secret'),
		decode: z.enum(['None', 'Base64', 'Base64Url', 'Hex']).default('None').meta({
			description:
				'How the text in the vault becomes bytes: None (as UTF-8), Base64, Base64Url or Hex. It is never guessed, and a value that does not follow the rule to the letter is an error of this secret.',
		}),
		property: z
			.string()
			.regex(/^(\/([^~/]|~[01])*)*$/)
			.max(512)
			.optional()
			.meta({
				description:
					'Takes one value out of a JSON text: an RFC 6901 pointer such as /database/password. Strings are taken as they are, anything else as JSON text. Comes before decode.',
			}),
	})
	.meta(
		rules({
			rule: `has(self.objectName) || self.name.matches('${OBJECT_NAME.source}')`,
			message:
				'this name cannot be a name in Key Vault (letters, digits and "-", at most 127): add objectName with the name in the vault',
		}),
	)

const certificateEntry = z
	.strictObject({
		objectName: objectName('Name of the certificate in the vault.'),
		cert: fileName(
			'File name of the certificate, in PEM: the leaf first, then its chain, unless ca takes that. The value is read as a secret, so the identity needs to read secrets; whether it is PFX or PEM is what its content type says.',
		),
		key: fileName('File name of the private key, in PEM (PKCS#8, not encrypted).'),
		ca: fileName(
			'File name of the chain, in PEM: the issuer of the leaf first. The file of cert is then the leaf alone.',
		).optional(),
		version,
		optional: optionalFlag('certificate'),
	})
	.meta(
		rules({
			rule: 'self.cert != self.key && (!has(self.ca) || (self.ca != self.cert && self.ca != self.key))',
			message: 'cert, key and ca are files of their own: write different names',
		}),
	)

// A vault allows 15 tags, with names and values of at most 512 characters (FACTS.md#limits).
const MAX_TAGS = 15
const MAX_TAG = 512

const selector = z
	.strictObject({
		prefix: z
			.string()
			.regex(OBJECT_NAME)
			.min(1)
			.max(127)
			.optional()
			.meta({ description: 'What names in the vault begin with, whatever their case.' }),
		tags: z.record(z.string(), z.string().max(MAX_TAG)).prefault({}).meta({
			description: 'Tags that the secret must have, all of them, with exactly these values.',
			maxProperties: MAX_TAGS,
		}),
		stripPrefix: z
			.boolean()
			.default(false)
			.meta({ description: 'Takes prefix away from the name in the vault to make the file name.' }),
		nameStyle: z.enum(['AsIs', 'UpperSnake']).default('AsIs').meta({
			description:
				'How the file name is written: AsIs, or UpperSnake for capitals with "_" instead of "-", as environment variables are.',
		}),
		managed: z.boolean().default(false).meta({
			description: "Also selects the secrets that belong to the vault's certificates.",
		}),
	})
	.meta(
		rules(
			{
				rule: 'has(self.prefix) || self.tags.size() > 0',
				message: 'this would select the whole vault: write prefix or tags',
			},
			{
				rule: '!self.stripPrefix || has(self.prefix)',
				message: 'stripPrefix takes away the prefix: write prefix too, or leave out stripPrefix',
			},
		),
	)

const refresh = z
	.strictObject({
		interval: duration('60s', 'Time between two polls of the vault, from 5s to 24h.', '5s', '24h'),
		staleAfter: duration(
			'24h',
			'Without a successful poll for this long the binding is no longer Ready, from 5m to 720h. Until then an outage of the vault only turns Fresh to False.',
			'5m',
			'720h',
		),
	})
	.prefault({})
	.meta({ description: 'How often the vault is polled.' })

const keepOrRemove = (description: string) => z.enum(['Keep', 'Remove']).default('Keep').meta({ description })
const keepRemoveOrPrevious = (description: string) =>
	z.enum(['Keep', 'Remove', 'Previous']).default('Keep').meta({ description })

const policy = z
	.strictObject({
		absent: keepOrRemove(
			'What happens to a delivered secret that the vault does not have any more: Keep the last value and say so, or Remove it. It counts as absent when the vault said so twice, at least 10 seconds apart.',
		),
		deselected: keepOrRemove(
			'What happens to a delivered secret that no selector matches any more, because its tags changed: Keep the last value, or Remove it.',
		),
		disabled: keepRemoveOrPrevious(
			'What happens when the version is disabled: Keep the last value and say so, Remove it, or deliver the newest Previous version that is enabled and in its time.',
		),
		expired: keepRemoveOrPrevious(
			'What happens when the version expires: Keep delivering it, as the vault does, Remove it, or deliver the newest Previous version that is enabled and in its time.',
		),
		notYetValid: keepRemoveOrPrevious(
			'What happens while the time of the version has not come: Keep delivering it, as the vault does, Remove it, or deliver the newest Previous version that is enabled and in its time.',
		),
		maxRemovals: z
			.int()
			.min(0)
			.max(MAX_SECRETS)
			.default(5)
			.meta({
				description: `How many secrets one poll may remove by policy. More are held until the annotation ${ALLOW_REMOVALS_ANNOTATION} acknowledges them; 0 holds each.`,
			}),
	})
	.prefault({})
	.meta({ description: 'What happens to delivered secrets when the vault changes its mind.' })

// More, and the API server would call the comparison of 500 names with each of their files too expensive.
const MAX_CERTIFICATES = 16
/** cert, key and ca */
const FILES_OF_CERTIFICATE = 3

const named = (name: string) => `${name} == c.cert || ${name} == c.key || (has(c.ca) && ${name} == c.ca)`
const contentRules: Rule[] = [
	{
		rule: 'self.secrets.size() + self.certificates.size() + self.select.size() > 0',
		message: 'there is nothing to deliver: add secrets, certificates or select',
	},
	{
		rule: `self.certificates.all(c, !self.secrets.exists(s, ${named('s.name')}))`,
		message: 'a secret and a file of a certificate have the same name: write each name once',
	},
	{
		// Each certificate shares a name with itself only.
		rule: `self.certificates.all(a, self.certificates.filter(c, (${named('a.cert')}) || (${named('a.key')}) || (has(a.ca) && (${named('a.ca')}))).size() == 1)`,
		message: 'files of two certificates have the same name: write each name once',
	},
]

/** `spec` of an AzureSecretBinding. */
export const specSchema = z
	.strictObject({
		vault: vault.optional(),
		identity,
		secrets: z
			.array(secretEntry)
			.max(MAX_SECRETS)
			.default([])
			.meta({
				description: 'Which secrets, at most 500.',
				'x-kubernetes-list-type': 'map',
				'x-kubernetes-list-map-keys': ['name'],
			}),
		certificates: z
			.array(certificateEntry)
			.max(MAX_CERTIFICATES)
			.default([])
			.meta({
				description: 'Which certificates, at most 16. Each is two or three files of one version.',
				'x-kubernetes-list-type': 'map',
				'x-kubernetes-list-map-keys': ['cert'],
			}),
		select: z.array(selector).max(MAX_SELECTORS).default([]).meta({
			description:
				'Selects secrets of the vault by name and tags, at most 16 selectors. A secret is delivered when one of them matches; entries of secrets and certificates come first.',
			'x-kubernetes-list-type': 'atomic',
		}),
		delivery,
		refresh,
		policy,
		suspend: z.boolean().default(false).meta({
			description: 'While true nothing is read, written or removed for this binding. What was delivered stays.',
		}),
	})
	.meta({ description: 'What is wanted.', ...rules(...contentRules, ...typeRules) })

const time = (description: string) => z.string().max(64).optional().meta({ description, format: 'date-time' })

const condition = z.strictObject({
	type: z.string().max(316).meta({ description: 'Ready, Fresh, Reconciling or Stalled.' }),
	status: z.enum(['True', 'False', 'Unknown']).meta({ description: 'True, False or Unknown.' }),
	reason: z
		.string()
		.max(1024)
		.meta({ description: 'One word for machines; all are listed in the documentation of the resource.' }),
	message: z.string().max(32768).meta({ description: 'For people: what is the matter, and the line that mends it.' }),
	lastTransitionTime: z.string().max(64).meta({ description: 'When the status last changed.', format: 'date-time' }),
	observedGeneration: z
		.int()
		.min(0)
		.optional()
		.meta({ description: 'Generation of the spec that this is about.', format: 'int64' }),
})

const secretStatus = z.strictObject({
	name: z.string().max(253).meta({ description: 'Key in the Secret.' }),
	objectName: z.string().max(127).meta({ description: 'Name in the vault.' }),
	version: z.string().max(64).optional().meta({
		description:
			'Version that is delivered; absent when none is, and with delivery by Volume also where only a list of the vault was asked, which tells no versions.',
	}),
	vault: z.string().max(256).optional().meta({
		description:
			'Vault that the delivered bytes are of, while they are not of the one that the spec names: the secret was not read there yet.',
	}),
	previous: z.array(z.string().max(64)).max(MAX_PREVIOUS).optional().meta({
		description: 'With delivery by Volume: older versions that belong beside it, the newest first.',
		'x-kubernetes-list-type': 'atomic',
	}),
	selected: z.literal(true).optional().meta({
		description: 'With delivery by Volume or without a manifest: a selector brings it, and no entry names it.',
	}),
	updated: time('When the delivered version was last changed in the vault.'),
	expires: time('When the delivered version expires, if it says so.'),
	state: z.string().max(64).meta({
		description:
			'Current; Absent, Disabled, Expired, NotYetValid or Deselected when a policy kept or removed it; Previous when an older version stands in; Pending while nothing is delivered yet.',
	}),
	reason: z.string().max(64).optional().meta({
		description:
			'Why this secret is not current; Unsettled: it changed within the last two seconds, or was absent once, and will be read once more.',
	}),
})

/** `status` of an AzureSecretBinding. Everything may be absent: the operator has not been here yet. */
export const statusSchema = z
	.strictObject({
		observedGeneration: z.int().min(-1).optional().meta({
			description: 'Generation of the spec that this status is about; -1 before the first poll.',
			format: 'int64',
		}),
		conditions: z
			.array(condition)
			.max(16)
			.optional()
			.meta({
				description: 'Ready, Fresh, and Reconciling or Stalled while they are true.',
				'x-kubernetes-list-type': 'map',
				'x-kubernetes-list-map-keys': ['type'],
			}),
		secrets: z
			.array(secretStatus)
			.max(MAX_SECRETS + MAX_CERTIFICATES * FILES_OF_CERTIFICATE)
			.optional()
			.meta({
				description: 'Each secret and file of a certificate, of the spec and selected, and what is delivered of it.',
				'x-kubernetes-list-type': 'atomic',
			}),
		vault: z.string().max(MAX_VAULT_URL).optional().meta({
			description:
				'With delivery by Volume or without a manifest: URL of the vault that the secrets of this status are of.',
		}),
		synced: z.string().max(16).optional().meta({ description: 'Delivered of wanted secrets, such as 9/10.' }),
		secretName: z.string().max(253).optional().meta({ description: 'Name of the Secret that was written last.' }),
		lastCheckTime: time(
			'When the vault was last polled with success; written at most every 15 minutes when nothing else changes.',
		),
		lastChangeTime: time('When what is delivered last changed.'),
		lastHandledRequest: z.string().max(256).optional().meta({
			description: 'Text of the annotation requested-at that was last followed.',
		}),
	})
	.meta({ description: 'What is true. Written by the operator.' })

export type BindingStatus = z.output<typeof statusSchema>
export type Condition = z.output<typeof condition>
export type SecretStatus = z.output<typeof secretStatus>
export type CertificateEntry = z.output<typeof certificateEntry>
export type Selector = z.output<typeof selector>
export type Policy = z.output<typeof policy>
export type Decode = z.output<typeof secretEntry>['decode']
