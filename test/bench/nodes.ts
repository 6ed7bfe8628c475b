import { parseArgs } from 'node:util'
import { NODE_RATE } from '../../operator/src/vault/rate.ts'
import type { Bench } from './cli.ts'
import { Fleet } from './fleet.ts'
import { quantile } from './numbers.ts'

/** What a vault takes in a second from everybody (FACTS.md#throttling). */
const LIMIT = 400

/** What a share of a vault for each node comes to when all of them want something at once. */
export const bench: Bench = {
	title:
		'300 nodes that start at once on one vault, on virtual time: files, calls, 429s (--nodes N --secrets N --rate N)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				nodes: { type: 'string', default: '300' },
				secrets: { type: 'string', default: '20' },
				rate: { type: 'string' },
				seed: { type: 'string', default: '1' },
			},
		})
		const [nodes, secrets, seed] = [Number(values.nodes), Number(values.secrets), Number(values.seed)]
		const rate = values.rate === undefined ? NODE_RATE : { ...NODE_RATE, maxPerSecond: Number(values.rate) }
		const fleet = new Fleet({ nodes, secrets, seed, rate })
		const floor = (nodes * secrets) / LIMIT
		console.log(
			`  ${nodes} nodes, one pod each, ${secrets} secrets; a vault takes ${LIMIT} calls a second, so at least ${floor.toFixed(1)} s`,
		)
		try {
			await fleet.start()
			report(fleet, 'start at once', floor)
			await fleet.rotate()
			report(fleet, 'rotation of all', floor)
		} finally {
			await fleet.close()
		}
		console.log(`  watches ${fleet.watches}: one for each node and binding`)
	},
}

function report({ took, vault }: Fleet, what: string, floor: number): void {
	const seconds = (q: number) => quantile(took, q) / 1000
	const of = (part: number) => `${((100 * part) / vault.calls).toFixed(1)} %`
	console.log(
		`  ${what.padEnd(16)} files p50 ${seconds(0.5).toFixed(1)} s, p99 ${seconds(0.99).toFixed(1)} s (${(seconds(0.99) / floor).toFixed(2)} x the floor); ` +
			`calls ${vault.calls}, 429 ${vault.throttled} (${of(vault.throttled)}), tokens ${vault.tokens}`,
	)
}
