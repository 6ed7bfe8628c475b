#!/usr/bin/env node
import { HELP, parseCli, UsageError } from './cli/args.ts'
import { run } from './cli/run.ts'
import { manifests } from './kind/manifests.ts'
import type { Emulator } from './start.ts'

let emulator: Emulator | undefined
// From the first moment: as process 1 of a container, signals without a handler are ignored.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
	process.once(signal, () => {
		// Nothing else keeps the process alive once both servers are closed.
		if (emulator) void emulator.close()
		else process.exit(0)
	})
}

try {
	const [command, ...rest] = process.argv.slice(2)
	const options = command === 'manifests' ? command : parseCli(process.argv.slice(2))
	if (options === 'manifests') process.stdout.write(await manifests(rest, process.env))
	else if (options === undefined) process.stdout.write(HELP)
	else {
		const { stdout, stderr, env: environment } = process
		emulator = await run(options, { stdout, stderr, environment, isRoot: process.getuid?.() === 0 })
	}
} catch (error) {
	const usage = error instanceof UsageError
	process.stderr.write(`azure-key-vault-emulator: ${(error as Error).message}${usage ? '\nTry --help.' : ''}\n`)
	process.exitCode = usage ? 2 : 1
}
