import { expect, test } from 'vitest'
import { CLIENT_ID_ANNOTATION } from '../api/constants.ts'
import { KubeError } from '../ports/kube-error.ts'
import { FakeClock } from '../process/testing/fake-clock.ts'
import { createServiceAccounts } from './serviceaccounts.ts'

function setUp() {
	const clock = new FakeClock()
	const state = { requests: [] as string[], fault: undefined as KubeError | undefined }
	const request = async <T>({ path }: { path: string }) => {
		state.requests.push(path)
		await clock.sleep(100)
		if (state.fault) throw state.fault
		return {
			metadata: {
				uid: `uid ${state.requests.length}`,
				annotations: { other: 'x'.repeat(200_000), [CLIENT_ID_ANNOTATION]: 'b' },
			},
		} as T
	}
	return { clock, state, accounts: createServiceAccounts({ request }, clock) }
}

test('20 bindings that ask for one time get it by one request, also later; who asks for a later time does not', async () => {
	const { clock, state, accounts } = setUp()
	const since = clock.monotonic()
	const all = Promise.all(Array.from({ length: 20 }, () => accounts.get('ns', 'app', since)))
	await clock.advance(100)
	expect(new Set((await all).map((each) => each?.uid))).toEqual(new Set(['uid 1']))
	expect(await accounts.get('ns', 'app', since)).toEqual({ uid: 'uid 1', annotations: { [CLIENT_ID_ANNOTATION]: 'b' } })
	const others = Promise.all([accounts.get('ns', 'other', since), accounts.get('ns', 'app', clock.monotonic())])
	await clock.advance(100)
	expect((await others).map((each) => each?.uid)).toEqual(['uid 3', 'uid 3'])
	expect(state.requests).toEqual(['app', 'other', 'app'].map((name) => `/api/v1/namespaces/ns/serviceaccounts/${name}`))
})

test('a failure is for those that wait for it; the next one asks anew', async () => {
	const { clock, state, accounts } = setUp()
	state.fault = new KubeError('throttled', 'later')
	const both = Promise.allSettled([accounts.get('ns', 'app', 0), accounts.get('ns', 'app', 0)])
	await clock.advance(100)
	expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
	state.fault = undefined
	const again = accounts.get('ns', 'app', 0)
	await clock.advance(100)
	expect((await again)?.uid).toBe('uid 2')
})

test('what is not there is an answer; it is forgotten after a minute, whatever is asked then', async () => {
	const { clock, state, accounts } = setUp()
	state.fault = new KubeError('notFound', 'none')
	const none = accounts.get('ns', 'gone', 0)
	await clock.advance(100)
	expect(await none).toBeUndefined()
	expect(await accounts.get('ns', 'gone', 0)).toBeUndefined()
	expect(state.requests).toHaveLength(1)
	await clock.advance(60_000)
	state.fault = undefined
	const other = accounts.get('ns', 'app', 0)
	await clock.advance(100)
	await other
	const once = accounts.get('ns', 'gone', 0)
	await clock.advance(100)
	expect((await once)?.uid).toBe('uid 3')
})
