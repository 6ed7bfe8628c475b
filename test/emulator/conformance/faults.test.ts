// Throttling windows and faults on demand.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AccessTokens } from '../src/tokens/access-tokens.ts'
import { type Answer, API, type Bench, CLIENT, openBench } from './kit.ts'

describe('throttling', () => {
	let bench: Bench
	/** A clock that stands still: a window cannot end in the middle of a test. */
	let time = Date.now()
	beforeAll(async () => {
		bench = await openBench({ clock: { now: () => time } })
		await bench.emulator.control.setSecret({ vault: 'payments', name: 'one', value: 'v' })
	})
	afterAll(() => bench.close())
	beforeEach(() => {
		time += 10_000
	})

	const get = (): Promise<Answer> => bench.raw(`/secrets/one?${API}`)
	const times = async (count: number, call: () => Promise<Answer>): Promise<Map<number, number>> => {
		const statuses = new Map<number, number>()
		// 50 at a time: as fast as one by one on two cores, and no flood of sockets.
		for (let done = 0; done < count; done += 50) {
			const batch = await Promise.all(Array.from({ length: Math.min(50, count - done) }, call))
			for (const { status } of batch) statuses.set(status, (statuses.get(status) ?? 0) + 1)
		}
		return statuses
	}

	it('lets 4,000 GETs of one vault in 10 s pass; the 4,001st is a 429 Throttled without Retry-After', async () => {
		expect(await times(4_000, get)).toEqual(new Map([[200, 4_000]]))
		const answer = await get()
		expect(answer.status).toBe(429)
		expect(answer.body).toEqual({
			error: {
				code: 'Throttled',
				message:
					'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
			},
		})
		expect(answer.headers['retry-after']).toBeUndefined()
		expect(answer.headers['retry-after-ms']).toBeUndefined()
		time += 10_000
		expect((await get()).status).toBe(200)
	}, 60_000)

	it('counts creates apart: 300 per window, while reads still pass', async () => {
		const put = (): Promise<Answer> => bench.raw(`/secrets/new?${API}`, { method: 'PUT', body: { value: 'v' } })
		expect(await times(300, put)).toEqual(new Map([[200, 300]]))
		expect((await put()).status).toBe(429)
		expect((await get()).status).toBe(200)
	})

	it('does not count requests that were answered 429, nor those without a token', async () => {
		await bench.emulator.control.configure({ throttle: { create: 300, other: 10 } })
		expect(await times(20, () => bench.raw(`/secrets/one?${API}`, { token: null }))).toEqual(new Map([[401, 20]]))
		expect(await times(30, get)).toEqual(
			new Map([
				[200, 10],
				[429, 20],
			]),
		)
		time += 10_000
		expect(await times(10, get)).toEqual(new Map([[200, 10]]))
	})

	it('throttles per vault, and a subscription at five times the limit of a vault', async () => {
		const { control } = bench.emulator
		await control.configure({ throttle: { create: 300, other: 10 } })
		const ask = (vault: string): Promise<Answer> =>
			bench.raw(`/secrets/one?${API}`, { origin: bench.emulator.vaultUrl(vault) })
		for (let i = 0; i < 6; i += 1) {
			await control.createVault({ name: `vault-${i}` })
			await control.grant({ clientId: CLIENT, role: 'Key Vault Administrator', vault: `vault-${i}` })
			await control.setSecret({ vault: `vault-${i}`, name: 'one', value: 'v' })
		}
		for (let i = 0; i < 5; i += 1) expect(await times(10, () => ask(`vault-${i}`))).toEqual(new Map([[200, 10]]))
		const answer = await ask('vault-5')
		expect([answer.status, answer.error.message]).toEqual([
			429,
			expect.stringContaining('SubscriptionRequestTypeLimitReached'),
		])
	})

	it('sends Retry-After on demand, with the seconds to the end of the window', async () => {
		await bench.emulator.control.configure({ throttle: { create: 300, other: 1 }, retryAfter: true })
		expect((await get()).status).toBe(200)
		time += 4_000
		const answer = await get()
		expect([answer.status, answer.headers['retry-after']]).toEqual([429, '6'])
	})
})

