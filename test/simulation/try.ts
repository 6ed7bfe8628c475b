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
const cpu = process.cpuUsage()
let n = 0
const skip = new RegExp(process.env['SIM_SKIP'] ?? 'zzz')
let fails = 0
const found = new Map<string, number>()
for (
	let seed = Number(process.argv[3] ?? 1);
	fails < Number(process.argv[4] ?? 1) && n < Number(process.argv[2] ?? 50);
	seed++
) {
	const result = fc.check(
		fc.property(histories(60), (h0) => {
			n++
			const h = { ...h0, steps: h0.steps.filter((x) => !skip.test(JSON.stringify(x.action))) }
			const p = run(h, start)
			if (p.length) throw new Error(p.slice(0, 3).join('\n'))
		}),
		{ numRuns: Number(process.argv[2] ?? 50) - n, seed },
	)
	if (result.failed) {
		fails++
		const [h] = result.counterexample ?? []
		const text = [
			`seed ${seed} runs ${result.numRuns} shrinks ${result.numShrinks}`,
			(result.errorInstance as Error)?.message,
			JSON.stringify({ ...h, steps: [] }),
			...(h?.steps ?? [])
				.filter((x) => !skip.test(JSON.stringify(x.action)))
				.slice(0, 12)
				.map((s) => JSON.stringify(s)),
		].join('\n')
		console.log(text)
	}
}
const used = process.cpuUsage(cpu)
console.log(n, 'histories', Math.round((used.user + used.system) / 1000), 'ms cpu')
