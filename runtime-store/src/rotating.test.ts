import { afterEach, describe, expect, it } from 'vitest'
import { type Rotating, type RotatingOptions, rotating } from './rotating.ts'
import { createTestStore, type TestStore } from './testing/index.ts'

interface Connection {
	readonly password: string
	open: boolean
}

const ends: Array<() => Promise<void>> = []
afterEach(async () => {
	for (const end of ends.splice(0).toReversed()) await end()
})

/** A server that accepts one password, as far as a client can tell. */
class Server {
	password: string
	readonly connections: Connection[] = []
	constructor(password: string) {
		this.password = password
	}
	connect = ({ password = '' }: Record<string, string>): Connection => {
		const connection = { password, open: true }
		this.connections.push(connection)
		return connection
	}
	check = async (connection: Connection): Promise<void> => {
		if (!connection.open) throw new Error('closed')
		if (connection.password !== this.password) throw new Error('password refused')
	}
	close = (connection: Connection): void => {
		connection.open = false
	}
}

async function start(
	first: string,
	options: RotatingOptions<Connection> = {},
): Promise<{ test: TestStore; server: Server; resource: Rotating<Connection> }> {
	const test = await createTestStore({ password: first })
	const server = new Server(first)
	const resource = rotating(test.store, ['password'], server.connect, server.close, {
		verify: server.check,
		retryMs: 5,
		...options,
	})
	ends.push(
		() => test.destroy(),
		() => resource.destroy(),
	)
	return { test, server, resource }
}

describe('rotating', () => {
	it('is made at the first use, switches on a change, and drains the one of before', async () => {
		const { test, server, resource } = await start('one')
		expect(server.connections).toHaveLength(0)
		let release = () => {}
		const long = resource.use(async (connection) => {
			await new Promise<void>((resolve) => {
				release = resolve
			})
			return connection.open
		})
		await expect.poll(() => server.connections.length).toBe(1)
		server.password = 'two'
		await test.rotate('password', 'two')
		await expect.poll(() => resource.use(({ password }) => password)).toBe('two')
		// Somebody still uses the first one.
		expect(server.connections.map(({ open }) => open)).toStrictEqual([true, true])
		release()
		expect(await long).toBe(true)
		await expect.poll(() => server.connections[0]?.open).toBe(false)
	})

	it('keeps the working one until the new one is verified', async () => {
		const { test, server, resource } = await start('one')
		await resource.ready()
		await test.rotate('password', 'two')
		await expect.poll(() => server.connections.length).toBeGreaterThan(2)
		expect(await resource.use(({ password }) => password)).toBe('one')
		server.password = 'two'
		await expect.poll(() => resource.use(({ password }) => password)).toBe('two')
		await expect.poll(() => server.connections.filter(({ open }) => open).length).toBe(1)
	})

	it('starts with the previous version when the present one does not work yet', async () => {
		const { test, server, resource } = await start('one')
		await test.rotate('password', 'two')
		expect(await resource.use(({ password }) => password)).toBe('one')
		server.password = 'two'
		await expect.poll(() => resource.use(({ password }) => password)).toBe('two')
	})

	it('fails when neither works, and tries anew at the next use', async () => {
		const { test, server, resource } = await start('one')
		await test.rotate('password', 'two')
		server.password = 'three'
		await expect(resource.use(() => 'used')).rejects.toThrow('password refused')
		expect(server.connections.every(({ open }) => !open)).toBe(true)
		server.password = 'two'
		expect(await resource.use(() => 'used')).toBe('used')
	})

	it('repeats a call that failed for outdated credentials with the next resource', async () => {
		const { test, server, resource } = await start('one', {
			outdated: (error) => error instanceof Error && error.message === 'password refused',
		})
		await resource.ready()
		server.password = 'two'
		const call = resource.use(async (connection) => {
			await server.check(connection)
			return connection.password
		})
		await test.rotate('password', 'two')
		expect(await call).toBe('two')
		await expect(resource.use(() => Promise.reject(new Error('other')))).rejects.toThrow('other')
	})

	it('disposes of everything once at the end, and refuses use from then on', async () => {
		const { server, resource } = await start('one')
		await resource.ready()
		await resource.destroy()
		await resource.destroy()
		expect(server.connections.map(({ open }) => open)).toStrictEqual([false])
		await expect(resource.use(() => 1)).rejects.toMatchObject({ errorCode: 503 })
	})
})
