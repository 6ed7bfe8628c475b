/** Work on one key is done one after the other, in the order in which it came, whatever becomes of what was before. */
export function createOneByOne(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
	const last = new Map<string, Promise<unknown>>()
	return (key, work) => {
		const next = (last.get(key) ?? Promise.resolve()).then(work)
		const ended = next
			.catch(() => {})
			.finally(() => {
				if (last.get(key) === ended) last.delete(key)
			})
		last.set(key, ended)
		return next
	}
}
