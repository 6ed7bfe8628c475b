import type { Form } from '../api/parse.ts'
import { type Content, decodeValue } from './decode.ts'
import type { VaultFault } from './fault.ts'
import { pointInto } from './pointer.ts'

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

/**
 * Makes the content of a file out of a value of the vault: first the property, then the decoding, or a part of a certificate.
 *
 * A certificate is judged as a whole, so that all of its files come from one version or none changes: a certificate without
 * its own key would be worse than an old pair.
 */
export function giveForm(
	form: Form | undefined,
	value: string,
	contentType: string | undefined,
	parse: ParseCertificate,
): Formed {
	const broken = (fault: VaultFault): Formed => ({ kind: 'fault', fault })
	if (form === undefined) return { kind: 'content', content: value }
	if (form.kind === 'certificate') {
		const parsed = parse(value, contentType)
		if (parsed.kind === 'broken') return broken({ kind: 'certificate', rule: parsed.rule })
		const { leaf, chain, key } = parsed.certificate
		if (form.ca && chain.length === 0) return broken({ kind: 'certificate', rule: 'chainMissing' })
		switch (form.part) {
			case 'key':
				return { kind: 'content', content: key }
			case 'ca':
				return { kind: 'content', content: chain.join('') }
			case 'cert':
				return { kind: 'content', content: form.ca ? leaf : [leaf, ...chain].join('') }
		}
	}
	let text = value
	if (form.property !== undefined) {
		const pointed = pointInto(value, form.property)
		if (pointed.kind !== 'text')
			return broken({ kind: 'property', rule: pointed.kind === 'notJson' ? 'json' : 'pointer' })
		text = pointed.text
	}
	if (form.decode === 'None') return { kind: 'content', content: text }
	const content = decodeValue(text, form.decode)
	return content === undefined ? broken({ kind: 'decode', rule: form.decode }) : { kind: 'content', content }
}
