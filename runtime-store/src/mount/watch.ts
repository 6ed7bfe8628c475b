import { type FSWatcher, watch } from 'chokidar'

/** A running watch on one directory. */
export interface DirectoryWatch {
	close(): Promise<void>
}

/**
 * Tells that something happened in a directory, never what: each look at it starts from the link.
 *
 * The directory is watched and not `..data` or a file, because a watch on those stays with the inode of before the first
 * swap. All events count: a swap shows as `change`, or as `add` when an unlink came within 100 ms.
 */
export function watchDirectory(
	directory: string,
	onEvent: () => void,
	onError: (error: unknown) => void,
): DirectoryWatch {
	const watcher: FSWatcher = watch(directory, { depth: 0, ignoreInitial: true, persistent: false })
	watcher.on('all', onEvent)
	watcher.on('error', onError)
	// Between the read that came before and this moment a swap would have gone unseen.
	watcher.on('ready', onEvent)
	return { close: () => watcher.close() }
}
