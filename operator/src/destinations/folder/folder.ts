import type { Change } from '../../engine/holding.ts'
import type { Destination } from '../../ports/destination.ts'
import { createDirectoryDestination } from '../mount/directory.ts'

/** For the owner alone: a folder on a laptop has other users beside it. */
const MODES = { directory: 0o700, file: 0o600 }

export interface FolderOptions {
	readonly path: string
	readonly clock: { now(): number }
	/** Asked before bytes are written for the first time. Rejects to end it all. */
	readonly beforeFirst?: ((change: Change) => Promise<void>) | undefined
}

/** A folder of a developer as a place to deliver to, in the layout of a mounted volume. */
export function createFolderDestination(options: FolderOptions): Destination {
	return createDirectoryDestination({ ...options, modes: MODES })
}
