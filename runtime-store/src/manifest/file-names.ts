import { MANIFEST_FILE } from './schema.ts'

// 220 leaves room for `.previous-10` under the 253 characters of a Secret key and the 255 bytes of a file name.
const PATTERN = /^[-._a-zA-Z0-9]{1,220}$/
const PREVIOUS = /\.previous(-\d+)?$/

/**
 * Says why a name cannot be the file name of a secret, and what to write instead; undefined when it can.
 * The same rule holds in the resource, in the operator and in readers.
 */
export function fileNameProblem(name: string): string | undefined {
	if (name === '') return 'the name is empty: write 1 to 220 letters, digits, "-", "_" or "."'
	if (name.length > 220) return `the name has ${name.length} characters: write at most 220`
	if (!PATTERN.test(name))
		return 'the name has other characters than letters, digits, "-", "_" and ".": leave them out or write "-"'
	if (name === '.') return 'the name "." is the directory itself: write a name with a letter or digit'
	if (name.startsWith('..'))
		return 'names that start with ".." belong to the kubelet: write it without the leading dots'
	if (name === '__proto__') return 'the name "__proto__" is unsafe in JavaScript readers: write "proto"'
	if (name === MANIFEST_FILE) return `the name "${MANIFEST_FILE}" is that of the manifest: write "binding.json"`
	if (PREVIOUS.test(name))
		return 'names that end in ".previous" or ".previous-N" are kept for older versions: write "-previous"'
	return undefined
}

/**
 * File name of the n-th older version of a secret: `name.previous`, `name.previous-2`, …
 *
 * @param n 1 for the newest of the older versions
 */
export function previousFileName(name: string, n: number): string {
	return n === 1 ? `${name}.previous` : `${name}.previous-${n}`
}
