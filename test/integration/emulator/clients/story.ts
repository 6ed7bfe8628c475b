// What every client does, told by one story: the same for all SDKs, so that one that differs shows.
import type { EmulatorControl } from 'azure-key-vault-emulator'
import { expect, vi } from 'vitest'

export type Answer = { kind: 'ok'; value: string } | { kind: 'error'; status: number; text: string }

/** An SDK in a process of its own. Words have no tabs and no line ends. */
export interface Client {
	ask(operation: string, ...words: string[]): Promise<Answer>
	close(): Promise<void>
}

export const STEPS = [
	'set',
	'get',
	'list',
	'update',
	'delete',
	'recover',
	'purge',
	'backup',
	'restore',
	'wrong role',
	'throttled',
	'expired token',
] as const
export type Step = (typeof STEPS)[number]

/** Secrets that are there for `list`: more than two pages, uneven ones. */
export const MANY = 55
/** A client as slow as `az` asks every two seconds. */
const PATIENCE = { timeout: 30_000, interval: 100 }
/** Longer than an access token lives. */
const DAY_AND_AN_HOUR_S = 90_000

/** What each step came to: `ok`, or why not. A step that fails does not keep the others from being tried. */
export async function tellStory(
	client: Client,
	control: EmulatorControl,
	vault: string,
): Promise<Record<Step, string>> {
	const ok = async (operation: string, ...words: string[]): Promise<string> => {
		const answer = await client.ask(operation, ...words)
		if (answer.kind === 'error') throw new Error(`${operation} ${words[0] ?? ''}: ${answer.status} ${answer.text}`)
		return answer.value
	}
	const refused = async (status: number, operation: string, ...words: string[]): Promise<void> => {
		expect(await client.ask(operation, ...words)).toMatchObject({ kind: 'error', status })
	}
	const shown = (operation: string, name: string, value: string): Promise<void> =>
		vi.waitFor(async () => expect(await ok(operation, name)).toBe(value), PATIENCE)
	const purged = async (name: string): Promise<void> => {
		expect(await ok('delete', name)).toBe(name)
		await shown('deleted', name, name)
		await ok('purge', name)
	}

	const steps: Record<Step, () => Promise<void>> = {
		set: async () => {
			for (const value of ['one', 'two']) expect(await ok('set', 'db', value)).toMatch(/^[0-9a-f]{32}$/)
		},
		get: async () => {
			const { versions } = await control.getSecret({ vault, name: 'db' })
			expect(await ok('get', 'db')).toBe('two')
			expect(await ok('get', 'db', versions[0] ?? '')).toBe('one')
		},
		list: async () => expect(await ok('list', 'many-')).toBe(String(MANY)),
		update: async () => {
			expect(await ok('update', 'db', 'shop')).toBe('shop')
			const { tags, contentType, value } = await control.getSecret({ vault, name: 'db' })
			expect([tags, contentType, value]).toEqual([{ team: 'shop' }, 'text/plain', 'two'])
		},
		delete: async () => {
			expect(await ok('delete', 'db')).toBe('db')
			await shown('deleted', 'db', 'db')
			await refused(404, 'get', 'db')
		},
		recover: async () => {
			expect(await ok('recover', 'db')).toBe('db')
			await shown('get', 'db', 'two')
		},
		purge: async () => {
			await ok('set', 'gone', 'v')
			await purged('gone')
			await refused(404, 'deleted', 'gone')
		},
		backup: async () => {
			await ok('set', 'kept', 'precious')
			expect(Number(await ok('backup', 'kept'))).toBeGreaterThan(0)
		},
		restore: async () => {
			await purged('kept')
			// The purge has to be over; the emulator's clock need not be waited for.
			await control.advanceClock({ seconds: 10 })
			expect(await ok('restore', 'kept')).toBe('kept')
			expect(await ok('get', 'kept')).toBe('precious')
		},
		'wrong role': async () => {
			await refused(403, 'read', 'db')
			expect((await control.requests()).at(-1)).toMatchObject({ code: 'ForbiddenByRbac' })
		},
		throttled: async () => {
			const { id } = await control.addFault({ match: { route: 'getSecret' }, action: 'status', status: 429 })
			await refused(429, 'get', 'db')
			await control.removeFault(id)
			expect(await ok('get', 'db')).toBe('two')
		},
		'expired token': async () => {
			// The client's own clock says that its token is good for hours: only the vault knows better.
			await control.advanceClock({ seconds: DAY_AND_AN_HOUR_S })
			await refused(401, 'get', 'db')
			await ok('fresh')
			expect(await ok('get', 'db')).toBe('two')
		},
	}
	const told: Partial<Record<Step, string>> = {}
	for (const step of STEPS) told[step] = await outcome(steps[step])
	return told as Record<Step, string>
}

async function outcome(step: () => Promise<void>): Promise<string> {
	try {
		await step()
		return 'ok'
	} catch (error) {
		return (error as Error).message.replace(/\s+/g, ' ').slice(0, 1_000)
	}
}
