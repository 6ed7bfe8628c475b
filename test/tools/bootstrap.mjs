// Runs a TypeScript entry point of this repository on Node 24, whatever Node the machine has.
//
// 1. Install the npm packages if they are missing or others than package-lock.json says (`npm ci`). What is installed is what npm itself
//    wrote down at the end of its last run, so that after a plain `npm ci` nothing is installed again.
// 2. Start the entry point with the Node of the npm package `node`, which strips types by itself.
//
// Plain JavaScript without dependencies, because it has to run before anything is installed and on an older Node.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const node = join(root, 'node_modules/node/bin/node')
const [entry, ...args] = process.argv.slice(2)
if (!entry) {
	console.error('usage: node test/tools/bootstrap.mjs ENTRY.ts [arguments]')
	process.exit(2)
}

const packagesOf = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {})

/** Packages for other platforms are optional, and npm leaves them out. */
function isInstalled() {
	if (!existsSync(node)) return false
	const installed = packagesOf(join(root, 'node_modules/.package-lock.json'))
	return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(
		([path, { version, link, optional, devOptional }]) =>
			!path.startsWith('node_modules/') || link || optional || devOptional || installed[path]?.version === version,
	)
}

if (!isInstalled()) {
	const started = Date.now()
	console.log('npm packages: installing (npm ci) …')
	const run = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: 'inherit' })
	if (run.status !== 0 || !existsSync(node)) {
		console.error(
			run.error
				? `npm could not be started: ${run.error.message}. Install npm 10 or newer.`
				: 'npm ci failed: see its output above. It needs an npm registry; `npm config get registry` tells which one is set.',
		)
		process.exit(1)
	}
	console.log(`npm packages: installed in ${Math.round((Date.now() - started) / 1000)} s`)
}

const child = spawn(
	node,
	['--conditions=asb-source', '--disable-warning=ExperimentalWarning', join(root, entry), ...args],
	{
		cwd: root,
		stdio: 'inherit',
		env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}` },
	},
)
// The child shares our terminal and so hears Ctrl-C itself; a signal sent to this process alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
process.on('SIGINT', () => {})
child.on('exit', (code, signal) => {
	process.exitCode = signal ? 128 + constants.signals[signal] : (code ?? 1)
})
