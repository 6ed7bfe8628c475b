import { access, constants, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SNAPSHOT_SCHEMA, type Snapshot } from './snapshot.ts'

/** Changes within this time are one write. */
const SAVE_DELAY_MS = 100

/** What is wrong with a file that is read and cannot be used. */
export const notUsable = (file: string): string =>
	`the state file ${file} is not one of this version of the emulator; move it away to start with an empty state (it was not changed)`

/** The snapshot in a file; undefined when there is no such file yet. Rejects for a file that is none, and leaves it alone. */
export async function readStateFile(file: string): Promise<Snapshot | undefined> {
	let text: string
	try {
		text = await readFile(file, 'utf8')
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
			// Found out at the first change it would be a line in a log, and everything would be gone after a restart.
			await access(dirname(file), constants.W_OK).catch((cause: unknown) => {
				throw new Error(`the state file ${file} cannot be written: make its folder, writable for this user`, { cause })
			})
			return undefined
		}
		throw new Error(`the state file ${file} cannot be read`, { cause: error })
	}
	let parsed: Partial<Snapshot> | null
	try {
		parsed = JSON.parse(text) as Partial<Snapshot> | null
	} catch {
		throw new Error(
			`the state file ${file} is not JSON; move it away to start with an empty state (it was not changed)`,
		)
	}
	const complete =
		parsed?.schema === SNAPSHOT_SCHEMA &&
		typeof parsed.tenantId === 'string' &&
		typeof parsed.backupKey === 'string' &&
		[parsed.vaults, parsed.clients, parsed.issuers].every(Array.isArray) &&
		typeof parsed.access === 'object' &&
		parsed.access !== null
	if (!complete) {
		throw new Error(notUsable(file))
	}
	return parsed as Snapshot
}

/**
 * Keeps a file up to date.
 *
 * 1. `changed` starts a timer, unless one runs: at most one write per delay.
 * 2. A write goes to a temporary file beside it (mode 0600, it holds values), then by rename.
 * 3. A change during a write makes another write after it. `close` waits for all of them.
 */
export class StateFile {
	readonly #file: string
	readonly #take: () => Snapshot
	readonly #onError: (error: unknown) => void
	#timer: NodeJS.Timeout | undefined
	#dirty = false
	#writing: Promise<void> = Promise.resolve()

	constructor(file: string, take: () => Snapshot, onError: (error: unknown) => void) {
		this.#file = file
		this.#take = take
		this.#onError = onError
	}

	changed(): void {
		this.#dirty = true
		this.#timer ??= setTimeout(() => this.#flush(), SAVE_DELAY_MS)
	}

	async close(): Promise<void> {
		this.#flush()
		await this.#writing
	}

	#flush(): void {
		clearTimeout(this.#timer)
		this.#timer = undefined
		if (!this.#dirty) return
		this.#dirty = false
		this.#writing = this.#writing.then(() => this.#write()).catch(this.#onError)
	}

	async #write(): Promise<void> {
		const temporary = `${this.#file}.${process.pid}`
		try {
			await writeFile(temporary, `${JSON.stringify(this.#take())}\n`, { mode: 0o600 })
			await rename(temporary, this.#file)
		} catch (error) {
			await rm(temporary, { force: true })
			throw error
		}
	}
}
