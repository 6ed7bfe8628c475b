import { describe, expect, it } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

// A Secret without a manifest, for pods whose tools hash it: what else the manifest says the status remembers.
const delivery = { secret: { name: 'mine', manifest: false } }
const open = async (spec: Record<string, unknown>, names: readonly string[]) => {
	const one = openBinding({ delivery, ...spec })
	for (const name of names) one.vault('a').set(name, `value of ${name}`, { contentType: 'text/plain' })
	await one.reconcile()
	// Settled, and told so.
	await one.pass(180_000)
	return one
}
const restarted = async (one: Awaited<ReturnType<typeof open>>) => {
	one.vault('a').reads.length = 0
	one.restart()
	await one.reconcile()
	return one.vault('a').reads
}

describe('without a manifest', () => {
	it('a restart reads nothing that is settled', async () => {
		const secrets = ['a', 'b', 'c', 'd'].map((name) => ({ name }))
		const one = await open({ secrets }, ['a', 'b', 'c', 'd'])
		expect(Object.keys(one.secrets.text('mine') ?? {}).sort()).toEqual(['a', 'b', 'c', 'd'])
		expect(await restarted(one)).toEqual([])
		expect(one.condition('Ready')?.status).toBe('True')
		expect(one.status.synced).toBe('4/4')
	})

	it('what changed while nobody looked is read, and that alone', async () => {
		const secrets = ['a', 'b', 'c', 'd'].map((name) => ({ name }))
		const one = await open({ secrets }, ['a', 'b', 'c', 'd'])
		await one.clock.advance(10_000)
		one.vault('a').set('b', 'new')
		expect(await restarted(one)).toEqual(['b'])
		expect(one.files()).toMatchObject({ a: 'value of a', b: 'new' })
	})

	it('selectors work, and a restart knows what they brought', async () => {
		const one = await open({ select: [{ prefix: 'p-' }], policy: { absent: 'Remove' } }, ['p-a', 'p-b', 'p-c', 'other'])
		expect(Object.keys(one.files()).sort()).toEqual(['p-a', 'p-b', 'p-c'])
		expect(await restarted(one)).toEqual([])
		// Changed while no operator ran, the selectors of before are not known: what leaves is deselected, and kept by default.
		one.edit({ select: [{ prefix: 'p-a' }] })
		one.restart()
		await one.pass(60_000)
		expect(Object.keys(one.files()).sort()).toEqual(['p-a', 'p-b', 'p-c'])
		expect(one.shown('p-b')?.state).toBe('Deselected')
		one.vault('a').remove('p-a')
		await one.pass(120_000)
		expect(one.files()['p-a']).toBeUndefined()
	})

	it('of another vault than the status tells of nothing is known', async () => {
		const secrets = ['a', 'b', 'c', 'd'].map((name) => ({ name }))
		const one = await open({ secrets }, ['a', 'b', 'c', 'd'])
		for (const { name } of secrets) one.vault('other').set(name, `other ${name}`)
		one.edit({ vault: { url: 'https://other.vault.azure.net' } })
		one.restart()
		await one.pass(10_000)
		expect(one.files()).toEqual({ a: 'other a', b: 'other b', c: 'other c', d: 'other d' })
	})

	it('a value that somebody wrote over is mended after a restart', async () => {
		const one = await open({ secrets: ['a', 'b', 'c', 'd'].map((name) => ({ name })) }, ['a', 'b', 'c', 'd'])
		one.secrets.edit('mine', 'a', 'forged')
		expect(await restarted(one)).toEqual(['a'])
		expect(one.files()['a']).toBe('value of a')
	})

	it.each([
		['nothing is written', false, 0],
		['with one the manifest alone is, at once', true, 1],
	])('when only metadata changes %s', async (_, manifest, writes) => {
		const secrets = ['a', 'b', 'c', 'd'].map((name) => ({ name }))
		const one = await open({ secrets, delivery: { secret: { name: 'mine', manifest } } }, ['a', 'b', 'c', 'd'])
		const before = one.secrets.writes
		const files = one.files()
		const now = Math.floor(one.clock.now() / 1000)
		const ask = { since: 0, lane: 'first', signal: new AbortController().signal } as const
		const listing = await one.vault('a').session.versions('b', { pages: 1 }, ask)
		const [version] = listing.complete ? listing.versions : []
		if (!version) throw new Error('no version')
		Object.assign(version, { updated: now, expires: now + 86_400, contentType: 'text/html', tags: { team: 'x' } })
		await one.pass(120_000)
		expect(one.secrets.writes - before).toBe(writes)
		expect(one.files()).toEqual(files)
		expect(one.shown('b')?.expires).toBeDefined()
	})
})
