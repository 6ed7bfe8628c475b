// The writer of a volume as a process that a test kills: `writer-child.ts ROOT VOLUME [1]`. It writes one revision after the other, each
// on what it finds, and prints what it has committed; with a 1, one only.
import { join } from 'node:path'
import { systemClock } from '../../../process/clock.ts'
import { createWriterLock } from '../../mount/lock.ts'
import { createNodeMemory } from '../memory.ts'
import { createVolumeDestination } from '../volume-destination.ts'
import { changeTo } from './revisions.ts'

const [root = '', volumeId = '', one] = process.argv.slice(2)
const destination = createVolumeDestination({
	volumeId,
	path: join(root, volumeId, 'data'),
	group: undefined,
	mode: undefined,
	memory: createNodeMemory(64 * 1024 * 1024),
	lock: createWriterLock(join(root, '.lock'), systemClock),
	mayWrite: async () => true,
	clock: systemClock,
})
const { signal } = new AbortController()
process.stdout.write('started\n')
for (;;) {
	const back = await destination.readBack(signal)
	const on = back.kind === 'ours' ? back.holding : undefined
	const revision = (on?.revision ?? 0) + 1
	const { kind } = await destination.write({ ...changeTo(revision), drop: [], on, create: true }, signal)
	// To a pipe it is written at once, so a process that is killed has said all that it did but its last word.
	if (kind === 'written') process.stdout.write(`${revision}\n`)
	if (kind === 'written' && one) break
}
