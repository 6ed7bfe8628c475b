import { readFile, realpath } from 'node:fs/promises'

// A generation of a volume, as AtomicWriter names it, followed by a key: the root of a mount that was made with `subPath`.
const GENERATION = /(?:^|\/)\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.[^/]+\//

const unescaped = (path: string) =>
	path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/**
 * Tells whether files of a directory are mounted one by one from a generation of a volume, as a container with `subPath` has them: the
 * kernel's list of mounts names the generation they are of, and they stay with it for ever.
 */
export function isSubPath(directory: string, mountinfo: string): boolean {
	return mountinfo.split('\n').some((line) => {
		const [, , , root = '', point = ''] = line.split(' ')
		const path = unescaped(point)
		return (path === directory || path.startsWith(`${directory}/`)) && GENERATION.test(unescaped(root))
	})
}

/** As {@link isSubPath}, of this process; false where there is no such list. */
export async function mountedBySubPath(directory: string): Promise<boolean> {
	try {
		return isSubPath(await realpath(directory), await readFile('/proc/self/mountinfo', 'utf8'))
	} catch {
		return false // not Linux
	}
}
