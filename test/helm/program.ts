import { join } from 'node:path'
import { findGo } from '../cluster/build/go.ts'
import { buildKubernetes } from '../cluster/build/kubernetes.ts'
import { buildProgram } from '../cluster/build/programs.ts'
import { contextOf } from '../cluster/index.ts'
import { createProgress, type Progress } from '../cluster/progress.ts'
import { VERSIONS } from '../cluster/versions.ts'

/** A Helm, built once into the cache (three to six minutes of one core). @returns undefined: no Go here */
export async function helmProgram(
	major: 3 | 4 = 4,
	progress: Progress = createProgress(),
): Promise<string | undefined> {
	const context = contextOf(progress)
	const go = await findGo(context).catch(() => undefined)
	if (!go) return undefined
	const [name, version] = major === 4 ? ['helm', VERSIONS.HELM] : ['helm3', VERSIONS.HELM_3]
	const outputs = { helm: `helm.sh/helm/v${major}/cmd/helm` }
	return join(await buildProgram(context, go, { name, version, outputs }), 'helm')
}

/** Helm of both majors, and the cluster's kubectl; no cluster is needed. @returns undefined: no Go here */
export async function renderers(): Promise<{ helm: string; helm3: string; kubectl: string } | undefined> {
	const progress = createProgress()
	const [helm, helm3] = [await helmProgram(4, progress), await helmProgram(3, progress)]
	if (!helm || !helm3) return undefined
	const context = contextOf(progress)
	return { helm, helm3, kubectl: await buildKubernetes(context, await findGo(context), 'kubectl') }
}
