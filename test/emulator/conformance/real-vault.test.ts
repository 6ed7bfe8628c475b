// The names of the tests on their way to a vault that others use, too.
import { describe, expect, it } from 'vitest'
import { prefixed, realBench, unprefixed } from './real-vault.ts'

const PREFIX = 'asb-check-1a2b3c4d-'

describe('names of the conformance suite in a real vault', () => {
	it.each([
		['/secrets/db?api-version=7.6', `/secrets/${PREFIX}db?api-version=7.6`],
		['/secrets/DB/0a/', `/secrets/${PREFIX}DB/0a/`],
		['/deletedsecrets/db/recover?x', `/deletedsecrets/${PREFIX}db/recover?x`],
		[`/secrets/${PREFIX}db`, `/secrets/${PREFIX}db`],
		['/secrets?maxresults=3', '/secrets?maxresults=3'],
		['/secrets/?x', '/secrets/?x'],
		['/secrets/restore?x', '/secrets/restore?x'],
		['/no/such/route', '/no/such/route'],
		[`/secrets/${'n'.repeat(127)}`, `/secrets/${'n'.repeat(127)}`],
	])('%s is asked as %s', (path, asked) => {
		expect(prefixed(path, PREFIX)).toBe(asked)
	})

	it('answers lose the prefix, and what others have in the vault', () => {
		const id = (name: string) => ({ id: `https://v.vault.azure.net/secrets/${name}` })
		const text = JSON.stringify({ value: [id('others'), id(`${PREFIX}db`)], nextLink: null })
		expect(unprefixed(text, PREFIX)).toBe(JSON.stringify({ value: [id('db')], nextLink: null }))
		expect(unprefixed(`no ${PREFIX}db here`, PREFIX)).toBe('no db here')
	})

	it('nothing is written that has no prefix, and no other vault is asked', async () => {
		const bench = realBench('https://v.vault.azure.net', PREFIX, 0)
		const put = { method: 'PUT', body: { value: 'v' }, token: null }
		await expect(bench.raw(`/secrets/${'n'.repeat(127)}`, put)).rejects.toThrow('needs an emulator: a write without')
		await expect(bench.raw('/secrets/a', { origin: 'https://w.vault.azure.net' })).rejects.toThrow('another vault')
		expect(() => realBench('https://v.vault.azure.net', '', 0)).toThrow('set ASB_CONFORMANCE_PREFIX')
	})
})
