import { execFile } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { VERSIONS } from '../cluster/versions.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const CHART = join(ROOT, 'deploy/helm/azure-secret-binding')

export interface Rendered {
	apiVersion: string
	kind: string
	metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
	[field: string]: unknown
}

// The dashboard and the CRD together are 100 kB; the default of 1 MiB leaves little for a chart that grows.
const MAX_BUFFER = 16 * 1024 * 1024

/** A Helm that is built from its module does not know for which Kubernetes it was made. */
const KUBERNETES = ['--kube-version', VERSIONS.KUBERNETES]

const parse = (text: string) =>
	parseAllDocuments(text)
		.map((document) => document.toJS() as Rendered | null)
		.filter((object) => object !== null)

/** Objects of `helm template` with these values; rejects with what Helm says. */
export async function renderChart(
	helm: string,
	values: Readonly<Record<string, unknown>> = {},
	namespace = 'azure-secret-binding-system',
): Promise<Rendered[]> {
	const sets = Object.entries(values).flatMap(([path, value]) => ['--set-json', `${path}=${JSON.stringify(value)}`])
	const { stdout } = await run(helm, ['template', 'asb', CHART, '--namespace', namespace, ...KUBERNETES, ...sets], {
		maxBuffer: MAX_BUFFER,
	})
	return parse(stdout)
}

/** Objects of a folder below deploy/kustomize, or of one elsewhere. */
export async function renderKustomize(kubectl: string, folder: string): Promise<Rendered[]> {
	const path = join(ROOT, 'deploy/kustomize', folder)
	const { stdout } = await run(kubectl, ['kustomize', path], { maxBuffer: MAX_BUFFER })
	return parse(stdout)
}

/** Objects of folders below deploy/kustomize with components of it, as an overlay names them. */
export async function renderOverlay(
	kubectl: string,
	resources: readonly string[],
	components: readonly string[],
): Promise<Rendered[]> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-overlay-'))
	try {
		const at = (each: string) => relative(realpathSync(folder), join(ROOT, 'deploy/kustomize', each))
		const overlay = { sortOptions: { order: 'fifo' }, resources: resources.map(at), components: components.map(at) }
		writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(overlay))
		const { stdout } = await run(kubectl, ['kustomize', folder], { maxBuffer: MAX_BUFFER })
		return parse(stdout)
	} finally {
		rmSync(folder, { recursive: true, force: true })
	}
}