describe('faults', () => {
	let bench: Bench
	beforeAll(async () => {
		bench = await openBench()
		await bench.emulator.control.setSecret({ vault: 'payments', name: 'one', value: 'v' })
	})
	afterAll(() => bench.close())
	beforeEach(() => bench.emulator.control.clearFaults())

	const get = (): Promise<Answer> => bench.raw(`/secrets/one?${API}`)
	const match = { route: 'getSecret' }

	it('answers a status in the error shape of the service, as often as was asked', async () => {
		await bench.emulator.control.addFault({ match, action: 'status', status: 503, times: 2 })
		const statuses = []
		for (let i = 0; i < 3; i += 1) statuses.push((await get()).status)
		expect(statuses).toEqual([503, 503, 200])
	})

	it('throttles by fault without Retry-After, and with it on demand', async () => {
		await bench.emulator.control.addFault({ match, action: 'status', status: 429, times: 1 })
		await bench.emulator.control.addFault({ match, action: 'status', status: 429, retryAfter: 7, times: 1 })
		const [bare, kind] = [await get(), await get()]
		expect([bare.status, bare.error.code, bare.headers['retry-after']]).toEqual([429, 'Throttled', undefined])
		expect([kind.status, kind.headers['retry-after']]).toEqual([429, '7'])
	})

	it('delays an answer', async () => {
		await bench.emulator.control.addFault({ match, action: 'delay', delayMs: 300, times: 1 })
		const started = performance.now()
		expect((await get()).status).toBe(200)
		// Timers may fire up to 1 ms early.
		expect(performance.now() - started).toBeGreaterThanOrEqual(299)
	})

	it('resets the connection', async () => {
		await bench.emulator.control.addFault({ match, action: 'reset', times: 1 })
		await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' })
		expect((await get()).status).toBe(200)
	})

	it('hangs, logs the request at its arrival without a status, and does not keep the emulator open', async () => {
		const hung = await openBench()
		await hung.emulator.control.addFault({ action: 'hang', match })
		const asked = hung.raw(`/secrets/one?${API}`).catch((error: NodeJS.ErrnoException) => error.code)
		await expect
			.poll(async () => (await hung.emulator.control.requests()).filter((each) => each.route === 'getSecret'))
			.toHaveLength(1)
		const [entry] = (await hung.emulator.control.requests()).filter((each) => each.route === 'getSecret')
		expect(entry).not.toHaveProperty('status')
		await hung.close()
		expect(await asked).toBe('ECONNRESET')
	})

	it('truncates a body: the promised length does not come', async () => {
		await bench.emulator.control.addFault({ match, action: 'truncate', times: 1 })
		await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' })
	})

	it('sends garbage with a 200, and an HTML page with a 403', async () => {
		await bench.emulator.control.addFault({ match, action: 'garbage', times: 1 })
		await bench.emulator.control.addFault({ match, action: 'html', times: 1 })
		const [garbage, html] = [await get(), await get()]
		expect([garbage.status, garbage.body]).toEqual([200, undefined])
		expect([html.status, html.headers['content-type'], html.text.slice(0, 15)]).toEqual([
			403,
			'text/html; charset=utf-8',
			'<!DOCTYPE html>',
		])
	})

	it('has the transient 401 AKV10046 with the ordinary challenge, and the CAE challenge', async () => {
		await bench.emulator.control.addFault({ match, action: 'unauthorized', times: 1 })
		await bench.emulator.control.addFault({ match, action: 'challenge', times: 1 })
		const [transient, challenge] = [await get(), await get()]
		expect([transient.status, transient.error.message]).toEqual([401, expect.stringContaining('AKV10046')])
		expect(transient.headers['www-authenticate']).toContain('resource="https://vault.emu.test"')
		expect(challenge.headers['www-authenticate']).toContain('error="insufficient_claims"')
	})

	it('matches by route, vault and client, and skips the first so many', async () => {
		const { control } = bench.emulator
		for (const wrong of [{ route: 'setSecret' }, { vault: 'other' }, { clientId: 'someone' }]) {
			await control.addFault({ match: wrong, action: 'status', status: 500 })
		}
		expect((await get()).status).toBe(200)
		await control.addFault({
			match: { route: 'getSecret', vault: 'payments', clientId: CLIENT },
			action: 'status',
			status: 500,
			after: 2,
		})
		const statuses = []
		for (let i = 0; i < 4; i += 1) statuses.push((await get()).status)
		expect(statuses).toEqual([200, 200, 500, 500])
		expect((await control.listFaults()).at(-1)).toMatchObject({ hits: 2 })
	})

	it('draws chances from the seed, so a run can be repeated', async () => {
		const run = async (): Promise<number[]> => {
			const seeded = await openBench({ seed: 'same' })
			await seeded.emulator.control.addFault({
				match: { route: 'getSecret' },
				action: 'status',
				status: 500,
				probability: 0.5,
			})
			const statuses: number[] = []
			for (let i = 0; i < 24; i += 1) statuses.push((await seeded.raw(`/secrets/none?${API}`)).status)
			await seeded.close()
			return statuses
		}
		const [one, two] = [await run(), await run()]
		expect(two).toEqual(one)
		expect(new Set(one)).toEqual(new Set([404, 500]))
	})

	it('ends with removeFault', async () => {
		const { id } = await bench.emulator.control.addFault({ match, action: 'status', status: 500 })
		expect((await get()).status).toBe(500)
		await bench.emulator.control.removeFault(id)
		expect((await get()).status).toBe(200)
		await expect(bench.emulator.control.removeFault(id)).rejects.toThrow(/no fault/)
	})

	it('answers a defect of its own with a 500 and tells about it', async () => {
		const defects: unknown[] = []
		const broken = await openBench({ onDefect: (error) => defects.push(error) })
		const token = await broken.token()
		const verify = AccessTokens.prototype.verify
		AccessTokens.prototype.verify = () => Promise.reject(new TypeError('planted'))
		try {
			const answer = await broken.raw(`/secrets/x?${API}`, { token })
			expect([answer.status, answer.error.code]).toEqual([500, 'InternalServerError'])
			expect(answer.text).not.toContain('planted')
			expect(defects).toEqual([new TypeError('planted')])
		} finally {
			AccessTokens.prototype.verify = verify
			await broken.close()
		}
	})
})
