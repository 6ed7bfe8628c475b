/** Counts up or down; what is none takes no memory. */
export function countIn(counts: Map<string, number>, of: string, by: number): void {
	const now = (counts.get(of) ?? 0) + by
	if (now > 0) counts.set(of, now)
	else counts.delete(of)
}
