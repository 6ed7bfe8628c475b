// Everything that is static, in one command: `npm run check`. All steps run, the exit code tells whether any failed.
import { spawn } from 'node:child_process'

const steps: ReadonlyArray<readonly [name: string, command: string, ...args: string[]]> = [
	['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
	['types', 'tsc', '--noEmit'],
	['type-aware lint', 'oxlint', '--type-aware', '--deny-warnings'],
	['unused code', 'knip', '--no-progress'],
	['sizes and import circles', 'node', 'test/tools/sizes.ts'],
	['documentation', 'node', 'test/tools/docs.ts'],
	['spelling', 'cspell', 'lint', '--no-progress', '--no-summary', '**/*.md'],
	['pictures', 'node', 'test/tools/pictures.ts', '--check'],
	['fields and facts', 'node', '--conditions=asb-source', 'test/tools/fields.ts'],
	['generated CRD', 'node', '--conditions=asb-source', 'operator/src/api/generate.ts', '--check'],
	['generated API reference', 'node', '--conditions=asb-source', 'test/apidoc/generate.ts', '--check'],
	['generated parts of the chart', 'node', 'test/helm/generate.ts', '--check'],
]

const run = ([name, command, ...args]: (typeof steps)[number]) =>
	new Promise<boolean>((resolve) => {
		const started = Date.now()
		const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
		let output = ''
		const keep = (chunk: Buffer) => {
			output += chunk.toString()
		}
		child.stdout.on('data', keep)
		child.stderr.on('data', keep)
		child.on('error', (error) => {
			output += error.message
		})
		child.on('close', (code) => {
			console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`)
			// Sizes are worth to be seen before they are too large.
			if (code !== 0 || name.startsWith('sizes')) console.log(output.trimEnd())
			resolve(code === 0)
		})
	})

const results = await Promise.all(steps.map(run))
if (results.includes(false)) process.exitCode = 1
