import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CostStage, openCost, type PollCost, plannedBindings } from '../../bench/poll-cost.ts'

// Counts, no times. The figures for larger vaults, and those of peers: `npm run bench -- cost`.
const BINDINGS = 20
const POLLS = 10
/** 1.5 s for the hurried operator: a poll at 20 x 100 secrets takes a third of a second on two cores, and must be over before the next. */
const INTERVAL = '15s'
/** 100 secrets are 4 pages of 25, which is what the service puts on one. */
const PAGES = 4

describe.each([
	{ what: '20 bindings of 5 secrets each', kind: 'five', holders: 1 },
	{ what: '20 bindings of the same 100 secrets by prefix', kind: 'prefix', holders: BINDINGS },
	{ what: '20 bindings of the same 100 secrets by name', kind: 'all', holders: BINDINGS },
] as const)('$what, one identity, a vault of 100', ({ kind, holders }) => {
	let cost: CostStage
	let poll: PollCost
	beforeAll(async () => {
		cost = await openCost({ vaultSize: 100, bindings: plannedBindings(kind, { count: BINDINGS }), interval: INTERVAL })
		poll = await cost.polls(POLLS)
	})
	afterAll(() => cost?.close())

	it('list the vault once per poll for all of them together', () => {
		// One poll more than was counted: the window may cut one at each end.
		expect(poll.lists).toBeLessThanOrEqual(PAGES * Math.ceil(poll.polls + 1))
		expect(poll.versions).toBe(0)
	})

	it('read no value and ask for no token while nothing changes', () => {
		expect(poll).toMatchObject({ gets: 0, tokens: 0, challenges: 0 })
	})

	it('write nothing while nothing changes', () => {
		expect(poll).toMatchObject({ writes: 0, changed: 0 })
	})

	it('read a rotated secret once and patch the Secrets that hold it', async () => {
		expect(await cost.rotate(holders)).toMatchObject({ reads: 1, patched: holders })
	})
})
