import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { type Entry, gzip, writeTar } from './tar.ts'

const CHART = join(import.meta.dirname, '../../deploy/helm/azure-secret-binding')

export interface ChartOptions {
	readonly version: string
	/** Where the images are; empty: the user says it, and the digest is left out. */
	readonly registry: string
	/** Of the operator's image. */
	readonly digest: string
}

/** The chart as an archive that Helm installs: with its version and, where a registry is named, the image by digest. */
export function packChart({ version, registry, digest }: ChartOptions): Buffer {
	const entries = readdirSync(CHART, { recursive: true, withFileTypes: true })
		.filter((each) => each.isFile())
		.map((each): Entry => {
			const file = join(each.parentPath, each.name)
			const path = file.slice(CHART.length + 1)
			const content = readFileSync(file, 'utf8')
			const changed =
				path === 'Chart.yaml'
					? edited(content, [
							[['version'], version],
							[['appVersion'], version],
						])
					: path === 'values.yaml' && registry
						? edited(content, [
								[['image', 'registry'], registry],
								[['image', 'digest'], digest],
							])
						: content
			return { path: `azure-secret-binding/${path}`, content: Buffer.from(changed) }
		})
	return gzip(writeTar(entries.filter(({ content }) => content !== undefined)))
}

function edited(text: string, changes: ReadonlyArray<readonly [path: string[], value: string]>): string {
	const document = parseDocument(text)
	for (const [path, value] of changes) document.setIn(path, value)
	return document.toString()
}
