import { join } from 'node:path'
import { findGo } from '../cluster/build/go.ts'
import { buildProgram } from '../cluster/build/programs.ts'
import { contextOf } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { VERSIONS } from '../cluster/versions.ts'

/** Helm, built once into the cache (five minutes of one core). @returns undefined: no Go here */
export async function helmProgram(): Promise<string | undefined> {
	const context = contextOf(createProgress())
	const go = await findGo(context).catch(() => undefined)
	if (!go) return undefined
	const folder = await buildProgram(context, go, {
		name: 'helm',
		version: VERSIONS.HELM,
		outputs: { helm: 'helm.sh/helm/v4/cmd/helm' },
	})
	return join(folder, 'helm')
}
