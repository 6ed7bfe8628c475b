import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
	MANIFEST_FILE,
	type Manifest,
	parseManifest,
	serializeManifest,
} from 'purista-azure-mounted-secret-store/manifest'
import type { Content } from '../../engine/decode.ts'
import type { Change, Holding, Verdict } from '../../engine/holding.ts'
import type { Destination } from '../../ports/destination.ts'
import {
	currentGeneration,
	inTurns,
	isMissing,
	isOurLink,
	isSwept,
	type Modes,
	setPermission,
	writeGeneration,
} from './atomic-writer.ts'

export interface DirectoryOptions {
	readonly path: string
	readonly modes: Modes
	readonly clock: { now(): number }
	/** Asked before bytes are written for the first time. Rejects to end it all. */
	readonly beforeFirst?: ((change: Change) => Promise<void>) | undefined
	/** bytes that it takes; default: as many as there are */
	readonly most?: number | undefined
	/** Says no to a change that would come to so many bytes. Pure. */
	readonly limit?:
		| ((bytes: ReadonlyMap<string, number>) => Extract<Verdict, { kind: 'refused' }> | undefined)
		| undefined
}

/** What the directory needs to know with the next change. */
interface Token {
	readonly generation: string
	readonly manifestText: string | undefined
	/** what that text says */
	readonly manifest: Manifest | undefined
	/** whoever wrote it came to its end: one that failed after its commit has left names without files, or the values of before */
	readonly isFinished: boolean
}

/**
 * A directory as a place to deliver to, in the layout of a mounted volume. It knows what is there by reading it.
 *
 * A file counts as edited when it is younger than the manifest, which is written last, or when something else lies in the
 * place of its link.
 */
export function createDirectoryDestination(options: DirectoryOptions): Destination {
	const { path, clock, modes, beforeFirst, most, limit } = options
	let isAsked = beforeFirst === undefined
	const readBack = async (): Promise<Holding | undefined> => {
		for (;;) {
			const generation = currentGeneration(path)
			if (generation === undefined) return undefined
			const holding = await readHolding(path, generation)
			// Read again until nobody swapped it meanwhile, as every reader of a mount does.
			if (holding && currentGeneration(path) === generation) return holding
		}
	}
	return {
		rules: {
			most,
			judge(change) {
				const { set, drop, manifest, on, create } = change
				const files = set.size > 0 || drop.length > 0 || (on !== undefined && !tokenOf(on).isFinished)
				const tooMuch = limit?.(sizesAfter(change))
				if (tooMuch) return tooMuch
				if (on === undefined) return create ? { kind: 'fits', files: true } : { kind: 'nothing' }
				// The very one that was read says what its text says.
				const isSame = isRead(manifest, on) || serializeManifest(manifest) === tokenOf(on).manifestText
				return files || !isSame ? { kind: 'fits', files } : { kind: 'nothing' }
			},
		},
		async readBack() {
			const holding = await readBack()
			return holding ? { kind: 'ours', holding } : { kind: 'none' }
		},
		async write(change) {
			if (!isAsked && change.set.size > 0) {
				await beforeFirst?.(change)
				isAsked = true
			}
			const { set, drop, manifest, on } = change
			const before = on && tokenOf(on).generation
			const kept = [...(on?.files.keys() ?? [])].filter(
				(name) => name !== MANIFEST_FILE && !set.has(name) && !drop.includes(name),
			)
			mkdirSync(path, { recursive: true, mode: modes.directory })
			// One that was there keeps its mode otherwise, and shows the names of secrets to others; without the group its pod cannot list it.
			setPermission(path, modes.directory, modes.group)
			const manifestText = serializeManifest(manifest)
			const files = new Map<string, Content>([...set, [MANIFEST_FILE, manifestText]])
			const generation = { set: files, keep: kept, now: clock.now() }
			const written = await writeGeneration(path, generation, modes, (current) => current === before)
			if (written === undefined) return { kind: 'lostRace' }
			const token: Token = { generation: written, manifestText, manifest, isFinished: true }
			return { kind: 'written', holding: holdingOf(path, [...kept, ...files.keys()], manifest, token) }
		},
		// Whoever names the directory names one, so it has no former name.
		removeFormer: async () => ({ kind: 'done' }),
	}
}

/** Bytes of each file once the change is made. */
export function sizesAfter({ set, drop, manifest, on }: Change): Map<string, number> {
	const sizes = new Map([...(on?.files ?? [])].map(([name, { bytes }]) => [name, bytes]))
	for (const name of drop) sizes.delete(name)
	for (const [name, content] of set) sizes.set(name, Buffer.byteLength(content))
	return on && isRead(manifest, on) ? sizes : sizes.set(MANIFEST_FILE, Buffer.byteLength(serializeManifest(manifest)))
}

/** The very one that was read, or written last. */
const isRead = (manifest: Manifest, on: Holding) => manifest === tokenOf(on).manifest

// Made by `readHolding` alone, for this destination alone.
const tokenOf = ({ token }: Holding): Token => token as Token

/** What was just written: its bytes are known, and nobody else has written any of it. */
function holdingOf(path: string, names: readonly string[], manifest: Manifest, token: Token): Holding {
	const sizeOf = (name: string) => statSync(join(path, token.generation, name)).size
	const files = new Map(names.map((name) => [name, { bytes: sizeOf(name), foreign: undefined }]))
	return { id: idOf(path), files, manifest, revision: manifest.revision, token }
}

/** One that was deleted and made anew is another place. */
function idOf(path: string): string {
	const { ino, dev } = statSync(path)
	return `${dev}:${ino}`
}

/** One generation as a whole; undefined when it went away meanwhile. */
async function readHolding(path: string, generation: string): Promise<Holding | undefined> {
	const root = join(path, generation)
	try {
		const names = readdirSync(root)
		const manifest = readManifest(root, names)
		const written = names.includes(MANIFEST_FILE) ? statSync(join(root, MANIFEST_FILE)).mtimeMs : undefined
		const contents = new Map<string, Uint8Array>()
		const files = new Map<string, { bytes: number; foreign: string | undefined }>()
		let isLinked = true
		await inTurns(names, (name) => {
			const { mtimeMs } = statSync(join(root, name))
			const content = readFileSync(join(root, name))
			const isOurs = isOurLink(path, name)
			isLinked &&= isOurs
			const isEdited = written === undefined || mtimeMs > written || !isOurs
			contents.set(name, content)
			files.set(name, { bytes: content.length, foreign: isEdited ? `somebody@${mtimeMs}` : undefined })
		})
		return {
			id: idOf(path),
			files,
			manifest: manifest.value,
			revision: manifest.value?.revision ?? 0,
			content: (name) => contents.get(name),
			token: {
				generation,
				manifestText: manifest.text,
				manifest: manifest.value,
				isFinished: isLinked && isSwept(path, generation, names),
			} satisfies Token,
		}
	} catch (error) {
		if (isMissing(error)) return undefined
		throw error
	}
}

function readManifest(
	root: string,
	names: readonly string[],
): { readonly text: string | undefined; readonly value: Manifest | undefined } {
	if (!names.includes(MANIFEST_FILE)) return { text: undefined, value: undefined }
	const text = readFileSync(join(root, MANIFEST_FILE), 'utf8')
	const parsed = parseManifest(text)
	return { text, value: parsed.kind === 'ok' ? parsed.manifest : undefined }
}
