// Histories: how they begin, and what happens in them.
import { type Action, act } from './actions.ts'
import type { Process } from './process.ts'
import { FIRST, isApplicable, type Shape } from './spec.ts'
import { VolumeWorld } from './volume/world.ts'
import { World } from './world.ts'

export interface Step {
	/** milliseconds before it */
	pause: number
	/** it comes when so many more requests have got there, or answers come back; 0: now */
	requests: number
	action: Action
}

export interface History {
	/** of the network: how long requests take */
	seed: number
	begin: Partial<Shape>
	/** of Volume delivery: how many have a volume */
	nodes?: number
	steps: readonly Step[]
}

/** @returns what was wrong; empty when nothing was */
export function run({ seed, begin, nodes = 1, steps }: History, start: (world: World) => Process): readonly string[] {
	const asked = { ...FIRST, ...begin }
	const shape = isApplicable(asked) ? asked : { ...asked, files: FIRST.files }
	const world = shape.volume ? new VolumeWorld(shape, seed, start, nodes) : new World(shape, seed, start)
	for (const { pause, requests, action } of steps) {
		world.run(pause)
		if (world.judge.problems.length > 0) return world.judge.problems
		if (requests === 0) act(world, action)
		else world.afterRequests(requests, () => act(world, action))
	}
	world.settle()
	return world.judge.problems
}
