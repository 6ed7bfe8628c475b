/** Tells a person what happens: each step with its name and how long it took. Steps may nest. */
export interface Progress {
	/** Runs a step. `say` adds a detail while it runs; the last one is repeated at the end. Rejects as `run` does. */
	step<T>(name: string, run: (say: (detail: string) => void) => Promise<T>): Promise<T>
}

/** A long step says that it is alive this often, so that a build of minutes does not look like a hang. */
const STILL_RUNNING_MS = 30_000

const seconds = (ms: number) =>
	ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`

/** Milliseconds as `mm:ss`, for the column at the left. */
export const clockText = (ms: number) =>
	`${String(Math.floor(ms / 60_000)).padStart(2, '0')}:${String(Math.floor((ms % 60_000) / 1000)).padStart(2, '0')}`

/** Progress as lines with the time since the start: `[02:07] kubernetes v1.36.3: kube-proxy`. */
export function createProgress(options: { write?: (line: string) => void; now?: () => number } = {}): Progress {
	const { write = console.log, now = () => performance.now() } = options
	const started = now()
	let depth = 0
	const line = (text: string) => write(`[${clockText(now() - started)}] ${'  '.repeat(Math.max(0, depth - 1))}${text}`)
	return {
		async step(name, run) {
			const began = now()
			depth += 1
			line(`${name} …`)
			let last = ''
			const alive = setInterval(
				() => line(`${name}: still running, ${seconds(now() - began)}${last && ` (${last})`}`),
				STILL_RUNNING_MS,
			)
			alive.unref()
			try {
				const result = await run((detail) => {
					last = detail
					line(`  ${detail}`)
				})
				line(`${name}: done in ${seconds(now() - began)}`)
				return result
			} catch (error) {
				line(`${name}: FAILED after ${seconds(now() - began)}`)
				throw error
			} finally {
				clearInterval(alive)
				depth -= 1
			}
		},
	}
}
