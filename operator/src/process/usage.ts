/** What a command line came to that asks for no work. */
export type Usage =
	| { readonly kind: 'help'; readonly text: string }
	| { readonly kind: 'invalid'; readonly problem: string }

/** Says it. @returns the exit code */
export function tellUsage(usage: Usage): number {
	if (usage.kind === 'help') {
		process.stdout.write(usage.text)
		return 0
	}
	process.stderr.write(`${usage.problem} (--help lists the flags)\n`)
	return 2
}
