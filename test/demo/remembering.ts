import type { Progress } from '../cluster/progress.ts'

/** Names the step that failed: the innermost one, for steps nest. */
export function remembering(progress: Progress): Progress & { failed: string | undefined } {
	const self = {
		failed: undefined as string | undefined,
		step: async <T>(name: string, run: (say: (detail: string) => void) => Promise<T>): Promise<T> =>
			progress.step(name, async (say) => {
				try {
					return await run(say)
				} catch (error) {
					self.failed ??= name
					throw error
				}
			}),
	}
	return self
}
