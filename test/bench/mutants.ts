// After how many simulated histories an operator that was broken on purpose is found.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { MUTANTS } from '../simulation/mutants/table.ts'
import type { Bench } from './cli.ts'

interface Found {
	failed: boolean
	histories: number
	problem: string
	story: string
	/** a story that finds it, where no history has */
	named?: string
}

const path = (name: string) => fileURLToPath(new URL(`../simulation/mutants/${name}`, import.meta.url))

async function look(index: number, seed: string, most: string, shrink: boolean): Promise<Found> {
	const args = [
		'--conditions=asb-source',
		'--import',
		path('hooks.ts'),
		path('child.ts'),
		seed,
		most,
		shrink ? '1' : '0',
		MUTANTS[index]?.volume ? 'Volume' : 'Secret',
	]
	const child = spawn(process.execPath, args, {
		env: { ...process.env, ASB_MUTANT: String(index) },
		stdio: ['ignore', 'pipe', 'inherit'],
	})
	let text = ''
	child.stdout.on('data', (part: Buffer) => {
		text += part.toString('utf8')
	})
	const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
	if (code !== 0) throw new Error(`the mutant "${MUTANTS[index]?.broken}" ended with ${code}`)
	return JSON.parse(text) as Found
}

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
		for (const [i, { broken }] of MUTANTS.entries()) {
			if (values.only !== undefined && !broken.includes(values.only)) continue
			const { failed, histories, problem, story, named } = await look(
				i,
				values.seed,
				values.most,
				values.only !== undefined,
			)
			console.log(
				`| ${broken} | ${failed ? histories : `not in ${histories}${named === undefined ? '' : `; by the story: ${named}`}`} |`,
			)
			if (failed && values.only !== undefined) console.log(`${story}\n${problem}`)
		}
	},
}
