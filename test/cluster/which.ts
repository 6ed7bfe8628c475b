import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Folders of system commands, which root's PATH lacks after a plain `su`. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** Makes system commands (iptables, dockerd, debootstrap) findable for us and our children. */
export function withSystemFolders(path: string): string {
	const folders = path.split(delimiter)
	return [...folders, ...SYSTEM_FOLDERS.filter((folder) => !folders.includes(folder))].join(delimiter)
}

/**
 * Absolute path of a command on PATH, undefined when there is none. Links are followed: our own folder of links may be on PATH,
 * and must not come to link to itself.
 */
export function which(name: string, path = process.env['PATH'] ?? ''): string | undefined {
	for (const folder of path.split(delimiter)) {
		const file = join(folder, name)
		try {
			accessSync(file, constants.X_OK)
			if (statSync(file).isFile()) return realpathSync(file)
		} catch {
			// Not here.
		}
	}
	return undefined
}
