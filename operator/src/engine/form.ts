import type { Form } from '../api/parse.ts'
import { type Content, decodeValue } from './decode.ts'
import type { VaultFault } from './fault.ts'
import { type ParsedJson, parseJson, pointInto } from './pointer.ts'

/** A certificate of the vault, sorted out. PEM texts, each ending with a line break. */
export interface Certificate {
	leaf: string
	/** issuer after issuer; certificates that issued nothing here come last. Empty: the vault holds the leaf alone */
	chain: string[]
	/** PKCS#8 */
	key: string
}
export type CertificateRule = Extract<VaultFault, { kind: 'certificate' }>['rule']
export type ParsedCertificate = { kind: 'ok'; certificate: Certificate } | { kind: 'broken'; rule: CertificateRule }
/** Parses a certificate's secret; the parser is an adapter, because libraries do it. */
export type ParseCertificate = (value: string, contentType: string | undefined) => ParsedCertificate

export type Formed = { kind: 'content'; content: Content } | { kind: 'fault'; fault: VaultFault }

/** The form in a word for the manifest; undefined for a value that is delivered as it is. */
export function nameOfForm(form: Form | undefined): string | undefined {
	if (form === undefined) return undefined
	if (form.kind === 'certificate') return `certificate=${form.part === 'cert' && !form.ca ? 'cert+chain' : form.part}`
	const { property, decode } = form
	const words = [
		...(property === undefined ? [] : [`property=${property}`]),
		...(decode === 'None' ? [] : [`decode=${decode}`]),
	]
	return words.length > 0 ? words.join(' ') : undefined
}

// Key Vault takes 25,000 bytes (FACTS.md#limits); an emulator or a later service may take more. Twice that is no work to speak of.
const MAX_VALUE_CHARS = 50_000
// All contents that are made of one value: a Kubernetes Secret holds no more, and 500 entries may each take the whole value.
const MAX_MADE_BYTES = 1_048_576

/**
 * Makes the contents of files out of one value of the vault, one for each form, in their order: of JSON the property, then
 * the decoding, or a part of a certificate. The value is parsed once, whatever is made of it.
 *
 * A certificate is judged as a whole, so that all of its files come from one version or none changes: a certificate without
 * its own key would be worse than an old pair.
 */
export function giveForms(
	forms: readonly (Form | undefined)[],
	value: string,
	contentType: string | undefined,
	parse: ParseCertificate,
): Formed[] {
	const certificate = once(() => parse(value, contentType))
	const json = once(() => parseJson(value))
	let left = MAX_MADE_BYTES
	return forms.map((form) => {
		if (form === undefined) return { kind: 'content', content: value }
		if (value.length > MAX_VALUE_CHARS) return limitPassed(form, 'size')
		const formed = form.kind === 'certificate' ? partOf(certificate(), form) : textOf(value, json, form)
		if (formed.kind === 'content') left -= formed.content.length
		return left < 0 ? limitPassed(form, 'size') : formed
	})
}

/** The fault of a value that takes more than is given to one: too large, or too long to be made. */
export function limitPassed(form: Form, rule: 'size' | 'time'): Formed {
	if (form.kind === 'certificate') return broken({ kind: 'certificate', rule })
	return broken({ kind: form.property === undefined ? 'decode' : 'property', rule })
}

const broken = (fault: VaultFault): Formed => ({ kind: 'fault', fault })

function once<T>(make: () => T): () => T {
	let made: { readonly of: T } | undefined
	return () => {
		made ??= { of: make() }
		return made.of
	}
}

function partOf(parsed: ParsedCertificate, { part, ca }: Extract<Form, { kind: 'certificate' }>): Formed {
	if (parsed.kind === 'broken') return broken({ kind: 'certificate', rule: parsed.rule })
	const { leaf, chain, key } = parsed.certificate
	if (ca && chain.length === 0) return broken({ kind: 'certificate', rule: 'chainMissing' })
	switch (part) {
		case 'key':
			return { kind: 'content', content: key }
		case 'ca':
			return { kind: 'content', content: chain.join('') }
		case 'cert':
			return { kind: 'content', content: ca ? leaf : [leaf, ...chain].join('') }
	}
}

function textOf(value: string, json: () => ParsedJson, { property, decode }: Extract<Form, { kind: 'value' }>): Formed {
	let text = value
	if (property !== undefined) {
		const parsed = json()
		if (parsed.kind !== 'json') return broken({ kind: 'property', rule: parsed.kind === 'tooDeep' ? 'depth' : 'json' })
		const pointed = pointInto(parsed.value, property)
		if (pointed === undefined) return broken({ kind: 'property', rule: 'pointer' })
		// JSON may escape half of a surrogate pair, and what is written of it would be another value.
		if (!pointed.isWellFormed()) return broken({ kind: 'property', rule: 'text' })
		text = pointed
	}
	if (decode === 'None') return { kind: 'content', content: text }
	const content = decodeValue(text, decode)
	return content === undefined ? broken({ kind: 'decode', rule: decode }) : { kind: 'content', content }
}
