import { afterEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../kit/random.ts'
import { startProxy, type TcpProxy } from '../../runtime/proxy.ts'
import { openStage, type Stage } from '../stage.ts'
import { KEEP } from './model.ts'
import { RandomRun } from './run.ts'

// 500 in `npm run test:long`.
const STEPS = process.env['ASB_LONG'] ? 500 : 60
const SEED = Number(process.env['ASB_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

const BINDINGS = [
	{ name: 'keep', policy: KEEP, objects: ['alpha', 'beta'] },
	{ name: 'remove', policy: { ...KEEP, absent: 'Remove', disabled: 'Previous' }, objects: ['alpha', 'gamma'] },
	{
		name: 'tagged',
		policy: { ...KEEP, absent: 'Remove', deselected: 'Remove', disabled: 'Remove' },
		objects: [],
		tag: ['team', 'x'],
	},
] as const

describe('a random run of faults', () => {
	let stage: Stage | undefined
	let proxy: TcpProxy | undefined
	let run: RandomRun | undefined
	const watching = new AbortController()
	afterEach(async () => {
		watching.abort(new Error('the test is over'))
		await run?.end()
		await stage?.close()
		await proxy?.close()
	})

	it(`of ${STEPS} steps, seed ${SEED}: nothing goes back, nothing is lost, and everything is right when it is over`, {
		// A step takes up to two seconds and a half, a restart of the operator some more.
		timeout: STEPS * 6_000 + 300_000,
	}, async () => {
		stage = await openStage({ name: 'random' })
		proxy = await startProxy(stage.address)
		run = new RandomRun(stage, proxy, BINDINGS as never, seededRandom(SEED))
		await run.begin(['alpha', 'beta', 'gamma', 'delta'], watching.signal)
		try {
			for (let i = 0; i < STEPS; i++) {
				await run.step()
				expect(run.broken).toEqual([])
			}
			await run.heal()
			expect(run.broken).toEqual([])
		} catch (error) {
			throw new Error(`seed ${SEED}; the last steps: ${run.steps.slice(-20).join(' · ')}\n${String(error)}`, {
				cause: error,
			})
		}
		// Nothing of it all was printed.
		await run.end()
		const events = await stage.api.request<object>({
			method: 'GET',
			path: `/api/v1/namespaces/${stage.namespace}/events`,
		})
		const statuses = await Promise.all(BINDINGS.map(({ name }) => stage?.binding(name)))
		const printed = JSON.stringify([run.logs, events, statuses])
		expect(run.values.filter((value) => printed.includes(value))).toEqual([])
	})
})
