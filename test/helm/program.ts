import { join } from 'node:path'
import { findGo } from '../cluster/build/go.ts'
import { buildKubernetes } from '../cluster/build/kubernetes.ts'
import { buildProgram } from '../cluster/build/programs.ts'
import { contextOf } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { VERSIONS } from '../cluster/versions.ts'

/** Helm and kubectl, built once into the cache (Helm takes five minutes of one core). @returns undefined: no Go here */
export async function renderers(): Promise<{ helm: string; kubectl: string } | undefined> {
	const context = contextOf(createProgress())
	const go = await findGo(context).catch(() => undefined)
	if (!go) return undefined
	const folder = await buildProgram(context, go, {
		name: 'helm',
		version: VERSIONS.HELM,
		outputs: { helm: 'helm.sh/helm/v4/cmd/helm' },
	})
	return { helm: join(folder, 'helm'), kubectl: await buildKubernetes(context, go, 'kubectl') }
}
