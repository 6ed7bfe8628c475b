import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { bundledAs } from './child.ts'
import type { Bench } from './cli.ts'
import { type Idle, type Memory, measureBare, measureIdle, median, startApiServer } from './idle.ts'

/** What the image may need without a binding, MB. */
const IDLE_BAR = 80

/** What the operator's image needs before it has anything to do: memory and start, beside a node that does nothing. */
export const bench: Bench = {
	title:
		'memory and start of the operator as its image runs it, without a binding, beside bare node (--runs N --flag NODE-FLAG)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				runs: { type: 'string', default: '3' },
				flag: { type: 'string', multiple: true, default: [] },
			},
		})
		const api = await startApiServer()
		const program = await bundledAs('operator/src/main.ts', values.flag)
		try {
			const [bare, idle]: [Memory[], Idle[]] = [[], []]
			for (let run = 0; run < Number(values.runs); run++) {
				bare.push(await measureBare())
				idle.push(await measureIdle(program, api))
			}
			console.log(
				`  medians of ${values.runs} runs; load of the machine ${loadavg()
					.map((each) => each.toFixed(1))
					.join(' ')}`,
			)
			console.log(`  bare node   ${line(bare)}`)
			const rss = median(idle.map((each) => each.rss))
			console.log(`  operator    ${line(idle)} (bar ${IDLE_BAR}: ${rss <= IDLE_BAR ? 'kept' : 'NOT KEPT'})`)
			console.log(`  start until it leads and watches ${median(idle.map(({ seconds }) => seconds)).toFixed(2)} s`)
			console.log('  with bindings, and the start beside the floor of reads and writes: npm run bench -- scale')
		} finally {
			program.remove()
			await api.close()
		}
	},
}

function line(runs: readonly Memory[]): string {
	const of = (field: 'rss' | 'peak') => `${median(runs.map((each) => each[field])).toFixed(1)} MB`
	const pss = runs.flatMap((each) => each.pss ?? [])
	const share = pss.length === 0 ? '' : `, PSS ${median(pss).toFixed(1)} MB`
	return `RSS ${of('rss')}, at most ${of('peak')}${share}`
}
