// After how many simulated histories an operator that was broken on purpose is found.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { MUTANTS } from '../simulation/mutants/table.ts'
import { inProcess } from '../simulation/processes.ts'
import type { Bench } from './cli.ts'

const HOOKS = fileURLToPath(new URL('../simulation/mutants/hooks.ts', import.meta.url))

export const bench: Bench = {
	title: 'operators that are broken on purpose, and after how many simulated histories they are found',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				seed: { type: 'string', default: '1' },
				most: { type: 'string', default: '2000' },
				only: { type: 'string' },
			},
		})
		const shrink = values.only !== undefined
		for (const [i, { broken, volume = false }] of MUTANTS.entries()) {
			if (values.only !== undefined && !broken.includes(values.only)) continue
			const asked = { seed: Number(values.seed), count: Number(values.most), shrink, volume }
			const how = { before: [HOOKS], env: { ASB_MUTANT: String(i) } }
			const { failed, histories, problem, story, named } = await inProcess(asked, how)
			console.log(
				`| ${broken} | ${failed ? histories : `not in ${histories}${named === undefined ? '' : `; by the story: ${named}`}`} |`,
			)
			if (failed && shrink) console.log(`${story}\n${problem}`)
		}
	},
}
