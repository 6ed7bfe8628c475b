import { readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'

/** Maps of bundles that were read, as long as nobody needs their memory. */
const maps = new Map<string, WeakRef<SourceMap>>()
const FRAME = /(file:\/\/[^\s()]+\.mjs):(\d+):(\d+)/

/**
 * Frames of a stack that lie in our own code, by the lines that we wrote. In a bundle these are looked up in the map beside it when there
 * is an error to tell: node's --enable-source-maps would hold it from the start (15 MB of an operator that has nothing to do).
 */
export function ownFrames(stack: string | undefined): string[] {
	// Without the first line, which repeats the message.
	return (stack ?? '')
		.split('\n')
		.filter((line) => /^\s+at /.test(line))
		.flatMap((line) => written(line.trim().replace(/^at /, '')))
		.filter((frame) => !frame.includes('node_modules') && !frame.includes('node:'))
}

/** Nothing for a frame of a library in a bundle; frames of anything else as they are. */
function written(frame: string): string[] {
	const [at = '', file = '', line = '', column = ''] = FRAME.exec(frame) ?? []
	const map = file === '' ? undefined : mapOf(file)
	if (!map) return [frame]
	const origin = map.findOrigin(Number(line), Number(column))
	if (!('fileName' in origin) || !/\.[cm]?ts$/.test(origin.fileName)) return []
	const source = new URL(origin.fileName, file).pathname
	return [frame.replace(at, `${source}:${origin.lineNumber}:${origin.columnNumber}`)]
}

function mapOf(file: string): SourceMap | undefined {
	const known = maps.get(file)?.deref()
	if (known) return known
	try {
		const map = new SourceMap(JSON.parse(readFileSync(new URL(`${file}.map`), 'utf8')) as SourceMapPayload)
		maps.set(file, new WeakRef(map))
		return map
	} catch {
		// Not one of our bundles.
		return undefined
	}
}
