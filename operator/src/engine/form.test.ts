import { describe, expect, it } from 'vitest'
import type { Form } from '../api/parse.ts'
import { explainFault } from '../status/messages.ts'
import { traitsOf, type VaultFault } from './fault.ts'
import { giveForms, nameOfForm, type ParsedCertificate } from './form.ts'

const value = (decode: 'None' | 'Base64' | 'Base64Url' | 'Hex', property?: string): Form => ({
	kind: 'value',
	decode,
	property,
})
const certificate = (part: 'cert' | 'key' | 'ca', ca: boolean): Form => ({ kind: 'certificate', part, ca })
const pair: ParsedCertificate = {
	kind: 'ok',
	certificate: { leaf: 'leaf\n', chain: ['one\n', 'two\n'], key: 'key\n' },
}
const alone: ParsedCertificate = { kind: 'ok', certificate: { leaf: 'leaf\n', chain: [], key: 'key\n' } }
const give = (form: Form | undefined, text: string, parsed: ParsedCertificate = pair) =>
	giveForms([form], text, undefined, () => parsed)[0]

describe('a file', () => {
	it.each([
		['without a form is the value', undefined, '{"a":1}', '{"a":1}'],
		['of a property is that property', value('None', '/a'), '{"a":"x"}', 'x'],
		[
			'of a property that is decoded is the bytes of the property',
			value('Hex', '/a'),
			'{"a":"6869"}',
			Buffer.from('hi'),
		],
		['of a certificate is the leaf and its chain', certificate('cert', false), '', 'leaf\none\ntwo\n'],
		['of a certificate with a file for the chain is the leaf', certificate('cert', true), '', 'leaf\n'],
		['of the chain is the chain', certificate('ca', true), '', 'one\ntwo\n'],
		['of the key is the key', certificate('key', false), '', 'key\n'],
	])('%s', (_, form, text, content) => expect(give(form, text)).toEqual({ kind: 'content', content }))

	const faults: [string, Form, string, ParsedCertificate, VaultFault][] = [
		['that should be JSON', value('None', '/a'), 'x', pair, { kind: 'property', rule: 'json' }],
		['that lacks the property', value('None', '/b'), '{"a":"x"}', pair, { kind: 'property', rule: 'pointer' }],
		[
			'whose property is half of a character',
			value('None', '/a'),
			'{"a":"x\\ud800"}',
			pair,
			{ kind: 'property', rule: 'text' },
		],
		['that should be hexadecimal', value('Hex'), 'x', pair, { kind: 'decode', rule: 'Hex' }],
		['of more levels than JSON needs', value('None', '/a'), '['.repeat(200), pair, { kind: 'property', rule: 'depth' }],
		['of a value that is too large', value('Hex'), '00'.repeat(25_001), pair, { kind: 'decode', rule: 'size' }],
		['whose property should be base64', value('Base64', '/a'), '{"a":"x"}', pair, { kind: 'decode', rule: 'Base64' }],
		[
			'of no certificate',
			certificate('key', false),
			'x',
			{ kind: 'broken', rule: 'pem' },
			{ kind: 'certificate', rule: 'pem' },
		],
		['of a chain that is not there', certificate('ca', true), '', alone, { kind: 'certificate', rule: 'chainMissing' }],
		[
			'of a leaf without the chain that another file wants',
			certificate('cert', true),
			'',
			alone,
			{ kind: 'certificate', rule: 'chainMissing' },
		],
		[
			'of a key without the chain that another file wants',
			certificate('key', true),
			'',
			alone,
			{ kind: 'certificate', rule: 'chainMissing' },
		],
	]
	it.each(faults)('%s is an error of its own', (_, form, text, parsed, fault) => {
		expect(give(form, text, parsed)).toEqual({ kind: 'fault', fault })
		expect(traitsOf(fault)).toMatchObject({ class: 'secret', session: false })
	})

	it('that cannot be made says which, where and by what rule, and nothing of the value', () => {
		const at = {
			namespace: 'ns',
			serviceAccount: 'app',
			clientId: 'c',
			tenantId: 't',
			audience: 'a',
			issuer: undefined,
			vaultUrl: 'https://payments.vault.azure.net',
		}
		for (const [, , , , fault] of faults) {
			const text = explainFault(fault, at, ['apiKey'])
			expect(text).toContain('(apiKey) in the vault payments')
			expect(text).toMatch(/(Store|Write|Import|leave out)/)
		}
		expect(explainFault({ kind: 'decode', rule: 'Base64' }, at, ['k'])).toContain('without white space and line breaks')
	})
})

describe('files of one value', () => {
	it('cost one parse of it, however many they are', () => {
		let parses = 0
		const forms = [certificate('cert', true), certificate('key', true), certificate('ca', true)]
		giveForms(forms, '', undefined, () => {
			parses++
			return pair
		})
		expect(parses).toBe(1)
	})

	it('hold no more together than a Secret does: those behind that say so', () => {
		const forms = Array.from({ length: 50 }, () => value('None', ''))
		const given = giveForms(forms, JSON.stringify({ a: 'x'.repeat(24_900) }), undefined, () => pair)
		expect(given.filter(({ kind }) => kind === 'content')).toHaveLength(42)
		expect(given.at(-1)).toEqual({ kind: 'fault', fault: { kind: 'property', rule: 'size' } })
	})
})

describe('the name of a form', () => {
	it('is different for different bytes, and absent for the value itself', () => {
		const forms = [
			value('Base64'),
			value('Hex'),
			value('None', ''),
			value('None', '/a'),
			value('Base64', '/a'),
			certificate('cert', true),
			certificate('cert', false),
			certificate('key', false),
			certificate('ca', true),
		]
		expect(new Set(forms.map(nameOfForm)).size).toBe(forms.length)
		expect(forms.map(nameOfForm)).not.toContain(undefined)
		expect([nameOfForm(undefined), nameOfForm(value('None'))]).toEqual([undefined, undefined])
	})
})
