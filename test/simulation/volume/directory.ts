// The directory of a volume in the node's memory, as a place to deliver to: operator/src/destinations/mount without a disk.
import { MANIFEST_FILE, type Manifest, serializeManifest } from 'purista-azure-mounted-secret-store/manifest'
import { createNodeMemory } from '../../../operator/src/destinations/volume/memory.ts'
import { createVolumeDestination } from '../../../operator/src/destinations/volume/volume-destination.ts'
import type { Content } from '../../../operator/src/engine/decode.ts'
import type { Holding } from '../../../operator/src/engine/holding.ts'
import { manifestIn } from '../../oracle/manifests.ts'
import type { Agenda } from '../agenda.ts'
import type { Life } from '../network.ts'
import type { SimulatedDestination } from '../secret-destination.ts'

// The rules of a directory look at what was read, and at no disk.
const { rules } = createVolumeDestination({
	volumeId: 'csi-simulated',
	path: '/nowhere',
	group: undefined,
	mode: undefined,
	memory: createNodeMemory(Number.POSITIVE_INFINITY),
	// Only its rules are taken, and they write nothing.
	lock: { run: (work) => work(), close() {} },
	mayWrite: async () => true,
	clock: { now: () => 0 },
})

interface Token {
	generation: string
	manifestText: string | undefined
	manifest: Manifest | undefined
}

/** The generation that is shown. Another one takes its place as a whole. */
export class Directory {
	#texts: ReadonlyMap<string, string> | undefined
	#generation = 0
	/** of the generation that is shown, once somebody has read it */
	#holding: Holding | undefined
	/** so many writes find the memory full */
	full = 0

	get texts(): ReadonlyMap<string, string> | undefined {
		return this.#texts
	}

	clear(): void {
		this.#texts = this.#holding = undefined
	}

	holding(): Holding | undefined {
		if (this.#texts) this.#holding ??= this.#read(this.#texts)
		return this.#holding
	}

	#read(texts: ReadonlyMap<string, string>): Holding {
		const manifestText = texts.get(MANIFEST_FILE)
		const parsed = manifestText === undefined ? undefined : manifestIn(manifestText)
		const manifest = parsed?.kind === 'ok' ? parsed.manifest : undefined
		return {
			id: '1:1',
			files: new Map([...texts].map(([name, text]) => [name, { bytes: text.length, foreign: undefined }])),
			manifest,
			revision: manifest?.revision ?? 0,
			content: (name) => texts.get(name),
			token: { generation: `..${this.#generation}`, manifestText, manifest } satisfies Token,
		}
	}

	write(texts: ReadonlyMap<string, string>): void {
		this.#generation++
		this.#texts = texts
		this.#holding = undefined
	}
}

// Reading and writing a few files in memory.
const DISK_MS = 2

/**
 * @param written is told when another generation is shown
 * @param failed is told when a write comes to no end, and gets no answer
 */
export function directoryDestination(
	directory: Directory,
	agenda: Agenda,
	alive: () => Life,
	written: () => void,
	failed: () => void,
): SimulatedDestination {
	const soon = (work: () => void) =>
		agenda.after(DISK_MS, () => {
			if (alive() === 'alive') work()
		})
	return {
		rules,
		readBack(arrive) {
			soon(() => {
				const holding = directory.holding()
				arrive(holding ? { kind: 'ours', holding } : { kind: 'none' })
			})
		},
		write({ set, drop, on, manifest }, arrive) {
			soon(() => {
				if (directory.full > 0) {
					directory.full--
					failed()
					return
				}
				if (!isSame(directory.holding(), on)) {
					arrive({ kind: 'lostRace' })
					return
				}
				const kept = [...(directory.texts ?? [])].filter(([name]) => on?.files.has(name) && !drop.includes(name))
				const come = [...set].map(([name, content]): [string, string] => [name, textOf(content)])
				directory.write(new Map([...kept, ...come, [MANIFEST_FILE, serializeManifest(manifest)]]))
				written()
				const holding = directory.holding()
				arrive(holding ? { kind: 'written', holding } : { kind: 'lostRace' })
			})
		},
		removeFormer: (_, arrive) => soon(() => arrive({ kind: 'done' })),
	}
}

/** What was decided on is what is there. */
function isSame(present: Holding | undefined, on: Holding | undefined): boolean {
	const [a, b] = [present, on].map((holding) => holding?.token as Token | undefined)
	return a?.generation === b?.generation && a?.manifestText === b?.manifestText
}

const textOf = (content: Content) => (typeof content === 'string' ? content : Buffer.from(content).toString('utf8'))
