#!/usr/bin/env node
// The command line: `local` is a program of its own, for laptops, which the image of the operator does not have.
const [command, ...args] = process.argv.slice(2)
if (command === 'local') {
	const { main } = await import('./local/local-command.ts')
	process.exit(await main(args))
} else {
	await import('./main.ts')
}
