import { describe, expect, it } from 'vitest'
import { ABSENT, type Current, Overlay, tokenOfVersion } from './overlay.ts'

const address = { vault: 'https://v', objectName: 'a' }
const KEEP_MS = 210_000

/** An overlay of one name, the hands on its clock and mount, and the questions it asked. */
function overlay(answer: Current = { kind: 'unavailable' }) {
	const world = { now: 0, token: tokenOfVersion('v1'), source: address, answer, asked: 0, givenUp: 0 }
	const made = new Overlay({
		clock: { now: () => world.now, monotonic: () => world.now, after: () => () => {} },
		random: () => 0,
		keepMs: KEEP_MS,
		shown: () => ({ token: world.token, pinned: false, source: world.source }),
		ask: async () => {
			world.asked += 1
			return world.answer
		},
		onChange: () => {},
		onGivenUp: () => {
			world.givenUp += 1
		},
	})
	const add = (value: string | undefined, version: string | undefined, base = world.token, beyond = false) =>
		made.add({ address, beyond, value, version }, new Map([['a', base]]))
	const later = async (ms: number) => {
		world.now += ms
		made.settle()
		await Promise.resolve()
		await Promise.resolve()
	}
	return { world, made, add, later, value: () => made.pending().get('a')?.value }
}

describe('the overlay', () => {
	it('asks nothing while the mount shows what it showed when the call began, nor when it catches up', async () => {
		const { world, made, add, later } = overlay()
		add('new', 'v2')
		await later(KEEP_MS - 1)
		expect(made.size).toBe(1)
		world.token = tokenOfVersion('v2')
		await later(0)
		expect(made.size).toBe(0)
		expect(world.asked).toBe(0)
	})

	it('asks when the mount moved during the call, because that may be newer than what was written', async () => {
		const { world, add, later, value } = overlay({ kind: 'value', value: 'theirs', version: 'v3' })
		// The call began at v1; somebody wrote v3 after our v2, and the mount shows it before our answer arrives.
		world.token = tokenOfVersion('v3')
		add('ours', 'v2', tokenOfVersion('v1'))
		await later(0)
		expect(world.asked).toBe(1)
		expect(value()).toBeUndefined()
	})

	it('becomes what somebody wrote after us, when the mount is older than both', async () => {
		const { world, add, later, value } = overlay({ kind: 'value', value: 'theirs', version: 'v4' })
		add('ours', 'v3')
		world.token = tokenOfVersion('v2')
		await later(0)
		expect(value()).toBe('theirs')
		world.token = tokenOfVersion('v3')
		await later(1_000)
		expect(value()).toBe('theirs')
		expect(world.asked).toBe(1)
	})

	it('remembers a write to the secret that the name leads to now, whatever was written under it before', () => {
		const { world, made, add, value } = overlay()
		add(undefined, undefined)
		world.source = { vault: 'https://w', objectName: 'b' }
		world.token = tokenOfVersion('w1')
		made.add({ address: world.source, beyond: false, value: 'new', version: 'w2' }, new Map([['a', world.token]]))
		expect(value()).toBe('new')
	})

	it.each([
		['another secret', { vault: 'https://v', objectName: 'b' }],
		['another vault', { vault: 'https://w', objectName: 'a' }],
	])('goes when the file has become that of %s', async (_what, source) => {
		const { world, made, add, later } = overlay()
		add('new', 'v2')
		world.source = source
		world.token = tokenOfVersion('w1')
		await later(0)
		expect(made.size).toBe(0)
		expect(world.asked).toBe(0)
	})

	it('renews a removal that the vault confirms, while the mount keeps the file', async () => {
		const { world, made, add, later } = overlay({ kind: 'absent' })
		add(undefined, undefined)
		for (let round = 1; round <= 3; round++) {
			await later(KEEP_MS)
			expect(world.asked).toBe(round)
			expect(made.pending().has('a')).toBe(true)
		}
		world.token = ABSENT
		await later(KEEP_MS - 1)
		expect(made.size).toBe(1)
		await later(1)
		expect([made.size, world.asked]).toStrictEqual([0, 3])
	})

	it('hides what was written before a removal also when the mount shows an earlier absence first', async () => {
		const { world, made, add, later } = overlay({ kind: 'absent' })
		// In the vault: v1, absent, v2, absent. The mount is late and shows all of it after our removal.
		add(undefined, undefined)
		for (const token of [ABSENT, tokenOfVersion('v2'), ABSENT]) {
			world.token = token
			await later(2_000)
			expect(made.pending().get('a')).toMatchObject({ value: undefined })
		}
	})

	it('ends when nobody may answer, at the deadline, and when nobody can, an hour later, and says so', async () => {
		const denied = overlay({ kind: 'denied' })
		denied.add('new', 'v2')
		denied.world.token = tokenOfVersion('v9')
		await denied.later(1_000)
		expect(denied.made.size).toBe(1)
		await denied.later(KEEP_MS)
		expect([denied.made.size, denied.world.givenUp]).toStrictEqual([0, 1])

		const away = overlay({ kind: 'unavailable' })
		away.add('new', 'v2')
		for (let minute = 0; minute < 62; minute++) await away.later(60_000)
		expect([away.made.size, away.world.givenUp]).toStrictEqual([1, 0])
		for (let minute = 0; minute < 3; minute++) await away.later(60_000)
		expect([away.made.size, away.world.givenUp]).toStrictEqual([0, 1])
		// At most one question a minute.
		expect(away.world.asked).toBeLessThan(66)
	})

	it('ends at the deadline without a question for a name that no mount has: reads ask the vault anyway', async () => {
		const { world, made, add, later } = overlay()
		world.token = ABSENT
		add('new', 'v2', ABSENT, true)
		await later(KEEP_MS)
		expect([made.size, world.asked]).toStrictEqual([0, 0])
	})
})
