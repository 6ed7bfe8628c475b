/** One line of a scrape. */
export interface Sample {
	readonly name: string
	readonly labels: Readonly<Record<string, string>>
	readonly value: number
}

/** Reads the text format as the operator writes it: labels that hold no quotes, no timestamps. */
export function parseMetrics(text: string): Sample[] {
	const samples: Sample[] = []
	for (const line of text.split('\n')) {
		const match = /^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)$/.exec(line)
		if (!match) continue
		const [, name = '', labels = '', value] = match
		const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', of = '']) => [key, of] as const)
		samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) })
	}
	return samples
}

/** Sum of the series of that name whose labels are among the given ones. */
export function sumOf(
	samples: readonly Sample[],
	name: string,
	labels: Readonly<Record<string, string | readonly string[]>> = {},
): number {
	const wanted = Object.entries(labels)
	return samples
		.filter((each) => each.name === name && wanted.every(([key, of]) => [of].flat().includes(each.labels[key] ?? '')))
		.reduce((sum, { value }) => sum + value, 0)
}
