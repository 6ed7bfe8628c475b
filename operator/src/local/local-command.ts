import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { DefaultAzureCredential } from '@azure/identity'
import { runGit } from '../destinations/folder/claim.ts'
import { ForeignLayout } from '../destinations/mount/atomic-writer.ts'
import { createForms } from '../forms/forms.ts'
import { systemClock } from '../process/clock.ts'
import { createShutdown } from '../process/shutdown.ts'
import { tellUsage } from '../process/usage.ts'
import { runLocal } from './local.ts'
import { parseOptions } from './options.ts'

// Removing some files takes no time; a call to a vault that hangs is not waited for.
const STOP_MS = 10_000

/** The command `local`. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
	const parsed = parseOptions(args, process.env)
	if (parsed.kind !== 'run') return tellUsage(parsed)
	const { options } = parsed
	const shutdown = createShutdown({ deadlineMs: STOP_MS, onDeadline: () => process.exit(1) })
	const { authorityHost, disableInstanceDiscovery } = options
	const forms = createForms({ clock: systemClock })
	try {
		return await runLocal(options, {
			clock: systemClock,
			random: Math.random,
			signal: shutdown.signal,
			credential: () =>
				new DefaultAzureCredential({
					disableInstanceDiscovery,
					...(authorityHost === undefined ? {} : { authorityHost }),
				}),
			makeForms: forms.make,
			git: runGit,
			read: (file) => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')),
			say: (line) => void process.stdout.write(`${line}\n`),
			confirm: process.stdin.isTTY ? confirm : undefined,
		})
	} catch (error) {
		process.stderr.write(`${explain(error, options.file)}\n`)
		return 1
	} finally {
		shutdown.dispose()
		forms.close()
	}

	async function confirm(question: string): Promise<boolean> {
		const terminal = createInterface({ input: process.stdin, output: process.stdout })
		try {
			const answer = await terminal.question(question, { signal: shutdown.signal })
			return /^y(es)?$/i.test(answer.trim())
		} finally {
			terminal.close()
		}
	}
}

/** Errors of the file system say which file; texts of anything else may hold what was read, so only their name is shown. */
function explain(error: unknown, file: string): string {
	if (!(error instanceof Error)) return 'ended'
	if (error instanceof ForeignLayout) return error.message
	if ('code' in error && 'syscall' in error && 'path' in error)
		return error.path === file ? `${file} cannot be read (${String(error.code)}).` : error.message
	return `ended by ${error.name}`
}
