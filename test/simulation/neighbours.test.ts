// What others do to the vault that a binding shares with them, and a vault that stalls for a while: what is the binding's own
// is not broken, so it keeps up, and never says that it does while it does not.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { conditionOf } from '../oracle/judge.ts'
import type { Action } from './actions.ts'
import { act } from './actions.ts'
import { SimulatedOperator } from './operator.ts'
import { FIRST, type Shape } from './spec.ts'
import { POLL_MS, World } from './world.ts'

const SEED = Number(process.env['ASB_SEED'] ?? 11)
const HISTORIES = 100
const ROTATIONS = 8
/** As specs have it that say nothing. */
const INTERVAL_MS = 60_000
/**
 * How long a request waits for its turn at the most: turns go round by namespace, so 50 greedy ones with a call of 80 ms
 * each are before it, however many bindings they have.
 */
const TURN_MS = 50 * 80
/** An outage is told when it has lasted for five minutes; the pass before it may have begun with an answer. */
const TOLD_MS = 5 * 60_000 + POLL_MS + 2 * INTERVAL_MS
// More than are sent meanwhile.
const REQUESTS = 1_000

const files = fc.subarray(['alpha', 'beta', 'gamma', 'twin'] as const, { minLength: 1 })
const begin: fc.Arbitrary<Partial<Shape>> = fc.record({ files, select: fc.boolean() })
const rotation = fc.record({ which: fc.nat(3), pause: fc.integer({ min: 1_100, max: 90_000 }) })
const history = fc.record({
	seed: fc.nat(),
	begin,
	ms: fc.nat(TURN_MS),
	rotations: fc.array(rotation, { minLength: 1, maxLength: ROTATIONS }),
})
type Given = typeof history extends fc.Arbitrary<infer T> ? T : never

function started({ seed, begin }: Given): World {
	const world = new World({ ...FIRST, ...begin }, seed, (each) => new SimulatedOperator(each))
	world.settle()
	return world
}

function rotate(world: World, { which }: Given['rotations'][number]): string {
	const names = world.shape.files as readonly ('alpha' | 'beta' | 'gamma' | 'twin')[]
	const name = names[which % names.length] ?? 'alpha'
	act(world, { do: 'rotate', vault: 'red', object: name })
	return name
}

const isFresh = ({ binding }: World) => conditionOf(binding.status as never, 'Fresh')?.status === 'True'
const holdsCurrent = (world: World, name: string) =>
	world.texts()?.get(name) === world.vaults.item('red', name)?.versions.at(-1)?.value

describe(`${HISTORIES} histories of each with ASB_SEED=${SEED}`, () => {
	const check = (judge: (given: Given) => string | undefined) => {
		let problem: string | undefined
		const result = fc.check(
			fc.property(history, (given) => {
				const broken = judge(given)
				problem = broken ?? problem
				return broken === undefined
			}),
			{ seed: SEED, numRuns: HISTORIES },
		)
		expect(result.failed ? [problem, result.counterexample] : []).toEqual([])
	}

	it('beside greedy neighbours a rotation arrives within two intervals', { timeout: 120_000 }, () => {
		check((given) => {
			const world = started(given)
			const crowd: Action = { do: 'crowd', ms: given.ms, times: REQUESTS }
			act(world, crowd)
			for (const rotation of given.rotations) {
				world.run(rotation.pause)
				const name = rotate(world, rotation)
				world.run(2 * INTERVAL_MS)
				if (!holdsCurrent(world, name)) return `${name} has not arrived`
			}
			return world.judge.problems[0]
		})
	})

	it('a vault that stalls is told once the grace of an outage is over, and is caught up with', {
		timeout: 120_000,
	}, () => {
		check((given) => {
			const world = started(given)
			for (const rotation of given.rotations) {
				world.run(rotation.pause)
				const name = rotate(world, rotation)
				// Nothing of it is answered in this pass, nor in the next ones.
				act(world, { do: 'stall', on: 'vault', times: REQUESTS })
				world.run(TOLD_MS)
				if (!holdsCurrent(world, name) && isFresh(world)) return `${name} is old, and Fresh is True`
				world.settle(true)
				if (!holdsCurrent(world, name)) return `${name} has not been caught up with`
			}
			return world.judge.problems[0]
		})
	})
})
