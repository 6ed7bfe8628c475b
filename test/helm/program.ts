import { join } from 'node:path'
import { findGo } from '../cluster/build/go.ts'
import { buildProgram } from '../cluster/build/programs.ts'
import { contextOf, ensureCluster } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { VERSIONS } from '../cluster/versions.ts'

/** The cluster's kubectl, and Helm, built once into the cache (five minutes of one core). @returns undefined: no Go here */
export async function renderers(): Promise<{ helm: string; kubectl: string } | undefined> {
	const progress = createProgress()
	const context = contextOf(progress)
	const go = await findGo(context).catch(() => undefined)
	if (!go) return undefined
	const folder = await buildProgram(context, go, {
		name: 'helm',
		version: VERSIONS.HELM,
		outputs: { helm: 'helm.sh/helm/v4/cmd/helm' },
	})
	const { kubectl } = await ensureCluster({ progress, holder: 'tests of the chart' })
	return { helm: join(folder, 'helm'), kubectl }
}
