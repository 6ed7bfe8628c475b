import fc from 'fast-check'
import { histories, run } from './history.ts'
import { SimulatedOperator } from './operator.ts'
import { World } from './world.ts'
const start = (world: World) => new SimulatedOperator(world)
if (process.argv[2] === 'trace') {
	const seen = World.prototype.seen
	World.prototype.seen = function (name, ours) {
		console.log(this.agenda.monotonic, 'place', name, ours, JSON.stringify(Object.fromEntries(this.texts() ?? [])))
		return seen.call(this, name, ours)
	}
	const put = World.prototype.putStatus
	World.prototype.putStatus = function (rv, patch) {
		console.log(this.agenda.monotonic, 'status', rv, JSON.stringify(patch))
		return put.call(this, rv, patch)
	}
	console.log(run(JSON.parse(process.argv[3] ?? ''), start))
	process.exit(0)
}
const t = Date.now()
let n = 0
const skip = new RegExp(process.env['SIM_SKIP'] ?? 'zzz')
const result = fc.check(
	fc.property(histories(60), (h0) => {
		n++
		const h = { ...h0, steps: h0.steps.filter((x) => !skip.test(JSON.stringify(x.action))) }
		const p = run(h, start)
		if (p.length) throw new Error(p.slice(0, 3).join('\n'))
	}),
	{ numRuns: Number(process.argv[2] ?? 50), seed: Number(process.argv[3] ?? 1), interruptAfterTimeLimit: 12_000 },
)
console.log(
	Date.now() - t,
	'ms',
	n,
	'histories',
	result.numRuns,
	'runs',
	result.numShrinks,
	'shrinks',
	'seed',
	process.argv[3],
)
if (result.failed) {
	console.log((result.errorInstance as Error)?.message)
	const [h] = result.counterexample ?? []
	console.log(JSON.stringify({ ...h, steps: [] }))
	for (const s of (h?.steps ?? []).filter((x) => !skip.test(JSON.stringify(x.action)))) console.log(JSON.stringify(s))
}
