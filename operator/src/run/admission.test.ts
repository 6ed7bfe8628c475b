import { expect, test } from 'vitest'
import { KubeError } from '../ports/kube-error.ts'
import { createLogger } from '../process/log.ts'
import { FakeClock } from '../process/testing/fake-clock.ts'
import { waitForPolicies } from './admission.ts'

const ALL = ['tokens', 'secrets', 'pods', 'events']

/** An API server where these policies stand. */
function setUp(standing: readonly string[], { allowUnfenced = false, failing = [] as string[] } = {}) {
	const clock = new FakeClock()
	const stopping = new AbortController()
	const state = { standing: new Set(standing), failing: new Set(failing), asked: [] as string[] }
	const logs: { level: string; msg: string }[] = []
	const request = <T>({ path, query }: { path: string; query?: Record<string, string> | undefined }): Promise<T> => {
		expect(query).toEqual({ dryRun: 'All' })
		const policy = ALL.find((each) => path.includes(`/${each.slice(0, -1)}`)) ?? path
		state.asked.push(policy)
		if (state.failing.has(policy)) return Promise.reject(new KubeError('forbidden', 'User "o" cannot'))
		if (!state.standing.has(policy)) return Promise.resolve({} as T)
		const text = `ValidatingAdmissionPolicy 'azure-secret-binding-${policy}' with binding 'x' denied request`
		return Promise.reject(new KubeError('forbidden', text))
	}
	const ended = waitForPolicies({
		transport: { request },
		clock,
		log: createLogger({
			level: 'info',
			destination: { write: (line: string) => void logs.push(JSON.parse(line) as (typeof logs)[number]) },
		}),
		allowUnfenced,
		signal: stopping.signal,
		namespace: 'system',
		serviceAccount: 'operator',
		pod: 'operator-1',
	})
	let isOver = false
	const over = () => {
		isOver = true
	}
	ended.then(over, over)
	return { clock, stopping, state, logs, ended, isOver: () => isOver }
}

test('all four policies are asked for, and nothing is said when they stand', async () => {
	const { state, logs, ended } = setUp(ALL)
	await ended
	expect(state.asked.toSorted()).toEqual(ALL.toSorted())
	expect(logs).toEqual([])
})

test.each(ALL)(
	'without %s alone it waits, asks every two seconds, says so once, and goes on when it stands',
	async (policy) => {
		const { clock, state, logs, ended, isOver } = setUp(ALL.filter((each) => each !== policy))
		await clock.advance(5_000)
		expect(state.asked).toHaveLength(12)
		expect(isOver()).toBe(false)
		expect(logs.map(({ msg }) => msg)).toEqual([
			`waiting: admission policies are not in force: azure-secret-binding-${policy} refuses nothing. Apply deploy/kustomize/fence, or start with --allow-unfenced.`,
		])
		state.standing.add(policy)
		await clock.advance(2_000)
		await ended
		expect(logs.map(({ msg }) => msg).slice(1)).toEqual(['all admission policies are in force'])
	},
)

test('a policy that could not be asked for does not stand, and a change is said anew', async () => {
	const { clock, state, logs, isOver, stopping, ended } = setUp([], { failing: ['pods'] })
	await clock.advance(2_000)
	for (const each of ALL) if (each !== 'pods') state.standing.add(each)
	await clock.advance(4_000)
	expect(isOver()).toBe(false)
	expect(logs).toHaveLength(2)
	expect(logs[1]?.msg).toContain('not in force: azure-secret-binding-pods (User "o" cannot).')
	stopping.abort(new Error('stopped'))
	await expect(ended).rejects.toThrow('stopped')
})

test('with --allow-unfenced it goes on at once, and says so loudly', async () => {
	const { logs, ended, state } = setUp([], { allowUnfenced: true })
	await ended
	expect(state.asked).toHaveLength(4)
	expect(logs[0]?.msg).toMatch(/^RUNNING WITHOUT ADMISSION POLICIES: .*azure-secret-binding-tokens refuses nothing/)
})
