import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { bundled, bundledAs, fromSource } from './child.ts'
import type { Bench } from './cli.ts'
import { type Idle, type Memory, measureBare, measureIdle, measureNode, median, startApiServer } from './idle.ts'
import { measureScale, type Start } from './scale.ts'

/** What each role of the image may need before it has anything to do, MB. */
const IDLE_BAR = { operator: 80, node: 75 }
/** What the start may take, by the floor of reads and writes. */
const START_BAR = 2
/** What the operator may need with 1,000 bindings, MB. */
const MEMORY_BAR = 140
/** 1,000 bindings of 5 secrets. */
const PLAN = { namespaces: 50, bindings: 20, secrets: 5, vaults: 50, interval: '60s' }

/** What the image needs before it has anything to do, beside a node that does nothing, and its start with 1,000 bindings beside the floor. */
export const bench: Bench = {
	title:
		'memory of both roles as their image runs them, beside bare node, and the start of 1,000 bindings beside the floor (--runs N --flag NODE-FLAG --only idle,start --settle SECONDS)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				runs: { type: 'string', default: '3' },
				flag: { type: 'string', multiple: true, default: [] },
				only: { type: 'string', default: 'idle,start' },
				// More than one interval, and more than a connection is kept that nothing needs.
				settle: { type: 'string', default: '75' },
			},
		})
		const [runs, only] = [Number(values.runs), values.only.split(',')]
		if (only.includes('idle')) await idle(runs, values.flag)
		if (only.includes('start')) await start(runs, values.flag, Number(values.settle) * 1000)
	},
}

async function idle(runs: number, flags: readonly string[]): Promise<void> {
	const api = await startApiServer()
	const program = await bundledAs('operator/src/main.ts', flags)
	const nodeProgram = await bundledAs('operator/src/main.ts', flags, 'node')
	try {
		const [bare, operator, node]: [Memory[], Idle[], Memory[]] = [[], [], []]
		for (let run = 0; run < runs; run++) {
			bare.push(await measureBare())
			operator.push(await measureIdle(program, api))
			node.push(await measureNode(nodeProgram))
		}
		console.log(`  idle, medians of ${runs} runs; ${load()}`)
		console.log(`  bare node   ${lineOf(bare)}`)
		console.log(`  operator    ${lineOf(operator)} (bar ${IDLE_BAR.operator}: ${kept(operator, IDLE_BAR.operator)})`)
		console.log(`  node role   ${lineOf(node)} (bar ${IDLE_BAR.node}: ${kept(node, IDLE_BAR.node)})`)
		console.log(
			`  the operator leads and watches after ${median(operator.map(({ seconds }) => seconds)).toFixed(2)} s, without a binding`,
		)
	} finally {
		program.remove()
		nodeProgram.remove()
		await api.close()
	}
}

async function start(runs: number, flags: readonly string[], settleMs: number): Promise<void> {
	const operator = await bundled('child-operator.ts', flags)
	const programs = { operator, floor: fromSource('child-floor.ts'), idleMs: settleMs, snapshot: undefined }
	try {
		const starts: Start[] = []
		for (let run = 0; run < runs; run++) {
			const found = await measureScale(PLAN, programs, () => {})
			starts.push(found)
			console.log(
				`  start ${run + 1}: ${found.seconds.toFixed(1)} s, floor ${found.floorSeconds.toFixed(1)} s; RSS at most ${found.maxRss} MB, settled ${found.settledRss}; ${load()}`,
			)
		}
		const of = (pick: (start: Start) => number) => median(starts.map(pick))
		const ratio = of(({ seconds, floorSeconds }) => seconds / floorSeconds)
		console.log(
			`  1,000 bindings, medians: ${of(({ seconds }) => seconds).toFixed(1)} s, ${ratio.toFixed(2)} x the floor (bar ${START_BAR}: ${ratio <= START_BAR ? 'kept' : 'NOT KEPT'}), CPU ${of(({ cpuRatio }) => cpuRatio).toFixed(2)} x`,
		)
		const [most, settled] = [of(({ maxRss }) => maxRss), of(({ settledRss }) => settledRss)]
		const isKept = (is: number) => `bar ${MEMORY_BAR}: ${is <= MEMORY_BAR ? 'kept' : 'NOT KEPT'}`
		console.log(
			`  1,000 bindings, medians: RSS ${most} MB at most until Ready (${isKept(most)}), ${settled} MB ${settleMs / 1000} s later (${isKept(settled)})`,
		)
		console.log('  calls, a restart and what peers publish: npm run bench -- scale')
	} finally {
		operator.remove()
	}
}

const load = () =>
	`load of the machine ${loadavg()
		.map((each) => each.toFixed(1))
		.join(' ')}`

const kept = (runs: readonly Memory[], bar: number) => (median(runs.map(({ rss }) => rss)) <= bar ? 'kept' : 'NOT KEPT')

function lineOf(runs: readonly Memory[]): string {
	const of = (field: 'rss' | 'peak') => `${median(runs.map((each) => each[field])).toFixed(1)} MB`
	const pss = runs.flatMap((each) => each.pss ?? [])
	const share = pss.length === 0 ? '' : `, PSS ${median(pss).toFixed(1)} MB`
	return `RSS ${of('rss')}, at most ${of('peak')}${share}`
}
