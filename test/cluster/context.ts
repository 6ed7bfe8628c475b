import type { Paths } from './paths.ts'
import type { Progress } from './progress.ts'

/** What every step gets. */
export interface Context {
	readonly paths: Paths
	readonly progress: Progress
	readonly signal: AbortSignal | undefined
}
