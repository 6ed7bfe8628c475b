/** Counts up or down; what is none takes no memory. */
export function countIn(counts: Map<string, number>, of: string, by: number): void {
	const now = (counts.get(of) ?? 0) + by
	if (now > 0) counts.set(of, now)
	else counts.delete(of)
}

/** Whose count is the highest: who gives the oldest of it, where all together have too much. */
export function mostOf(counts: Iterable<readonly [of: string, count: number]>): string | undefined {
	let most: readonly [string, number] | undefined
	for (const each of counts) if (!most || each[1] > most[1]) most = each
	return most?.[0]
}
