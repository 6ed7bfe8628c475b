import { expect, it } from 'vitest'
import { bundledAs } from '../bench/child.ts'
import { measureBare, measureIdle, measureNode, median, startApiServer } from '../bench/idle.ts'

/**
 * MB that each role has more than a node that does nothing, as `npm run bench -- floor` prints them. The difference, because what node has
 * itself depends on its build and on the machine's libraries. A step that lowers one lowers its figure.
 */
const BASE = { operator: 23, node: 23 }
const GROWTH = 1.1
const RUNS = 3

it('idle, each role as its image runs it has at most a tenth more memory than it had', {
	timeout: 300_000,
}, async () => {
	const program = await bundledAs('operator/src/main.ts')
	const nodeProgram = await bundledAs('operator/src/main.ts', [], 'node')
	const api = await startApiServer()
	try {
		const bare: number[] = []
		const own: Record<keyof typeof BASE, number[]> = { operator: [], node: [] }
		for (let run = 0; run < RUNS; run++) {
			bare.push((await measureBare()).rss)
			own.operator.push((await measureIdle(program, api)).rss)
			own.node.push((await measureNode(nodeProgram)).rss)
		}
		for (const role of ['operator', 'node'] as const) {
			const more = median(own[role]) - median(bare)
			expect(more, role).toBeLessThan(BASE[role] * GROWTH)
			// Far less would mean that it was not measured, or that this figure is old.
			expect(more, role).toBeGreaterThan(BASE[role] / GROWTH ** 2)
		}
	} finally {
		program.remove()
		nodeProgram.remove()
		await api.close()
	}
})
