import { giveForms } from '../../engine/form.ts'
import { parseCertificate } from '../../pki/certificate.ts'
import type { MakeForms } from '../answer.ts'

/** Makes contents in this thread, for tests whose time is not real. */
export const makeFormsHere: MakeForms = async (_, secret, forms) =>
	giveForms(forms, secret.value(), secret.facts.contentType, parseCertificate)
