// Shapes of control arguments that arrive as JSON: every field known, of its type, none missing.
import { ControlError, type EmulatorControl } from './types.ts'

type Check = (value: unknown) => boolean
type Field = { readonly check: Check; readonly what: string; readonly optional: boolean }
type Shape = Readonly<Record<string, Field>>

const field = (what: string, check: Check): Field => ({ what, check, optional: false })
const optional = (of: Field): Field => ({ ...of, optional: true })

const isObject = (value: unknown): value is Record<string, unknown> =>
	typeof value === 'object' && value !== null && !Array.isArray(value)
const text = field('a string', (value) => typeof value === 'string')
const word = field('a non-empty string', (value) => typeof value === 'string' && value !== '')
const bool = field('a boolean', (value) => typeof value === 'boolean')
const number = field('a number', (value) => typeof value === 'number' && Number.isFinite(value))
const count = field('a whole number, 0 or more', (value) => Number.isSafeInteger(value) && (value as number) >= 0)
const chance = field('a number from 0 to 1', (value) => typeof value === 'number' && value >= 0 && value <= 1)
const words = field(
	'a list of strings',
	(value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
)
const texts = field(
	'an object of strings',
	(value) => isObject(value) && Object.values(value).every((each) => typeof each === 'string'),
)
const object = field('an object', isObject)
const oneOf = (...values: readonly string[]): Field =>
	field(values.join(' | '), (value) => values.includes(value as string))
const pages = field(
	'uneven | full | a list of whole numbers, 0 to 25',
	(value) =>
		value === 'uneven' ||
		value === 'full' ||
		(Array.isArray(value) && value.every((each) => Number.isInteger(each) && each >= 0 && each <= 25)),
)
const shaped = (shape: Shape): Field =>
	field('an object of the documented fields', (value) => isObject(value) && problemOf(shape, value) === undefined)

const metadata: Shape = {
	contentType: optional(text),
	tags: optional(texts),
	enabled: optional(bool),
	notBefore: optional(count),
	expires: optional(count),
}
const bulkItem: Shape = { name: word, value: text, ...metadata }
const secretRef: Shape = { vault: word, name: word }
const grant: Shape = { clientId: word, role: word, vault: word, secret: optional(word) }
const since: Shape = { since: optional(number) }

const SHAPES: Readonly<Record<keyof EmulatorControl, Shape>> = {
	createVault: {
		name: word,
		access: optional(oneOf('rbac', 'policy')),
		recoverableDays: optional(count),
		tenantId: optional(word),
	},
	setNetwork: { vault: word, network: oneOf('open', 'firewall', 'private') },
	listVaults: {},
	overview: since,
	listSecrets: { vault: word, search: optional(text), limit: optional(count) },
	setSecret: { vault: word, ...bulkItem },
	setSecrets: {
		vault: word,
		secrets: field(
			'a list of secrets',
			(value) => Array.isArray(value) && value.every((each) => shaped(bulkItem).check(each)),
		),
	},
	addCertificate: { ...secretRef, contentType: optional(oneOf('application/x-pkcs12', 'application/x-pem-file')) },
	updateSecret: { ...secretRef, version: optional(word), ...metadata },
	getSecret: { ...secretRef, version: optional(word) },
	deleteSecret: secretRef,
	recoverSecret: secretRef,
	purgeSecret: secretRef,
	trustIssuer: {
		issuer: word,
		jwks: optional(object),
		jwksUrl: optional(word),
		bearerTokenFile: optional(word),
		caFile: optional(word),
	},
	addClient: {
		clientId: word,
		tenantId: optional(word),
		name: optional(word),
		resourceGroup: optional(word),
		clientSecret: optional(word),
		certificatePem: optional(word),
		managedIdentity: optional(bool),
	},
	addFederatedCredential: { clientId: word, name: word, issuer: word, subject: word, audience: word },
	removeFederatedCredential: { clientId: word, name: word },
	revokeTokens: { clientId: word },
	rotateKeys: { forgetOld: optional(bool) },
	grant,
	revoke: grant,
	defineRole: { name: word, dataActions: words },
	setPolicy: {
		vault: word,
		clientId: word,
		secretPermissions: words,
		keyPermissions: optional(words),
		certificatePermissions: optional(words),
	},
	addFault: {
		match: optional(shaped({ route: optional(word), vault: optional(word), clientId: optional(word) })),
		action: oneOf('status', 'delay', 'hang', 'reset', 'truncate', 'garbage', 'html', 'unauthorized', 'challenge'),
		status: optional(
			field(
				'an HTTP status, 400 to 599',
				(value) => Number.isInteger(value) && (value as number) >= 400 && (value as number) <= 599,
			),
		),
		code: optional(word),
		innerCode: optional(word),
		message: optional(text),
		retryAfter: optional(count),
		delayMs: optional(count),
		times: optional(count),
		after: optional(count),
		probability: optional(chance),
	},
	removeFault: { id: word },
	clearFaults: {},
	listFaults: {},
	requests: since,
	requestCounts: since,
	advanceClock: { seconds: number },
	configure: {
		visibilityDelayMs: optional(count),
		propagationDelayMs: optional(count),
		tokenLifetimeSeconds: optional(count),
		refreshInSeconds: optional(count),
		throttle: optional(shaped({ create: count, other: count })),
		retryAfter: optional(bool),
		pages: optional(pages),
	},
	az: { command: word },
	reset: {},
}

export const OPERATION_NAMES = Object.keys(SHAPES) as ReadonlyArray<keyof EmulatorControl>

/** Throws a ControlError that names the field and what it should be. */
export function checkArgument(operation: keyof EmulatorControl, input: unknown): void {
	if (!isObject(input)) throw new ControlError(`${operation} takes a JSON object`)
	const problem = problemOf(SHAPES[operation], input)
	if (problem !== undefined) throw new ControlError(`${operation}: ${problem}`)
}

function problemOf(shape: Shape, input: Record<string, unknown>): string | undefined {
	for (const name of Object.keys(input)) if (!Object.hasOwn(shape, name)) return `unknown field ${name.slice(0, 100)}`
	for (const [name, { check, what, optional: mayMiss }] of Object.entries(shape)) {
		const value = input[name]
		if (value === undefined ? !mayMiss : !check(value)) return `${name} must be ${what}`
	}
	return undefined
}
