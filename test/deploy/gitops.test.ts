// The examples of deploy/gitops against the chart: neither Flux nor Argo CD is here to run them.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'

interface Thing {
	kind: string
	metadata: { name: string; annotations?: Record<string, string> }
	spec: {
		values?: object
		source?: { chart?: string; targetRevision?: string; helm?: { releaseName: string; valuesObject: object } }
		releaseName?: string
		targetNamespace?: string
		destination?: { namespace?: string }
		chartRef?: { kind: string; name: string }
		ref?: { semver: string }
		url?: string
		wait?: boolean
		dependsOn?: { name: string }[]
		syncPolicy?: { automated?: object; retry?: { limit: number }; syncOptions: string[] }
	}
}
interface Schema {
	properties?: Record<string, Schema>
	additionalProperties?: unknown
}

const DEPLOY = new URL('../../deploy/', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, DEPLOY), 'utf8')
const things = (file: string) => parseAllDocuments(read(`gitops/${file}`)).map((each) => each.toJS() as Thing)
const chart = parse(read('helm/azure-secret-binding/Chart.yaml')) as { name: string; version: string }
const schema = JSON.parse(read('helm/azure-secret-binding/values.schema.json')) as Schema

/** Paths of values that the chart does not have. */
function unknownValues(values: object, { properties = {}, additionalProperties }: Schema, path = ''): string[] {
	return Object.entries(values).flatMap(([name, value]: [string, unknown]) => {
		const own = properties[name]
		if (own === undefined) return additionalProperties === false ? [`${path}${name}`] : []
		return typeof value === 'object' && value !== null ? unknownValues(value, own, `${path}${name}.`) : []
	})
}
const NAMESPACE = 'azure-secret-binding-system'
/** `0.1.x` takes the chart of now. */
const takes = (range: string | undefined) => range === chart.version.replace(/\d+$/, 'x')

it('a misspelt value would be found', () => {
	expect(unknownValues({ image: { tga: '1' }, ha: true }, schema)).toEqual(['image.tga'])
})

describe('Argo CD', () => {
	const all = things('argocd.yaml')
	const [operator, tenants] = all
	it('syncs the chart of now with values that it has, before the tenants', () => {
		expect(all.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
			'Application azure-secret-binding',
			'Application tenants',
		])
		const { source, destination } = operator?.spec ?? {}
		expect([source?.chart, takes(source?.targetRevision), destination?.namespace]).toEqual([
			chart.name,
			true,
			NAMESPACE,
		])
		expect(unknownValues(source?.helm?.valuesObject ?? {}, schema)).toEqual([])
		const wave = (thing: Thing | undefined) => Number(thing?.metadata.annotations?.['argocd.argoproj.io/sync-wave'])
		expect(wave(operator)).toBeLessThan(wave(tenants))
	})
	it('tries again when a binding comes before its kind', () => {
		expect(tenants?.spec.syncPolicy?.syncOptions).toContain('SkipDryRunOnMissingResource=true')
		expect(tenants?.spec.syncPolicy?.retry?.limit).toBeGreaterThan(3)
	})
	it('asks before it takes the driver away', () => {
		const set = parse(read('kustomize/node/daemonset.yaml')) as Thing
		expect(set.metadata.annotations?.['argocd.argoproj.io/sync-options']).toBe('Prune=confirm,Delete=confirm')
	})
})

describe('Flux', () => {
	const all = things('flux.yaml')
	const of = (kind: string) => all.filter((each) => each.kind === kind)
	it('installs the chart of now with values that it has', () => {
		const [source] = of('OCIRepository')
		expect([source?.spec.url?.endsWith(`/${chart.name}`), takes(source?.spec.ref?.semver)]).toEqual([true, true])
		const [release] = of('HelmRelease')
		expect(release?.spec.chartRef).toEqual({ kind: 'OCIRepository', name: source?.metadata.name })
		expect(release?.spec.targetNamespace).toBe(NAMESPACE)
		expect(unknownValues(release?.spec.values ?? {}, schema)).toEqual([])
	})
	it('lets the tenants wait for the operator, and itself for their bindings', () => {
		const [operator, tenants] = of('Kustomization')
		expect(tenants?.spec.dependsOn).toEqual([{ name: operator?.metadata.name }])
		expect([operator?.spec.wait, tenants?.spec.wait]).toEqual([true, true])
	})
})
