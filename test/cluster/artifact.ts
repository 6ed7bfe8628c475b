import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from './context.ts'

/** Short name of a set of inputs: equal inputs, equal key. */
export function keyOf(inputs: unknown): string {
	return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16)
}

export interface Artifact {
	/** Name of the step; also of its folder and its log. */
	readonly name: string
	/** What a person sees; default the name. */
	readonly title?: string
	/** Everything that decides the result: versions, flags, file contents. JSON. */
	readonly inputs: unknown
	/** Writes the result into `folder`. */
	build(folder: string, tools: { say: (detail: string) => void; log: string }): Promise<void>
}

/**
 * Answers the folder with the result of a build step, building it when it is not there.
 *
 * 1. The folder is built/NAME/KEY; when it exists, it is whole (3): a second run stops here.
 * 2. Otherwise it is built in KEY.part, which an interrupted run may have left: that one is emptied first.
 * 3. KEY.part is renamed to KEY. Nothing else ever makes a folder of that name.
 * 4. Results for other keys of the same step are removed: another version replaced them.
 */
export async function artifact(context: Context, step: Artifact): Promise<string> {
	const home = join(context.paths.built, step.name)
	const key = keyOf(step.inputs)
	const folder = join(home, key)
	if (existsSync(folder)) return folder
	const part = `${folder}.part`
	const log = join(context.paths.logs, `${step.name}.log`)
	await context.progress.step(step.title ?? step.name, async (say) => {
		rmSync(part, { recursive: true, force: true })
		rmSync(log, { force: true })
		mkdirSync(part, { recursive: true })
		await step.build(part, { say, log })
		renameSync(part, folder)
		for (const other of readdirSync(home))
			if (other !== key) rmSync(join(home, other), { recursive: true, force: true })
	})
	return folder
}
