// One broken operator in simulated histories: prints after how many of them it is found, and the shortest that does.
import fc from 'fast-check'
import { histories } from '../generator.ts'
import { type History, run } from '../history.ts'
import { SimulatedOperator } from '../operator.ts'
import { stories } from '../stories/all.ts'
import { volumeStories } from '../stories/volume.ts'
import { storyOf } from '../story.ts'

const [seed, most, shrink] = process.argv.slice(2, 5).map(Number)
const volume = process.argv[5] === 'Volume'
let problem = ''
const problemOf = (history: History) => run(history, (world) => new SimulatedOperator(world))[0]
const property = fc.property(histories(60, volume), (history) => {
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
const named = failed ? undefined : (volume ? volumeStories : stories).find((each) => problemOf(each.history))?.name
process.stdout.write(
	JSON.stringify({ failed, histories: numRuns, problem, story: history ? storyOf(history) : '', history, named }),
)
