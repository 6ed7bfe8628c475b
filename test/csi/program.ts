import { join } from 'node:path'
import { findGo } from '../cluster/build/go.ts'
import { buildProgram } from '../cluster/build/programs.ts'
import { contextOf } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'

/** csi-sanity of kubernetes-csi/csi-test, built once into the cache (two minutes of one core). @returns undefined: no Go here */
export async function csiSanity(): Promise<string | undefined> {
	const context = contextOf(createProgress())
	const go = await findGo(context).catch(() => undefined)
	if (!go) return undefined
	const folder = await buildProgram(context, go, {
		name: 'csi-sanity',
		version: 'v5.6.0',
		outputs: { 'csi-sanity': 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity' },
	})
	return join(folder, 'csi-sanity')
}
