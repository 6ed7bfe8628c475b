// A history in words.
import type { History, Step } from './history.ts'

/** A few lines that read as a story: how the binding begins, and what happens to it. */
export function storyOf({ seed, begin, nodes, steps }: History): string {
	const asks = Object.entries(begin).map(([key, value]) => `${key} ${textOf(value)}`)
	return [
		`network ${seed}; ${nodes === undefined ? '' : `nodes ${nodes}; `}a binding with ${asks.join(', ') || 'alpha'}`,
		...steps.map(lineOf),
	].join('\n')
}

function lineOf({ pause, requests, action }: Step): string {
	const { do: what, ...rest } = action
	const words = Object.entries(rest).map(([key, value]) => `${key} ${textOf(value)}`)
	const when = requests > 0 ? `, ${requests} requests or answers later` : ''
	return `  after ${pause} ms${when}: ${what}${words.length > 0 ? ` (${words.join(', ')})` : ''}`
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
