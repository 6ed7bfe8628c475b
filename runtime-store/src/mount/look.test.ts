import { expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { Mount } from './mount.ts'
import type { MountRead } from './read.ts'

it('a look follows each call of check, in whatever turn around the end of another look it comes', async () => {
	for (let delay = 0; delay < 30; delay++) {
		let generation = 0
		const files = new Map([['a', Buffer.from('x')]])
		const read = async (): Promise<MountRead> => ({
			kind: 'generation',
			id: `${generation}`,
			files,
			faults: new Map(),
			subPath: false,
		})
		const mount = new Mount({
			path: '/mount',
			clock: { ...systemClock, after: () => () => {} },
			read,
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
		})
		const first = mount.check()
		for (let i = 0; i < delay; i++) await Promise.resolve()
		generation = 1
		await mount.check()
		expect(mount.snapshot?.id, `${delay} turns after the first call`).toBe('1')
		await first
		await mount.close()
	}
})
