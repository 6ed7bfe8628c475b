// The emulator in the role of Azure: every check holds, and a check that cannot hold says so.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bench, openBench } from '../emulator/conformance/kit.ts'
import { API, type Ask, CHECKS, reportOf, runChecks } from './checks.ts'
import { cleanUp } from './vault.ts'

const ROOT = join(import.meta.dirname, '../..')
let bench: Bench
let ask: Ask
beforeAll(async () => {
	bench = await openBench()
	ask = async (path, { method = 'GET', body, token = true } = {}) => {
		const answer = await bench.raw(path, { method, ...(body ? { body } : {}), ...(token ? {} : { token: null }) })
		return {
			status: answer.status,
			headers: answer.headers as Record<string, string>,
			body: (answer.body ?? {}) as object,
		}
	}
})
afterAll(() => bench.close())

it('holds for the emulator, as it should for the service', async () => {
	const results = await runChecks(ask, 'asb-check-test')
	expect(results.filter(({ problem }) => problem !== undefined)).toEqual([])
	expect(results).toHaveLength(CHECKS.length)
})

it('tells what is otherwise, in a report without values', async () => {
	const broken: Ask = async (path, options) => {
		const answer = await ask(path, options)
		return path.includes('-absent') ? { ...answer, status: 200 } : answer
	}
	const results = await runChecks(broken, 'asb-check-broken')
	const report = reportOf(
		[{ title: 'Eight checks', results }],
		'tests.vault.azure.net',
		new Date('2026-01-02T00:00:00Z'),
	)
	expect(report).toContain('# 2026-01-02: tests.vault.azure.net')
	expect(report).toContain(`${CHECKS.length - 1} of ${CHECKS.length} as expected.`)
	expect(report).toContain(
		'**differs**: an absent secret is 404 SecretNotFound (answer: [200,"SecretNotFound"] instead of [404,"SecretNotFound"])',
	)
})

it('takes away what begins with the prefix and nothing else, and tells what it may not purge', async () => {
	const { control } = bench.emulator
	await control.configure({ visibilityDelayMs: 0 })
	const secrets = ['asb-check-mine-1', 'ASB-check-mine-2', 'asb-check-other'].map((name) => ({ name, value: 'v' }))
	await control.setSecrets({ vault: 'payments', secrets })
	await ask(`/secrets/asb-check-mine-1?${API}`, { method: 'DELETE' })
	const fault = { match: { route: 'purgeSecret' }, action: 'status', status: 403 } as const
	const { id } = await control.addFault(fault)
	const left = await cleanUp(ask, 'asb-check-mine-', 1)
	expect(left.map((name) => name.toLowerCase()).toSorted()).toEqual(['asb-check-mine-1', 'asb-check-mine-2'])
	await control.removeFault(id)
	expect(await cleanUp(ask, 'asb-check-mine-', 1)).toEqual([])
	expect((await ask(`/secrets/asb-check-other?${API}`)).status).toBe(200)
})

it('README says that nothing was run on Azure for as long as no report of a real vault is kept', () => {
	const folder = join(ROOT, 'deploy/azure/reports')
	const reports = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.md')) : []
	const readme = readFileSync(join(ROOT, 'README.md'), 'utf8').toLowerCase()
	expect(readme.includes('not yet run on azure')).toBe(reports.length === 0)
})
