import { realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type FSWatcher, watch } from 'chokidar'

/** A running watch on one directory. */
export interface DirectoryWatch {
	close(): Promise<void>
}

/** The directory that a path leads to now: its path without links, and an id that no other directory of that path has meanwhile. */
export interface WatchedRoot {
	readonly path: string
	readonly id: string
}

/** Finds the directory of a path. */
export async function rootOf(path: string): Promise<WatchedRoot> {
	const root = await realpath(path)
	// A watch stays with the inode: one of the same name in its place has to be watched anew.
	const { dev, ino } = await stat(root, { bigint: true })
	return { path: root, id: `${dev}:${ino} ${root}` }
}

/** `swap`: only the link `..data` of a volume; `files`: everything in the directory. */
export type WatchScope = 'swap' | 'files'

/**
 * Tells that something happened in a directory, never what: each poll at it starts from the link.
 *
 * 1. The directory is watched and not `..data` or a file, because a watch on those stays with the inode of before the first swap.
 * 2. A volume changes by its link `..data` alone. Everything else in it is ignored: following the link of each key would block the event
 *    loop for more than a second with 500 keys at every swap.
 * 3. All events count: a swap shows as `change`, or as `add` when an unlink came within 100 ms.
 *
 * @param directory without links in it: names that are ignored are compared with what the watcher says, which follows links
 */
export function watchDirectory(
	directory: string,
	scope: WatchScope,
	onEvent: () => void,
	onError: (error: unknown) => void,
): DirectoryWatch {
	const options = { depth: 0, ignoreInitial: true, persistent: false }
	const link = join(directory, '..data')
	const swapOnly = { followSymlinks: false, ignored: (path: string) => path !== directory && path !== link }
	const watcher: FSWatcher = watch(directory, scope === 'swap' ? { ...options, ...swapOnly } : options)
	watcher.on('all', onEvent)
	// That a directory was put in the place of this one is no event of a file in it, if the names are the same.
	if (scope === 'files') watcher.on('raw', onEvent)
	watcher.on('error', onError)
	// Between the read that came before and this moment a swap would have gone unseen.
	watcher.on('ready', onEvent)
	return { close: () => watcher.close() }
}
