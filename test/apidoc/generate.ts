// Writes runtime-store/api from the doc comments; with --check compares instead and fails on a difference.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Application, TSConfigReader, TypeDocReader } from 'typedoc'

const check = process.argv.includes('--check')
const committed = join(import.meta.dirname, '../../runtime-store/api')
const out = check ? mkdtempSync(join(tmpdir(), 'asb-api-')) : committed

/** All files of a folder, by name. */
const textsOf = (folder: string) =>
	new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))

try {
	const app = await Application.bootstrapWithPlugins(
		{ options: join(import.meta.dirname, 'typedoc.json'), out, logLevel: 'Warn' },
		[new TypeDocReader(), new TSConfigReader()],
	)
	const project = await app.convert()
	if (!project) throw new Error('TypeDoc could not read the sources')
	await app.generateOutputs(project)
	if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('TypeDoc had something to say, see above')
	if (check) {
		const [is, should] = [textsOf(committed), textsOf(out)]
		const names = new Set([...is.keys(), ...should.keys()])
		const different = [...names].filter((name) => is.get(name) !== should.get(name))
		if (different.length > 0) {
			console.error(
				`runtime-store/api is not what the doc comments say (${different.join(', ')}): run npm run generate`,
			)
			process.exitCode = 1
		}
	}
} finally {
	if (check) rmSync(out, { recursive: true, force: true })
}
