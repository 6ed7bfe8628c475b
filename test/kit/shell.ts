// One bash for a whole page: what a block sets, the next one has, as in somebody's terminal.
import { spawn } from 'node:child_process'

/** Milliseconds: the longest wait that a block of our pages should need on a busy machine. */
const BLOCK_MS = 120_000

export interface Shell {
	/** Runs a block. Rejects, with what was printed, when one of its commands fails. @returns what it printed */
	run(block: string): Promise<string>
	close(): Promise<void>
}

export function openShell(options: { cwd: string; env: NodeJS.ProcessEnv }): Shell {
	const bash = spawn('bash', ['--noprofile', '--norc'], { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
	const ended = new Promise<void>((resolve) => {
		bash.on('close', () => resolve())
	})
	let printed = ''
	let heard = () => {}
	bash.stdout.setEncoding('utf8').on('data', (text: string) => {
		printed += text
		heard()
	})
	bash.on('close', () => heard())
	// A block goes on after a command that failed, as a terminal does; it is told all the same.
	bash.stdin.write(`exec 2>&1; set -o pipefail; trap 'FAILED="\${FAILED:-$BASH_COMMAND}"' ERR\n`)
	let blocks = 0
	return {
		async run(block) {
			const mark = `\u0001end of block ${++blocks}: `
			printed = ''
			bash.stdin.write(`FAILED=\n{\n${block}\n} </dev/null\nprintf '\\n${mark}%s\\n' "$FAILED"\n`)
			const deadline = setTimeout(() => bash.kill('SIGKILL'), BLOCK_MS)
			try {
				while (!new RegExp(`${mark}[^\\n]*\\n`).test(printed)) {
					if (bash.exitCode !== null || bash.signalCode !== null)
						throw new Error(`the shell ended in, or after 2 minutes of:\n${block}\nIt printed:\n${printed}`)
					await new Promise<void>((resolve) => {
						heard = resolve
					})
				}
			} finally {
				clearTimeout(deadline)
			}
			const [before = '', failed = ''] = printed.split(mark)
			if (failed.trim() !== '') throw new Error(`\`${failed.trim()}\` failed in:\n${block}\nIt printed:\n${before}`)
			return before.replace(/\n$/, '')
		},
		async close() {
			bash.stdin.end()
			await ended
		},
	}
}
