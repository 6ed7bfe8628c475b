import { heedingAbort } from '../process/abort.ts'

/** Lets the first call of a client's life go alone. */
export interface Opening {
	/**
	 * @param work is given what it calls when it has got a token
	 * @throws what `work` throws, `signal.reason`, or what the first call met before it had a token
	 */
	through<T>(signal: AbortSignal, work: (opened: () => void) => Promise<T>): Promise<T>
}

/**
 * A client without a token sends its request without one and is told by a 401 where to get one. Calls that come meanwhile
 * would each pay that 401: they wait instead.
 *
 * 1. The first call goes; the others wait until it has a token, and then all go.
 * 2. If it fails before that, so would they: they fail with the same error. The next call is the first again.
 * 3. If it was taken back, one of those that wait goes first.
 */
export function createOpening(): Opening {
	let open = false
	let first: Promise<void> | undefined

	const goFirst = async <T>(signal: AbortSignal, work: (opened: () => void) => Promise<T>): Promise<T> => {
		const { promise, resolve, reject } = Promise.withResolvers<void>()
		first = promise
		// Perhaps nobody waits.
		promise.catch(() => {})
		try {
			return await work(() => {
				open = true
				resolve()
			})
		} catch (error) {
			if (!signal.aborted) reject(error)
			throw error
		} finally {
			first = undefined
			resolve()
		}
	}
	return {
		async through(signal, work) {
			while (!open) {
				if (!first) return goFirst(signal, work)
				await heedingAbort(first, signal)
			}
			return work(() => {})
		},
	}
}
