/** Work on one volume is done one after the other: an unpublish that comes while a volume is opened closes what was opened. */
export function createTurns(): <T>(volumeId: string, work: () => Promise<T>) => Promise<T> {
	const last = new Map<string, Promise<unknown>>()
	return (volumeId, work) => {
		const next = (last.get(volumeId) ?? Promise.resolve()).then(work)
		const ended = next
			.catch(() => {})
			.finally(() => {
				if (last.get(volumeId) === ended) last.delete(volumeId)
			})
		last.set(volumeId, ended)
		return next
	}
}
