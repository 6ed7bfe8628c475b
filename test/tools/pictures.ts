// Draws docs/pictures/*.svg from the texts beside them; `--check` fails when one differs, `--record` runs the demo first.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { drawDiagram } from './pictures/diagram.ts'
import { drawTerminal, parseRecording } from './pictures/terminal.ts'
import { THEMES } from './pictures/theme.ts'

const FOLDER = join(import.meta.dirname, '../../docs/pictures')
const { values } = parseArgs({
	options: { check: { type: 'boolean', default: false }, record: { type: 'boolean', default: false } },
})

/** Each line of a real run with the second at which it came. The folder that it worked in has a random name. */
async function record(): Promise<string> {
	const started = performance.now()
	const lines = [
		'# A run of `npm run demo`: seconds, tab, line. `node test/tools/pictures.ts --record` writes it anew.',
		'0.0\t$ npm run demo',
	]
	const demo = spawn('npm', ['run', '-s', 'demo'], { stdio: ['ignore', 'pipe', 'inherit'] })
	for await (const line of createInterface({ input: demo.stdout })) {
		const text = line.replaceAll(/\/\S*\/asb-demo-\w+\//g, './')
		lines.push(`${((performance.now() - started) / 1000).toFixed(1)}\t${text}`)
	}
	return `${lines.join('\n')}\n`
}

if (values.record) writeFileSync(join(FOLDER, 'demo.txt'), await record())
const changed: string[] = []
for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
	const source = readFileSync(join(FOLDER, file), 'utf8')
	for (const [name, theme] of Object.entries(THEMES)) {
		const drawn = file === 'demo.txt' ? drawTerminal(parseRecording(source), theme) : drawDiagram(source, theme)
		const target = join(FOLDER, file.replace('.txt', `-${name}.svg`))
		let before = ''
		try {
			before = readFileSync(target, 'utf8')
		} catch {}
		if (before === drawn) continue
		changed.push(target)
		if (!values.check) writeFileSync(target, drawn)
	}
}
if (values.check && changed.length > 0) {
	console.log(`not what their sources say: ${changed.join(', ')}; run node test/tools/pictures.ts`)
	process.exitCode = 1
}
