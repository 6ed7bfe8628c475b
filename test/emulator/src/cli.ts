#!/usr/bin/env node
import { HELP, parseCli, UsageError } from './cli/args.ts'
import { run } from './cli/run.ts'

try {
	const options = parseCli(process.argv.slice(2))
	if (options === undefined) process.stdout.write(HELP)
	else await run(options, { stdout: process.stdout, environment: process.env })
} catch (error) {
	const hint = error instanceof UsageError ? '\nTry --help.' : ''
	process.stderr.write(`azure-key-vault-emulator: ${(error as Error).message}${hint}\n`)
	process.exitCode = error instanceof UsageError ? 2 : 1
}
