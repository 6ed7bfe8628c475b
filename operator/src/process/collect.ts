import { getHeapStatistics } from 'node:v8'

const MB = 2 ** 20
// A burst of fifty volumes leaves 8 MB, and a rotation of all of them 2 to 5 MB; a minute of watching and polling less than 1 MB
// (`npm run bench -- volumes`).
const WORTH_BYTES = 2 * MB
// Who allocates this much between two calls works on something, and a collection would only hold it up.
const BUSY_BYTES = MB

export interface CollectOptions {
	/** a full collection; default: V8's own, which a process has that was started with `--expose-gc` */
	collect?: (() => void) | undefined
	/** bytes of V8's heap in use, what nothing refers to any more included */
	used?: (() => number) | undefined
}

/**
 * Gives back what a burst has left. V8 collects when the heap has grown, so a process that has nothing more to do keeps the garbage of its last
 * burst, and on every node that is a tenth of this process.
 *
 * Call it every few seconds. It compares the heap with the last call's, and collects when it
 * 1. has hardly grown since then, so that nothing is under way, and
 * 2. has more than 2 MB above what the last collection left.
 *
 * Without `--expose-gc` it does nothing.
 */
export function createCollector({ collect = collectionOfV8(), used = usedOfV8 }: CollectOptions = {}): () => void {
	let [last, left] = [used(), 0]
	return () => {
		const [now, before] = [used(), last]
		last = now
		if (collect === undefined || now - before > BUSY_BYTES || now - left < WORTH_BYTES) return
		collect()
		last = left = used()
	}
}

const usedOfV8 = () => getHeapStatistics().used_heap_size

// V8 gives pages back to the system only in a collection that reduces memory.
function collectionOfV8(): (() => void) | undefined {
	const collect = globalThis.gc
	return collect && (() => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }))
}
