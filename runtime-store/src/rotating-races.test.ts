import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { SecretsChanged } from './changes.ts'
import { initLogger } from './purista.ts'
import { type RotatingStore, rotating } from './rotating.ts'

interface Pool {
	readonly password: string
	open: boolean
}

/** A store of one secret, changed by hand. */
function storeOf(password: string) {
	const listeners = new Set<(event: SecretsChanged) => void>()
	const store: RotatingStore = {
		logger: initLogger('fatal'),
		getSecret: async () => ({ password }),
		getSecretVersion: async () => undefined,
		describe: async () => undefined,
		onChange: (listener) => {
			listeners.add(listener)
			return () => listeners.delete(listener)
		},
	}
	const rotate = (value: string) => {
		password = value
		const changes = [{ name: 'password', kind: 'changed', version: value, previousVersion: undefined }] as const
		for (const listener of listeners) listener({ changes })
	}
	return { store, rotate, listeners }
}

const close = (pool: Pool) => {
	pool.open = false
}
const turns = async (count: number) => {
	for (let i = 0; i < count; i++) await Promise.resolve()
}

/** All signals that somebody listens to from now on. */
function watchSignals() {
	const signals = new Set<AbortSignal>()
	const add = AbortSignal.prototype.addEventListener
	vi.spyOn(AbortSignal.prototype, 'addEventListener').mockImplementation(function (this: AbortSignal, ...args) {
		signals.add(this)
		return Reflect.apply(add, this, args)
	})
	return signals
}

afterEach(() => {
	vi.restoreAllMocks()
})

describe('a call never gets a resource that was disposed of', () => {
	it('when it begins in any of the turns around a switch', async () => {
		for (let delay = 0; delay < 40; delay++) {
			const { store, rotate } = storeOf('one')
			const resource = rotating(store, ['password'], ({ password }): Pool => ({ password, open: true }), close)
			await resource.ready()
			rotate('two')
			await turns(delay)
			await resource.use((pool) => expect(pool.open, `${delay} turns after the change`).toBe(true))
			await resource.destroy()
		}
	})

	it('when the store of resources is destroyed in any of the turns of its first use', async () => {
		for (let delay = 0; delay < 40; delay++) {
			const { store } = storeOf('one')
			const resource = rotating(store, ['password'], ({ password }): Pool => ({ password, open: true }), close)
			const states: boolean[] = []
			const use = resource.use(async (pool) => {
				states.push(pool.open)
				await turns(3)
				states.push(pool.open)
			})
			const used = use.catch((error: unknown) => expect(error).toHaveProperty('data.reason', 'Destroyed'))
			await turns(delay)
			await resource.destroy()
			await used
			expect(states.includes(false), `destroyed ${delay} turns after the call`).toBe(false)
		}
	})

	it('when it is repeated while one resource follows the other', async () => {
		const { store, rotate } = storeOf('one')
		const resource = rotating(store, ['password'], ({ password }): Pool => ({ password, open: true }), close, {
			outdated: () => true,
		})
		let calls = 0
		const used = resource.use((pool) => {
			expect(pool.open).toBe(true)
			calls += 1
			if (calls < 20) {
				rotate(`${calls}`)
				throw new Error('refused')
			}
		})
		await used
		await resource.destroy()
	})
})

describe('a resource that cannot be made', () => {
	it('leaves nothing behind for each attempt', async () => {
		const { store, rotate } = storeOf('one')
		let attempts = 0
		const signals = watchSignals()
		const resource = rotating(
			store,
			['password'],
			({ password }): Pool => {
				attempts += 1
				if (password === 'two') throw new Error('refused')
				return { password, open: true }
			},
			close,
			{ retryMs: 0 },
		)
		await resource.ready()
		rotate('two')
		await expect.poll(() => attempts).toBeGreaterThan(12)
		for (const signal of signals) expect(getEventListeners(signal, 'abort').length).toBeLessThan(3)
		await resource.destroy()
	})

	it('does not hold up destroy for the pause before the next attempt', async () => {
		const { store, rotate } = storeOf('one')
		let fail = (_: Error) => {}
		const resource = rotating(
			store,
			['password'],
			({ password }): Promise<Pool> | Pool =>
				password === 'one'
					? { password, open: true }
					: new Promise((_, reject) => {
							fail = reject
						}),
			close,
			// Over the time of a test.
			{ retryMs: 3_600_000 },
		)
		await resource.ready()
		rotate('two')
		await turns(20)
		const destroyed = resource.destroy()
		fail(new Error('refused'))
		await destroyed
	})

	it('does not keep the resource of before for ever when an attempt hangs, and disposes of what comes late', async () => {
		const { store, rotate } = storeOf('one')
		let late = (_: Pool) => {}
		const resource = rotating(
			store,
			['password'],
			({ password }): Promise<Pool> | Pool =>
				password === 'two'
					? new Promise((resolve) => {
							late = resolve
						})
					: { password, open: true },
			close,
			{ attemptMs: 20, retryMs: 0 },
		)
		await resource.ready()
		rotate('two')
		await turns(20)
		rotate('three')
		await expect.poll(() => resource.use(({ password }) => password)).toBe('three')
		const pool = { password: 'two', open: true }
		late(pool)
		await expect.poll(() => pool.open).toBe(false)
		await resource.destroy()
	})

	it('does not hold up destroy when an attempt hangs, the first or a later one', async () => {
		for (const hangs of ['one', 'two']) {
			const { store, rotate } = storeOf('one')
			const resource = rotating(
				store,
				['password'],
				({ password }): Promise<Pool> | Pool => (password === hangs ? new Promise(() => {}) : { password, open: true }),
				close,
			)
			const used = resource.use(() => {}).catch((error: unknown) => error)
			await turns(20)
			rotate('two')
			await turns(20)
			await resource.destroy()
			expect(await used).toStrictEqual(hangs === 'one' ? expect.objectContaining({ errorCode: 503 }) : undefined)
		}
	})
})

it('calls that wait in vain for a next resource leave nothing behind', async () => {
	const { store } = storeOf('one')
	const signals = watchSignals()
	const resource = rotating(store, ['password'], ({ password }): Pool => ({ password, open: true }), close, {
		outdated: () => true,
		retryWaitMs: 1,
	})
	const fails = () =>
		resource.use(() => {
			throw new Error('refused')
		})
	for (let i = 0; i < 10; i++) await expect(fails()).rejects.toThrow('refused')
	expect(signals.size).toBeGreaterThan(0)
	for (const signal of signals) expect(getEventListeners(signal, 'abort').length).toBeLessThan(3)
	await resource.destroy()
})

it('a drain without end is one: the longest time that a timer takes', async () => {
	const { store, rotate } = storeOf('one')
	const warned = vi.spyOn(process, 'emitWarning')
	const resource = rotating(store, ['password'], ({ password }): Pool => ({ password, open: true }), close, {
		drainMs: Number.POSITIVE_INFINITY,
	})
	let first: Pool | undefined
	let release = () => {}
	const long = resource.use(async (pool) => {
		first = pool
		await new Promise<void>((resolve) => {
			release = resolve
		})
		expect(pool.open).toBe(true)
	})
	await expect.poll(() => first?.open).toBe(true)
	rotate('two')
	await expect.poll(() => resource.use(({ password }) => password)).toBe('two')
	expect(warned).not.toHaveBeenCalled()
	release()
	await long
	await resource.destroy()
})
