// Histories of a seed in a process of their own: prints after how many of them something is wrong, and the shortest that is.
import fc from 'fast-check'
import { histories } from './generator.ts'
import { type History, run } from './history.ts'
import { SimulatedOperator } from './operator.ts'
import { stories } from './stories/all.ts'
import { volumeStories } from './stories/volume.ts'
import { storyOf } from './story.ts'

/** What it prints, as JSON. */
export interface Result {
	failed: boolean
	histories: number
	/** of them all */
	steps: number
	problem: string
	/** the shortest that is wrong, to read and as data */
	story: string
	history?: History
	/** a story that finds it, where no history has */
	named?: string
	/** of processor time */
	seconds: number
}

const [seed, most, shrink] = process.argv.slice(2, 5).map(Number)
const volume = process.argv[5] === 'Volume'
let problem = ''
let steps = 0
const problemOf = (history: History) => run(history, (world) => new SimulatedOperator(world))[0]
const property = fc.property(histories(60, volume), (history) => {
	steps += history.steps.length
	const first = problemOf(history)
	if (first !== undefined) problem = first
	return first === undefined
})
const { failed, numRuns, counterexample } = fc.check(property, {
	seed: seed ?? 1,
	numRuns: most ?? 2_000,
	// A table needs the number alone.
	endOnFailure: shrink === 0,
})
const [history] = counterexample ?? []
// What chance does not come to, a story that was written down may.
const named =
	failed || process.env['ASB_MUTANT'] === undefined
		? undefined
		: (volume ? volumeStories : stories).find((each) => problemOf(each.history))?.name
const { user, system } = process.cpuUsage()
const result: Result = {
	failed,
	histories: numRuns,
	steps,
	problem,
	story: history ? storyOf(history) : '',
	...(history && { history }),
	...(named !== undefined && { named }),
	seconds: (user + system) / 1e6,
}
process.stdout.write(JSON.stringify(result))
