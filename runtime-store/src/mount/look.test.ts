import { expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { Mount, type MountOptions } from './mount.ts'
import type { MountRead } from './read.ts'

/** A mount without a disk. */
function mountOf(more: Pick<MountOptions, 'read'> & Partial<MountOptions>): Mount {
	return new Mount({
		path: '/mount',
		clock: { ...systemClock, after: () => () => {} },
		turn: async () => {},
		resolve: async (path) => ({ path, id: path }),
		watch: () => ({ close: async () => {} }),
		pollMs: 1_000,
		trim: false,
		absentIsFine: false,
		onSnapshot: () => {},
		onProblem: () => {},
		onFlaw: () => {},
		onWatchLost: () => {},
		...more,
	})
}
const generation = (id: string): MountRead => ({
	kind: 'generation',
	id,
	files: new Map([['a', Buffer.from('x')]]),
	faults: new Map(),
	subPath: false,
})

it('a look follows each call of check, in whatever turn around the end of another look it comes', async () => {
	for (let delay = 0; delay < 30; delay++) {
		let id = '0'
		const mount = mountOf({ read: async () => generation(id) })
		const first = mount.check()
		for (let i = 0; i < delay; i++) await Promise.resolve()
		id = '1'
		await mount.check()
		expect(mount.snapshot?.id, `${delay} turns after the first call`).toBe('1')
		await first
		await mount.close()
	}
})

it('a directory that goes away between two steps of a reading is missing, not unreadable', async () => {
	let gone = false
	const problems: unknown[] = []
	const mount = mountOf({
		read: async () => (gone ? { kind: 'missing' } : generation('0')),
		resolve: async () => {
			gone = true
			throw Object.assign(new Error('gone'), { code: 'ENOENT' })
		},
		onProblem: (_path, problem) => void problems.push(problem),
	})
	await mount.check()
	expect(problems).toStrictEqual(['missing'])
	await mount.close()
})
