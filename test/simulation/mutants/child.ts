// One broken operator in simulated histories: prints after how many of them it is found, and the shortest that does.
import fc from 'fast-check'
import { histories } from '../generator.ts'
import { run } from '../history.ts'
import { SimulatedOperator } from '../operator.ts'
import { told } from '../told.ts'

const [seed, most, shrink] = process.argv.slice(2, 5).map(Number)
const volume = process.argv[5] === 'Volume'
let problem = ''
const property = fc.property(histories(60, volume), (history) => {
	const [first] = run(history, (world) => new SimulatedOperator(world))
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
process.stdout.write(
	JSON.stringify({ failed, histories: numRuns, problem, story: history ? told(history) : '', history }),
)
