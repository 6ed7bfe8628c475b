// A volume whose writers are killed at random moments; another history with ASB_SEED, 200 kills under load with ASB_LONG=1.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, it } from 'vitest'
import { seededRandom } from '../../../../test/kit/random.ts'
import { systemClock } from '../../process/clock.ts'
import { createDirectoryDestination } from '../mount/directory.ts'
import { createWriterLock } from '../mount/lock.ts'
import { ALL_NAMES, tornIn } from './testing/revisions.ts'

const LONG = process.env['ASB_LONG'] !== undefined
// One costs the start of a process: half a second and more.
const KILLS = LONG ? 200 : 15
/** Processes that want all of a core: they stretch the moments between two steps. */
const HOGS = LONG ? [1, 2, 3] : []
const SEED = Number(process.env['ASB_SEED'] ?? 1)
/** A swap takes some milliseconds; on a busy machine some tens. */
const MOST_MS = 150

const children: ChildProcess[] = []
afterEach(() => {
	for (const child of children.splice(0)) child.kill('SIGKILL')
})

function start(args: readonly string[], onLine: (line: string) => void = () => {}): ChildProcess {
	const child = spawn(process.execPath, ['--conditions=asb-source', ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
	children.push(child)
	child.stdin?.on('error', () => {})
	if (child.stdout) createInterface({ input: child.stdout }).on('line', onLine)
	return child
}

const script = (name: string) => join(import.meta.dirname, 'testing', name)
const ended = (child: ChildProcess) => (child.exitCode ?? child.signalCode) !== null || once(child, 'close')

it(`${KILLS} kills of two writers: nothing torn, lost or left over, and the last version is there`, {
	timeout: 1_200_000,
}, async () => {
	const root = await mkdtemp('/dev/shm/asb-kill-')
	const volumeId = 'csi-1'
	const directory = join(root, volumeId, 'data')
	const random = seededRandom(SEED)
	const committed: number[] = []
	const crashed: number[] = []
	const writer = async (more: readonly string[] = []) => {
		const { promise, resolve } = Promise.withResolvers<void>()
		const child = start([script('writer-child.ts'), root, volumeId, ...more], (line) => {
			if (line === 'started') resolve()
			else committed.push(Number(line))
		})
		// Killed it has no code: whoever has another one than 0 fell over the other writer.
		child.on('close', (code) => code && crashed.push(code))
		await Promise.race([promise, ended(child)])
		return child
	}
	const hogs = HOGS.map(() => start(['-e', 'for (;;);']))
	await ended(await writer(['1']))
	const seen: string[] = []
	const readers = ['files', 'files', 'store', 'store'].map((how) =>
		start([script('reader-child.ts'), directory, how], (line) => seen.push(line)),
	)
	// Two of them, as in an upgrade: one is killed, and another one comes in its place while the other one goes on.
	const pair = [await writer(), await writer()]
	for (let kill = 0; kill < KILLS; kill++) {
		const which = random() < 0.5 ? 0 : 1
		await systemClock.sleep(random() * MOST_MS)
		const victim = pair[which]
		victim?.kill('SIGKILL')
		if (victim) await ended(victim)
		pair[which] = await writer()
	}
	for (const child of pair) child.kill('SIGKILL')
	for (const child of pair) await ended(child)
	// Heal: one more process, that ends by itself.
	await ended(await writer(['1']))
	for (const child of readers) child.stdin?.end()
	for (const child of readers) await ended(child)
	for (const child of hogs) child.kill('SIGKILL')

	expect(crashed).toEqual([])
	const reads = seen.filter((line) => line.startsWith('reads ')).map((line) => Number(line.split(' ')[1]))
	expect(seen.filter((line) => !line.startsWith('reads '))).toEqual([])
	expect(reads).toHaveLength(4)
	expect(Math.min(...reads)).toBeGreaterThan(0)
	// Two that wrote the same revision have lost one.
	expect(new Set(committed).size).toBe(committed.length)
	const last = Math.max(...committed)
	process.stdout.write(
		`${KILLS} kills, ${last} swaps, ${committed.length} told, ${reads.join(' + ')} reads, seed ${SEED}\n`,
	)
	const lock = createWriterLock(join(root, '.lock'), systemClock)
	await lock.run(async () => {})
	lock.close()
	const destination = createDirectoryDestination({
		path: directory,
		modes: { directory: 0o755, file: 0o444 },
		clock: systemClock,
	})
	const back = await destination.readBack(new AbortController().signal)
	if (back.kind !== 'ours') throw new Error('there are no files')
	const { holding } = back
	expect(holding.revision).toBe(last)
	expect(tornIn(last, (name) => holding.content?.(name)?.toString())).toBeUndefined()
	const generation = await readlink(join(directory, '..data'))
	expect((await readdir(directory)).toSorted()).toEqual(['..data', generation, ...ALL_NAMES].toSorted())
	expect((await readdir(root)).toSorted()).toEqual(['.lock', volumeId])
	await rm(root, { recursive: true })
})
