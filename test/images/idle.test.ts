import { expect, it } from 'vitest'
import { bundledAs } from '../bench/child.ts'
import { measureBare, measureIdle, median, startApiServer } from '../bench/idle.ts'

/**
 * MB that the operator has more than a node that does nothing, as `npm run bench -- floor` prints both. The difference, because what node
 * has itself depends on its build and on the machine's libraries. A step that lowers it lowers this figure.
 */
const BASE = 28
const GROWTH = 1.1
const RUNS = 3

it('idle, the operator as its image runs it has at most a tenth more memory than it had', {
	timeout: 300_000,
}, async () => {
	const program = await bundledAs('operator/src/main.ts')
	const api = await startApiServer()
	try {
		const [own, bare]: [number[], number[]] = [[], []]
		for (let run = 0; run < RUNS; run++) {
			bare.push((await measureBare()).rss)
			own.push((await measureIdle(program, api)).rss)
		}
		expect(median(own) - median(bare)).toBeLessThan(BASE * GROWTH)
		// Far less would mean that it was not measured, or that this figure is old.
		expect(median(own) - median(bare)).toBeGreaterThan(BASE / GROWTH ** 2)
	} finally {
		program.remove()
		await api.close()
	}
})
