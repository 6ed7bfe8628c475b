import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { brokenRules, kstatus } from '../../kit/kstatus.ts'
import { kubectl } from '../../kit/kubectl.ts'
import { until } from '../../kit/until.ts'
import { openStage, type Stage } from './stage.ts'

interface Schema {
	type?: string
	description?: string
	properties?: Record<string, Schema>
	items?: Schema
}

/** Every field under `schema`, by the path that `kubectl explain` takes. */
function fieldsOf(path: string, schema: Schema): [path: string, schema: Schema][] {
	const { properties = {} } = schema.items ?? schema
	return Object.entries(properties).flatMap(([name, field]) => {
		const at = `${path}.${name}`
		return [[at, field] as [string, Schema], ...fieldsOf(at, field)]
	})
}

// What a user can ask the API server about the resource. No operator runs.
describe('the resource', () => {
	let stage: Stage
	let fields: [string, Schema][]
	beforeAll(async () => {
		stage = await openStage({ name: 'explain' })
		const { spec } = await stage.api.request<{
			spec: { versions: { name: string; schema: { openAPIV3Schema: Schema } }[] }
		}>({
			method: 'GET',
			path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/azuresecretbindings.secrets.purista.dev',
		})
		const root = spec.versions.find(({ name }) => name === 'v1alpha1')?.schema.openAPIV3Schema
		fields = fieldsOf('asb', root ?? {}).filter(([path]) => /^asb\.(spec|status)/.test(path))
	})
	afterAll(() => stage?.close())

	it('says a sentence about every field', () => {
		// As many as there were when this was written: an empty walk would find nothing wrong either.
		expect(fields.length).toBeGreaterThan(50)
		const dumb = fields.filter(([, { description = '' }]) => !/^\S.*\.$/s.test(description.trim()))
		expect(dumb.map(([path]) => path)).toEqual([])
	})

	it.each(['spec', 'status'])('is explained by kubectl: asb.%s, with all that is under it', async (part) => {
		// The API server publishes a definition a moment after it was applied.
		const text = await until('kubectl explain', () => kubectl(stage.target, ['explain', `asb.${part}`, '--recursive']))
		const shown = new Set(text.match(/^\s+\w+(?=\t<)/gm)?.map((line) => line.trim()))
		const names = fields.filter(([path]) => path.startsWith(`asb.${part}.`)).map(([path]) => path.split('.').at(-1))
		expect(names.filter((name) => !shown.has(name ?? ''))).toEqual([])
	})

	it('has no field of which kubectl says <no description>', async () => {
		const objects = fields.filter(([, schema]) => (schema.items ?? schema).properties).map(([path]) => path)
		expect(objects).toContain('asb.spec.delivery.secret')
		for (const path of objects) {
			expect(`${path}: ${await kubectl(stage.target, ['explain', path])}`).not.toContain('<no description>')
		}
	})
})

describe('a status on a stage', () => {
	const status = (path: string) => ({ method: 'PATCH', path: `${path}/status` }) as const
	const path = ({ namespace }: Stage) =>
		`/apis/secrets.purista.dev/v1alpha1/namespaces/${namespace}/azuresecretbindings/payments`

	it('that broke a rule for a moment fails the test at its end', async () => {
		const stage = await openStage({ name: 'broken' })
		await stage.apply('payments', { secrets: [{ name: 'a' }] })
		const at = path(stage)
		const ready = { type: 'Ready', status: 'True', reason: 'Delivered', lastTransitionTime: '2026-01-01T00:00:00Z' }
		const fresh = { ...ready, type: 'Fresh', reason: 'Current', message: 'm', observedGeneration: 1 }
		const good = { observedGeneration: 1, conditions: [{ ...ready, message: 'm', observedGeneration: 1 }, fresh] }
		const broken = { observedGeneration: 1, conditions: [{ ...ready, message: '', observedGeneration: 1 }, fresh] }
		for (const each of [good, broken, good]) await stage.api.request({ ...status(at), body: { status: each } })
		expect(brokenRules(await stage.binding('payments'))).toEqual([])
		await expect(stage.close()).rejects.toThrow('payments broke the rule: Ready has a message')
	})

	// Until somebody has looked at it, a new binding has no status, and kstatus takes a resource that says nothing for done: a
	// `flux` or `kstatus` wait that is fast enough would end before the operator has begun. The default of the status is for this.
	it('of a binding that nobody has looked at yet is in progress', async () => {
		const stage = await openStage({ name: 'unseen' })
		try {
			await stage.apply('payments', { secrets: [{ name: 'a' }] })
			expect(kstatus(await stage.binding('payments'))).toBe('InProgress')
		} finally {
			await stage.close()
		}
	})
})
