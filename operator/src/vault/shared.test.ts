import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { VaultFault } from '../engine/fault.ts'
import { type Ask, VaultError, type VaultReader, type VaultSecret } from '../ports/vault.ts'
import { systemClock } from '../process/clock.ts'
import { FakeClock, settle } from '../process/testing/fake-clock.ts'
import { type AnswersOptions, createAnswers } from './answers.ts'
import { createShared } from './shared.ts'
import { ask, faultOf, useTenant } from './testing/tenant.ts'

describe('a shared session, against the emulator', () => {
	const tenant = useTenant()
	const now = () => systemClock.monotonic()
	const slow = (route: string) => tenant.emulator.control.addFault({ match: { route }, action: 'delay', delayMs: 150 })

	it('50 bindings that ask one question at once make one call, whichever question', async () => {
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const session = tenant.vaults().session(tenant.key)
		const since = now()
		const all = <T>(question: () => Promise<T>) => Promise.all(Array.from({ length: 50 }, question))
		const values = await all(() => session.read('db', undefined, ask({ since })))
		expect(new Set(values.map((each) => each.value()))).toEqual(new Set(['v']))
		await all(() => session.list({ pages: 5 }, ask({ since })))
		await all(() => session.versions('db', { pages: 5 }, ask({ since })))
		for (const route of ['getSecret', 'listSecrets', 'listVersions']) expect(await tenant.count(route), route).toBe(1)
		// What was answered since will do, in whatever case the name is written; what was before will not.
		await session.read('DB', undefined, ask({ since }))
		expect(await tenant.count('getSecret')).toBe(1)
		await session.read('db', values[0]?.version, ask({ since }))
		await session.read('db', undefined, ask())
		expect((await session.read('db', undefined, ask())).value()).toBe('v')
	})

	it('a call that was begun before is not good enough, even when it is still under way', async () => {
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'db', value: 'old' })
		const session = tenant.vaults().session(tenant.key)
		await session.read('db', undefined, ask())
		await slow('getSecret')
		const before = session.read('db', undefined, ask())
		await sleep(20)
		await Promise.all([before, session.read('db', undefined, ask())])
		expect(await tenant.count('getSecret')).toBe(3)
	})

	it('one of two callers may leave; when both have, the call ends', async () => {
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const session = tenant.vaults().session(tenant.key)
		await session.read('db', undefined, ask())
		const { id } = await slow('getSecret')
		const since = now()
		const [one, two] = [new AbortController(), new AbortController()]
		const left = session.read('db', undefined, ask({ since, signal: one.signal }))
		const stays = session.read('db', undefined, ask({ since, signal: two.signal }))
		one.abort(new Error('left'))
		await expect(left).rejects.toThrow('left')
		expect((await stays).value()).toBe('v')
		expect(await tenant.count('getSecret')).toBe(2)

		await control.removeFault(id)
		await control.addFault({ match: { route: 'getSecret' }, action: 'hang' })
		const again = now()
		const waiting = [one, two].map(() => new AbortController())
		const asked = waiting.map(({ signal }) => session.read('db', undefined, ask({ since: again, signal })))
		for (const each of waiting) each.abort(new Error('gone'))
		for (const each of asked) await expect(each).rejects.toThrow('gone')
		await control.clearFaults()
		expect((await session.read('db', undefined, ask({ since: again }))).value()).toBe('v')
	})

	it('a fault is shared for its question; one that all would meet for all questions', async () => {
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const session = tenant.vaults().session(tenant.key)
		const since = now()
		for (let i = 0; i < 3; i++) expect(await faultOf(session.read('nothing', undefined, ask({ since })))).toBe('absent')
		expect((await session.read('db', undefined, ask({ since }))).value()).toBe('v')
		expect(await tenant.count('getSecret')).toBe(2)

		await control.setNetwork({ vault: 'payments', network: 'firewall' })
		const later = now()
		expect(await faultOf(session.read('db', undefined, ask({ since: later })))).toBe('firewall')
		expect(await faultOf(session.read('other', undefined, ask({ since: later })))).toBe('firewall')
		expect(await faultOf(session.list({ pages: 1 }, ask({ since: later })))).toBe('firewall')
		expect(await tenant.count('getSecret')).toBe(3)
		expect(await tenant.count('listSecrets')).toBe(0)
		await control.setNetwork({ vault: 'payments', network: 'open' })
		expect((await session.read('db', undefined, ask())).value()).toBe('v')
		// It works again, so nobody is told the old fault for a question that was not asked yet.
		expect(await session.list({ pages: 1 }, ask({ since: later }))).toMatchObject({ complete: true })
	})

	it('nothing is shared with another session: each identity asks for itself', async () => {
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		const clientId = randomUUID()
		await control.addClient({ clientId })
		await tenant.federate(clientId)
		const vaults = tenant.vaults()
		const since = now()
		const mine = ask({ since })
		await vaults.session(tenant.key).read('db', undefined, mine)
		expect(await faultOf(vaults.session({ ...tenant.key, clientId }).read('db', undefined, mine))).toBe('forbiddenRbac')
		await vaults.session({ ...tenant.key, serviceAccountUid: 'recreated' }).read('db', undefined, mine)
		expect(await tenant.count('getSecret')).toBe(3)
	})

	it('bindings that allow a list different numbers of pages share it, and it reads as many as any of them allows', async () => {
		const { control } = tenant.emulator
		await control.configure({ pages: 'full' })
		const secrets = Array.from({ length: 60 }, (_, i) => ({ name: `s${i}`, value: 'v' }))
		await control.setSecrets({ vault: 'payments', secrets })
		const session = tenant.vaults().session(tenant.key)
		const since = now()
		const enough = await Promise.all([3, 4, 5, 6].map((pages) => session.list({ pages }, ask({ since }))))
		expect(enough.every(({ complete }) => complete)).toBe(true)
		expect(await tenant.count('listSecrets')).toBe(3)
		// One that allows two pages reads the third, because there is one that allows it; nobody pays twice.
		const later = ask({ since: now() })
		const both = await Promise.all([1, 3].map((pages) => session.list({ pages }, later)))
		expect(both.every(({ complete }) => complete)).toBe(true)
		expect(await tenant.count('listSecrets')).toBe(6)
	})

	it('knows what lists cost, and when they are denied', async () => {
		const { control } = tenant.emulator
		await control.configure({ pages: 'full' })
		const secrets = Array.from({ length: 60 }, (_, i) => ({ name: `s${i}`, value: 'v' }))
		await control.setSecrets({ vault: 'payments', secrets })
		const session = tenant.vaults().session(tenant.key)
		expect(session.lists).toMatchObject({ pages: undefined, denied: false })
		const since = now()
		expect(await session.list({ pages: 1 }, ask({ since }))).toMatchObject({ complete: false, pages: 2 })
		expect(session.lists).toMatchObject({ pages: 2, denied: false })
		// Two pages were read and a third one may follow: one page was too few, three may do.
		expect(await session.list({ pages: 1 }, ask({ since }))).toMatchObject({ complete: false, pages: 2 })
		expect(await tenant.count('listSecrets')).toBe(2)
		expect(await session.list({ pages: 3 }, ask({ since }))).toMatchObject({ complete: true, pages: 3 })
		expect(session.lists).toMatchObject({ pages: 3, denied: false })
		expect(await session.list({ pages: 1 }, ask({ since })), 'all is more than was allowed').toMatchObject({
			complete: true,
		})
		expect(await tenant.count('listSecrets')).toBe(5)
		await control.revoke({ clientId: tenant.key.clientId, role: 'Key Vault Secrets User', vault: 'payments' })
		expect(await faultOf(session.list({ pages: 3 }, ask()))).toBe('forbiddenRbac')
		expect(session.lists).toMatchObject({ pages: 3, denied: true })
	})
})

