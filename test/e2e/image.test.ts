import { beforeAll, describe, expect, it } from 'vitest'
import { programs, weigh } from '../images/contents.ts'
import { filesOf } from '../images/index.ts'
import { connectWorld, type World } from '../kit/world.ts'

/** What may come on top of the node binary and its libraries, in bytes. */
const MAX_OVER = 15e6

describe('the image of', () => {
	let world: World
	beforeAll(async () => {
		world = await connectWorld()
	})
	it.each(['operator', 'emulator', 'service'] as const)(
		'%s holds node, its libraries and little more: no shell, no other program',
		async (name) => {
			const files = await filesOf(world.images[name], { ...process.env, ...world.target.env })
			expect(programs(files)).toEqual(['/usr/local/bin/node'])
			expect(files.map(({ path }) => path)).toContain('/app/main.mjs')
			// What tenants wrote is parsed in a thread, whose file the bundle has beside it.
			if (name === 'operator') expect(files.map(({ path }) => path)).toContain('/app/forms.worker.mjs')
			const { node, over } = weigh(files)
			// A node binary below 50 MB would mean that the weighing looks at the wrong file.
			expect(node).toBeGreaterThan(50e6)
			expect(over).toBeLessThan(MAX_OVER)
		},
	)
})
