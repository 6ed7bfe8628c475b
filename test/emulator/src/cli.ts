#!/usr/bin/env node
import { HELP, parseCli, UsageError } from './cli/args.ts'
import { watchedParents, watchParents } from './cli/parent.ts'
import { run } from './cli/run.ts'
import { manifests } from './kind/manifests.ts'
import type { Emulator } from './start.ts'

let emulator: Emulator | undefined
const end = (): void => {
	// Nothing else keeps the process alive once both servers are closed.
	if (emulator) void emulator.close()
	else process.exit(0)
}
// Now and not when it is ready: whoever starts us may be gone by then.
const parents = watchedParents(process.ppid)
// From the first moment: as process 1 of a container, signals without a handler are ignored.
process.once('SIGTERM', end)
process.once('SIGINT', end)
// The terminal was closed.
let stay = false
process.on('SIGHUP', () => {
	if (!stay) end()
})

try {
	const [command, ...rest] = process.argv.slice(2)
	const options = command === 'manifests' ? command : parseCli(process.argv.slice(2))
	if (options === 'manifests') process.stdout.write(await manifests(rest, process.env))
	else if (options === undefined) process.stdout.write(HELP)
	else {
		const { stdout, stderr, env: environment } = process
		stay = options.stay
		if (!stay) watchParents(parents, end)
		emulator = await run(options, { stdout, stderr, environment, isRoot: process.getuid?.() === 0 })
	}
} catch (error) {
	const usage = error instanceof UsageError
	process.stderr.write(`azure-key-vault-emulator: ${(error as Error).message}${usage ? '\nTry --help.' : ''}\n`)
	process.exitCode = usage ? 2 : 1
}