describe('what a shared session remembers', () => {
	const never = new AbortController().signal
	const open = ({ maxBytes, longestMs }: AnswersOptions = {}) => {
		const clock = new FakeClock()
		const answers = createAnswers(clock, { maxBytes, longestMs })
		const state = { calls: [] as string[], fault: undefined as VaultFault | undefined, value: 'v'.repeat(100) }
		const call = <T>(name: string, value: T) => {
			state.calls.push(name)
			return state.fault ? Promise.reject(new VaultError(state.fault)) : Promise.resolve(value)
		}
		// Only time and memory are looked at here; what calls do is tried above.
		const reader: VaultReader = {
			issuer: undefined,
			read: (name) =>
				call(name, {
					version: '1',
					value: () => state.value,
					facts: { enabled: true, tags: {} },
					serverTime: undefined,
				} satisfies VaultSecret),
			list: () => call('list', { complete: true, pages: 1, items: new Map(), serverTime: undefined }),
			versions: () => call('versions', { complete: true, versions: [] }),
		}
		const followed: string[] = []
		const of = (namespace: string) =>
			createShared(reader, { clock, answers, namespace, random: () => 0.25, onFollow: (b) => followed.push(b) })
		const session = of('ns')
		const at = (since: number, lane: Ask['lane'] = 'refresh'): Ask => ({ since, lane, signal: never })
		return { clock, answers, state, session, of, at, followed }
	}

	it('values are dropped half a minute after they arrived, by whatever is asked next, or by prune', async () => {
		const { clock, answers, state, session, at } = open()
		await session.read('db', undefined, at(0))
		expect(answers.bytes).toBe(200)
		await clock.advance(29_999)
		await session.read('db', undefined, at(0))
		expect(state.calls).toEqual(['db'])
		await clock.advance(1)
		await session.list({ pages: 1 }, at(0))
		expect(answers.bytes).toBe(0)
		await session.read('db', undefined, at(0))
		expect(state.calls).toEqual(['db', 'list', 'db'])
		await clock.advance(30_000)
		answers.sweep()
		expect(answers.bytes).toBe(0)
	})

	it('where they may be longer, values that are asked for again are kept half a minute more, up to that time', async () => {
		const { clock, answers, state, session, at } = open({ longestMs: 90_000 })
		await session.read('db', undefined, at(0))
		for (let asked = 0; asked < 3; asked++) {
			await clock.advance(29_000)
			await session.read('db', undefined, at(0))
		}
		// 87 s old: asked for again it would be kept until the end of 117.
		expect(state.calls).toEqual(['db'])
		await clock.advance(3_000)
		answers.sweep()
		expect(answers.bytes).toBe(0)
		await session.read('db', undefined, at(0))
		await clock.advance(30_000)
		answers.sweep()
		expect(answers.bytes).toBe(0)
	})

	it('values go with the last binding that follows something', async () => {
		const { answers, session, at } = open()
		session.follow('ns/a', { objects: new Set(['db']), interval: 60_000 })
		session.follow('ns/b', { objects: new Set(['db']), interval: 60_000 })
		await session.read('db', undefined, at(0))
		session.leave('ns/a')
		expect(answers.bytes).toBe(200)
		session.leave('ns/b')
		expect(answers.bytes).toBe(0)
	})

	it('values are held up to so many bytes, the oldest go first, and an answer that was replaced counts no more', async () => {
		const { clock, answers, state, session, at } = open({ maxBytes: 500 })
		for (const name of ['a', 'b', 'c']) {
			await session.read(name, undefined, at(0))
			await clock.advance(1)
		}
		expect(answers.bytes).toBe(400)
		await session.read('c', undefined, at(0))
		await session.read('b', undefined, at(0))
		expect(state.calls).toEqual(['a', 'b', 'c'])
		await session.read('c', undefined, at(clock.monotonic()))
		expect(answers.bytes).toBe(400)
		await session.read('a', undefined, at(0))
		expect(state.calls).toEqual(['a', 'b', 'c', 'c', 'a'])
		session.close()
		expect(answers.bytes).toBe(0)
	})

	it('whose answers take most loses them first, and nobody else has to ask again', async () => {
		const { clock, answers, state, session, of, at } = open({ maxBytes: 1_000 })
		await session.read('mine', undefined, at(0))
		const greedy = of('greedy')
		for (let i = 0; i < 9; i++) {
			await clock.advance(1)
			await greedy.read(`large-${i}`, undefined, at(0))
		}
		expect(answers.bytes).toBe(1_000)
		await session.read('mine', undefined, at(0))
		expect(state.calls.filter((name) => name === 'mine')).toHaveLength(1)
		await greedy.read('large-0', undefined, at(0))
		expect(state.calls.filter((name) => name === 'large-0')).toHaveLength(2)
	})

	it('a fault that may be about the question ends no other question', async () => {
		const { clock, state, session, at } = open()
		for (const kind of ['garbage', 'server', 'accessDenied'] as const) {
			state.fault = { kind }
			await clock.advance(1)
			await expect(session.list({ pages: 1 }, at(clock.monotonic()))).rejects.toMatchObject({ fault: { kind } })
			state.fault = undefined
			await session.read(kind, undefined, at(clock.monotonic()))
		}
		expect(state.calls).toEqual(['list', 'garbage', 'list', 'server', 'list', 'accessDenied'])
	})

	it('a first sync does not wait in the place of a refresh; a refresh gladly does the other way round', async () => {
		const { state, session, at } = open()
		await Promise.all([
			session.read('db', undefined, at(0)),
			session.read('db', undefined, at(0, 'first')),
			session.read('db', undefined, at(0)),
		])
		expect(state.calls).toEqual(['db', 'db'])
		await settle()
	})

	it('counts distinct secrets of bindings that poll as often, until they leave', () => {
		const { session, followed } = open()
		session.follow('ns/a', { objects: new Set(['x', 'y']), interval: 60_000 })
		session.follow('ns/b', { objects: new Set(['y', 'z']), interval: 30_000 })
		expect([session.followed(30_000), session.followed(60_000), session.followed(5_000)]).toEqual([2, 3, 0])
		session.follow('ns/b', { objects: new Set(['y', 'w', 'z']), interval: 30_000 })
		expect(session.followed(60_000)).toBe(4)
		session.leave('ns/a')
		expect(session.followed(60_000)).toBe(3)
		expect(followed).toEqual(['ns/a', 'ns/b', 'ns/b'])
		expect(session.followers).toBe(1)
	})

	it('ticks come after now, are common, and those of a minute are among those of half a minute', async () => {
		const { clock, session } = open()
		for (const ms of [0, 1, 29_999, 30_000, 86_400_000]) {
			await clock.advance(ms)
			const now = clock.monotonic()
			const minute = session.nextTick(60_000)
			expect(minute).toBeGreaterThan(now)
			expect(minute).toBeLessThanOrEqual(now + 60_000)
			const half = session.nextTick(30_000)
			expect([half, half + 30_000]).toContain(minute)
			expect(session.nextTick(5_000) - now).toBeLessThanOrEqual(5_000)
		}
	})
})
