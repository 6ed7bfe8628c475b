import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadIntoGiven, readGiven } from './given.ts'

const folder = mkdtempSync(join(tmpdir(), 'asb-given-'))
const kubeconfig = join(folder, 'config')
writeFileSync(kubeconfig, '')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a given cluster', () => {
	it('is none without ASB_KUBECONFIG', () => {
		expect(readGiven({ ASB_CONTEXT: 'prod' })).toBeUndefined()
	})

	it('is refused without a named context', () => {
		expect(() => readGiven({ ASB_KUBECONFIG: kubeconfig })).toThrow('ASB_CONTEXT')
	})

	it('is refused when the file is not there', () => {
		expect(() => readGiven({ ASB_KUBECONFIG: join(folder, 'other'), ASB_CONTEXT: 'a' })).toThrow(/there is no .*other/)
	})

	it('is the file and the context', () => {
		expect(readGiven({ ASB_KUBECONFIG: kubeconfig, ASB_CONTEXT: 'a' })).toEqual({
			kubeconfig,
			context: 'a',
			loadCommand: undefined,
		})
	})

	it('gets images by the command the user gave, tags as arguments', async () => {
		const seen = join(folder, 'seen')
		const given = { kubeconfig, context: 'a', loadCommand: `printf '%s,' > '${seen}'` }
		await loadIntoGiven(given, ['localhost/a:dev', 'localhost/b:dev'])
		expect(readFileSync(seen, 'utf8')).toBe('localhost/a:dev,localhost/b:dev,')
	})

	it('tells to give one otherwise, and when it fails', async () => {
		const given = { kubeconfig, context: 'a', loadCommand: undefined }
		await expect(loadIntoGiven(given, ['localhost/a:dev'])).rejects.toThrow('Set ASB_LOAD_COMMAND')
		await expect(loadIntoGiven({ ...given, loadCommand: 'false' }, ['x'])).rejects.toThrow('ASB_LOAD_COMMAND failed')
	})
})
