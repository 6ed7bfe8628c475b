// Pages as the service gives them: short and empty ones that are not the last.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PagePlan } from '../src/index.ts'
import { type PageQuestion, pageSizes } from '../src/secrets/page-sizes.ts'
import { API, type Bench, CLIENT, collect, OFFICER, openBench } from './kit.ts'

interface Walk {
	readonly sizes: number[]
	readonly ids: string[]
	readonly links: string[]
}

/** Every page of a list by its links. */
async function walk(bench: Bench, vault: string, path: string): Promise<Walk> {
	const origin = bench.emulator.vaultUrl(vault)
	const walked: Walk = { sizes: [], ids: [], links: [] }
	for (let next: string | null = `${origin}${path}`; next !== null; ) {
		const { status, page } = await bench.raw(next.slice(origin.length), { origin })
		expect(status).toBe(200)
		walked.sizes.push(page.value.length)
		walked.ids.push(...page.value.map(({ id }) => id))
		next = page.nextLink
		if (next !== null) walked.links.push(next)
	}
	return walked
}

async function filled(bench: Bench, vault: string, count: number): Promise<void> {
	const { control } = bench.emulator
	await control.createVault({ name: vault })
	await control.grant({ clientId: CLIENT, role: OFFICER, vault })
	const secrets = Array.from({ length: count }, (_, i) => ({ name: `s${String(i).padStart(4, '0')}`, value: 'v' }))
	await control.setSecrets({ vault, secrets })
}

describe('uneven pages', () => {
	let bench: Bench
	beforeAll(async () => {
		bench = await openBench()
		await filled(bench, 'large', 1_000)
	})
	afterAll(() => bench.close())

	it('come by default, about as often as recorded, and miss and repeat nothing', async () => {
		const { sizes, ids } = await walk(bench, 'large', `/secrets?${API}`)
		expect(new Set(ids).size).toBe(1_000)
		expect(ids).toHaveLength(1_000)
		const short = sizes.slice(0, -2).filter((size) => size < 25)
		expect(short.length / sizes.length).toBeGreaterThan(0.1)
		expect(short.length / sizes.length).toBeLessThan(0.4)
		expect(Math.min(...short)).toBeGreaterThanOrEqual(21)
	})

	it('are the same for the same seed, in whatever order lists are asked for, and others for another seed', async () => {
		const sizesOf = async (seed: string, also: boolean): Promise<number[]> => {
			const other = await openBench({ seed })
			try {
				await filled(other, 'large', 400)
				if (also) await walk(other, 'payments', `/secrets?${API}`)
				return (await walk(other, 'large', `/secrets?${API}`)).sizes
			} finally {
				await other.close()
			}
		}
		const first = await sizesOf('one', false)
		expect(await sizesOf('one', true)).toEqual(first)
		expect(await sizesOf('two', false)).not.toEqual(first)
	})

	it('are sometimes empty with maxresults=1, and the list goes on behind them', async () => {
		await filled(bench, 'singles', 40)
		const { sizes, ids, links } = await walk(bench, 'singles', `/secrets?${API}&maxresults=1`)
		expect(ids).toHaveLength(40)
		expect(sizes.slice(0, -1)).toContain(0)
		expect(links.every((link) => link.endsWith('&maxresults=1'))).toBe(true)
	})

	it('have maxresults in their nextLink only when it was asked for', async () => {
		for (const link of (await walk(bench, 'large', `/secrets?${API}`)).links) expect(link).not.toContain('maxresults')
		for (const link of (await walk(bench, 'large', `/secrets?${API}&maxresults=20`)).links)
			expect(link).toMatch(/&maxresults=20$/)
	})

	it('reach SDKs whole, versions and deleted secrets too', async () => {
		const client = bench.sdk('large')
		expect(await collect(client.listPropertiesOfSecrets())).toHaveLength(1_000)
		for (let i = 0; i < 60; i += 1)
			await bench.emulator.control.setSecret({ vault: 'large', name: 's0000', value: String(i) })
		expect(await collect(client.listPropertiesOfSecretVersions('s0000'))).toHaveLength(61)
		await filled(bench, 'gone', 60)
		const { control } = bench.emulator
		for (let i = 0; i < 60; i += 1)
			await control.deleteSecret({ vault: 'gone', name: `s${String(i).padStart(4, '0')}` })
		await control.advanceClock({ seconds: 10 })
		expect(await collect(bench.sdk('gone').listDeletedSecrets())).toHaveLength(60)
	})
})

describe('pages that are fixed', () => {
	let bench: Bench
	beforeAll(async () => {
		bench = await openBench({ pages: 'full' })
		await filled(bench, 'fixed', 50)
	})
	afterAll(() => bench.close())

	it.each<[string, PagePlan, number[]]>([
		['full, with no extra page at the end', 'full', [25, 25]],
		['sizes in turn', [24, 0, 0, 1], [24, 0, 0, 1, 25]],
		['an empty one behind the last', [25, 25, 0], [25, 25, 0]],
		['sizes over maxresults are cut', [25, 3], [10, 3, 10, 10, 10, 7]],
	])('%s', async (what, pages, sizes) => {
		await bench.emulator.control.configure({ pages })
		const path = what.includes('maxresults') ? `/secrets?${API}&maxresults=10` : `/secrets?${API}`
		expect((await walk(bench, 'fixed', path)).sizes).toEqual(sizes)
	})

	it('are what the start option says again after a reset', async () => {
		const { control } = bench.emulator
		await control.configure({ pages: [0] })
		await control.reset()
		await control.addClient({ clientId: CLIENT, clientSecret: 'x' })
		await filled(bench, 'fixed', 50)
		expect((await walk(bench, 'fixed', `/secrets?${API}`)).sizes).toEqual([25, 25])
	})

	it('a plan that is none is refused', async () => {
		const answer = await fetch(`${bench.emulator.controlUrl}/emulator/v1/configure`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ pages: [26] }),
		})
		expect([answer.status, await answer.text()]).toEqual([
			400,
			expect.stringContaining('uneven | full | a list of whole numbers, 0 to 25') as string,
		])
	})
})

describe('the page behind a full last one', () => {
	const sizes = pageSizes(() => 'uneven', 'seed')
	const question = (over: Partial<PageQuestion>): PageQuestion => ({
		list: 'secrets',
		of: 'payments',
		index: 0,
		limit: 25,
		...over,
	})

	it('is there for secrets and deleted ones, and for versions or not', () => {
		for (const list of ['secrets', 'deleted'] as const) expect(sizes.extra(question({ list }), 25)).toBe(true)
		const versions = Array.from({ length: 40 }, (_, i) => sizes.extra(question({ list: 'versions', of: `s${i}` }), 25))
		expect(new Set(versions)).toEqual(new Set([true, false]))
	})

	it('is never there behind one that is not full', () => {
		expect(sizes.extra(question({}), 24)).toBe(false)
	})
})
