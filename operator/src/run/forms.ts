import { parseCertificate } from '../adapters/pki/certificate.ts'
import { giveForm, type ParsedCertificate } from '../engine/form.ts'
import type { MakeForms } from './answer.ts'

/** Makes contents in this thread. The files of a certificate are parts of one parsed value. */
export const makeFormsHere: MakeForms = async (_, secret, forms) => {
	let parsed: ParsedCertificate | undefined
	const once = (value: string, contentType: string | undefined) => {
		parsed ??= parseCertificate(value, contentType)
		return parsed
	}
	return forms.map((form) => giveForm(form, secret.value(), secret.facts.contentType, once))
}
