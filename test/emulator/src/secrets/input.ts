import { badParameter } from '../http/service-error.ts'
import type { ObjectPatch, SecretInput, SecretPatch } from './model.ts'

/** "25k bytes" in the documentation; the exact boundary is not documented, we take 25 x 1024 bytes of UTF-8. */
const MAX_VALUE_BYTES: number = 25 * 1024
const MAX_CONTENT_TYPE = 255
const MAX_TAGS = 15
const MAX_TAG_LENGTH = 512
/** 9999-12-31T23:59:59Z: the last moment that the service's own type of time can hold. */
const MAX_SECONDS = 253_402_300_799

export const isObject = (value: unknown): value is Record<string, unknown> =>
	typeof value === 'object' && value !== null && !Array.isArray(value)

/** The body as an object; anything else is a 400. */
export function parseObject(body: Buffer): Record<string, unknown> {
	let parsed: unknown
	try {
		parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
	} catch {
		throw badParameter('The request body is not valid JSON.')
	}
	if (!isObject(parsed)) throw badParameter('The request body must be a JSON object.')
	return parsed
}

/** Body of a set: `{value, contentType?, tags?, attributes?}`. */
export function parseSet(body: Buffer): SecretInput {
	const object = parseObject(body)
	const { value } = object
	if (typeof value !== 'string') throw badParameter("Property 'value' is required and must be a string.")
	return checkInput({ value, ...parsePatchFields(object) })
}

/** Body of an update: everything optional, a value is not accepted here. */
export const parsePatch = (body: Buffer): SecretPatch => parsePatchFields(body.length === 0 ? {} : parseObject(body))

/** What a body says of any object's version. */
export function parseObjectPatch({ tags, attributes }: Record<string, unknown>): ObjectPatch {
	const { contentType: _none, ...patch } = parsePatchFields({ tags, attributes })
	return patch
}

/** Limits that also hold for secrets that come in through the control API. */
export function checkInput(input: SecretInput): SecretInput {
	if (Buffer.byteLength(input.value) > MAX_VALUE_BYTES) {
		throw badParameter(`The secret value is larger than the maximum of ${MAX_VALUE_BYTES} bytes.`)
	}
	checkPatch(input)
	return input
}

export function checkPatch(patch: SecretPatch): void {
	if ((patch.contentType ?? '').length > MAX_CONTENT_TYPE) {
		throw badParameter(`Property 'contentType' is longer than ${MAX_CONTENT_TYPE} characters.`)
	}
	const tags = Object.entries(patch.tags ?? {})
	if (tags.length > MAX_TAGS) throw badParameter(`Property 'tags' has more than ${MAX_TAGS} entries.`)
	for (const [name, value] of tags) {
		if (name === '' || name.length > MAX_TAG_LENGTH || value.length > MAX_TAG_LENGTH) {
			throw badParameter(
				`Property 'tags' has a name or value that is empty or longer than ${MAX_TAG_LENGTH} characters.`,
			)
		}
	}
}

function parsePatchFields(object: Record<string, unknown>): SecretPatch {
	const { contentType, tags, attributes } = object
	if (!isAbsent(contentType) && typeof contentType !== 'string')
		throw badParameter("Property 'contentType' has invalid value.")
	if (!isAbsent(attributes) && !isObject(attributes)) throw badParameter("Property 'attributes' has invalid value.")
	const { enabled, nbf, exp } = attributes ?? {}
	if (!isAbsent(enabled) && typeof enabled !== 'boolean')
		throw badParameter("Property 'attributes.enabled' has invalid value.")
	const patch: SecretPatch = {
		contentType: contentType ?? undefined,
		tags: parseTags(tags),
		enabled: enabled ?? undefined,
		notBefore: seconds('nbf', nbf),
		expires: seconds('exp', exp),
	}
	checkPatch(patch)
	return patch
}

const isAbsent = (value: unknown): value is undefined | null => value === undefined || value === null

function parseTags(tags: unknown): Record<string, string> | undefined {
	if (isAbsent(tags)) return undefined
	if (!isObject(tags) || Object.values(tags).some((value) => typeof value !== 'string'))
		throw badParameter("Property 'tags' has invalid value.")
	return tags as Record<string, string>
}

/** Times are whole seconds, also beyond 2038: recorded ones go to 2040. */
function seconds(property: string, value: unknown): number | undefined {
	if (isAbsent(value)) return undefined
	if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_SECONDS) {
		throw badParameter(`Property 'attributes.${property}' has invalid value.`)
	}
	return value
}
