// What the emulator itself costs: the page of a large vault, and memory.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { EmulatorClock, systemTime } from '../src/clock.ts'
import { createRandom } from '../src/random.ts'
import { pageSizes } from '../src/secrets/page-sizes.ts'
import { SortedKeys } from '../src/secrets/sorted-keys.ts'
import { Vault } from '../src/secrets/vault.ts'

describe('limits', () => {
	it('gives a page of 25 of 10,000 secrets within 5 ms in process', () => {
		const clock = new EmulatorClock(systemTime)
		const vault = new Vault('payments', {
			clock,
			random: createRandom(1),
			visibilityDelayMs: () => 0,
			recoverableDays: 90,
		})
		for (let i = 0; i < 10_000; i += 1) vault.set(`secret-${String(i).padStart(5, '0')}`, { value: 'v' })
		const sizes = pageSizes(() => 'uneven', 'limits')
		const took: number[] = []
		let after: string | undefined
		let seen = 0
		for (let index = 0, more = true; more; index += 1) {
			// Of this process: what others take of the core is not what a page costs.
			const started = process.cpuUsage()
			const page = vault.list(after, sizes.size({ list: 'secrets', of: 'payments', index, limit: 25 }))
			const { user, system } = process.cpuUsage(started)
			took.push((user + system) / 1_000)
			seen += page.items.length
			after = page.last ?? after
			more = page.more
		}
		expect(seen).toBe(10_000)
		// Short pages are among them, or this would not be the list that the emulator gives.
		expect(took.length).toBeGreaterThan(400)
		// 99 of 100: a garbage collection is not what a page costs.
		expect(took.sort((a, b) => a - b)[Math.floor(took.length * 0.99)]).toBeLessThanOrEqual(5)
	})

	it('holds 10,000 secrets x 3 versions in at most 150 MB of resident memory', async () => {
		// As JavaScript, as users run it: Node's own TypeScript support alone takes some 40 MB.
		const folder = await mkdtemp(join(tmpdir(), 'emulator-memory-'))
		const script = join(folder, 'memory.mjs')
		await build({
			entryPoints: [join(import.meta.dirname, 'memory.ts')],
			outfile: script,
			bundle: true,
			platform: 'node',
			format: 'esm',
		})
		const { stdout } = await promisify(execFile)(process.execPath, [script])
		await rm(folder, { recursive: true })
		const { secrets, rss } = JSON.parse(stdout) as { secrets: number; rss: number }
		expect(secrets).toBe(10_000)
		expect(rss / 2 ** 20).toBeLessThanOrEqual(150)
	}, 60_000)

	it('keeps keys sorted and pages without skipping or repeating when keys come and go between two pages', () => {
		const keys = new SortedKeys()
		for (const key of ['d', 'b', 'a', 'c', 'b']) keys.add(key)
		expect([...keys.after(undefined)]).toEqual(['a', 'b', 'c', 'd'])
		keys.remove('b')
		keys.remove('x')
		expect([...keys.after('b')]).toEqual(['c', 'd'])
		keys.add('bb')
		expect([...keys.after('b')]).toEqual(['bb', 'c', 'd'])
		expect([...keys.after('d')]).toEqual([])
	})
})
