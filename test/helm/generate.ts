// Writes what the chart has from elsewhere: files/ from crds/ and deploy/, and values.yaml, values.schema.json and the table of
// its README from values.ts. With --check it only says what differs.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { CHART_VALUES } from './values.ts'

const ROOT = join(import.meta.dirname, '../..')
const CHART = 'deploy/helm/azure-secret-binding'

/** File of the chart → what it is made of, in this order. */
const COPIES: Readonly<Record<string, readonly string[]>> = {
	'crd.yaml': ['crds/secrets.purista.dev_azuresecretbindings.yaml'],
	'fence.yaml': ['tokens', 'secrets', 'pods', 'events'].map((name) => `deploy/kustomize/fence/${name}.yaml`),
	'account.yaml': ['serviceaccount', 'role'].map((name) => `deploy/kustomize/base/${name}.yaml`),
	'lease.yaml': ['deploy/kustomize/base/lease.yaml'],
	'cluster-role.yaml': ['deploy/kustomize/base/clusterrole.yaml'],
	'tenant.yaml': ['deploy/kustomize/base/tenant.yaml'],
	'everywhere.yaml': ['deploy/kustomize/everywhere/clusterrolebinding.yaml'],
	'metrics-auth.yaml': ['deploy/kustomize/metrics-auth/rbac.yaml'],
	'network-policy.yaml': ['deploy/kustomize/network-policy/networkpolicy.yaml'],
	'node.yaml': ['namespace', 'rbac', 'events', 'csidriver'].map((name) => `deploy/kustomize/node/${name}.yaml`),
	'node-daemonset.yaml': ['deploy/kustomize/node/daemonset.yaml'],
	'alerts.yaml': ['deploy/grafana/alerts.yaml'],
	'dashboard.json': ['deploy/grafana/dashboard.json'],
}

interface Node {
	type: 'object'
	additionalProperties: false
	properties: Record<string, unknown>
}

const node = (): Node => ({ type: 'object', additionalProperties: false, properties: {} })

function schemaAndValues(): { schema: object; values: object } {
	const schema = node()
	const values: Record<string, unknown> = {}
	// Helm hands these to every chart that is part of another one.
	schema.properties['global'] = { type: 'object' }
	for (const entry of CHART_VALUES) {
		const steps = entry.path.split('.')
		const last = steps.pop() ?? ''
		let at = schema
		let into = values
		for (const step of steps) {
			at.properties[step] ??= node()
			at = at.properties[step] as Node
			into[step] ??= {}
			into = into[step] as Record<string, unknown>
		}
		at.properties[last] = { ...entry.schema, description: entry.text }
		into[last] = entry.value
	}
	return { schema: { $schema: 'https://json-schema.org/draft-07/schema#', ...schema }, values }
}

const table = (): string =>
	[
		'| value | default | what |',
		'|---|---|---|',
		...CHART_VALUES.map(({ path, value, text }) => `| \`${path}\` | \`${JSON.stringify(value)}\` | ${text} |`),
	].join('\n')

function generated(): Map<string, string> {
	const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
	const files = new Map<string, string>()
	for (const [file, sources] of Object.entries(COPIES))
		files.set(`${CHART}/files/${file}`, sources.map(read).join(file.endsWith('.yaml') ? '---\n' : ''))
	const { schema, values } = schemaAndValues()
	const head = '# Generated from test/helm/values.ts by `npm run generate`. README.md says what each is.\n'
	files.set(`${CHART}/values.yaml`, head + stringify(values))
	files.set(`${CHART}/values.schema.json`, `${JSON.stringify(schema, undefined, '\t')}\n`)
	const readme = `${CHART}/README.md`
	const [before, rest] = read(readme).split('<!-- values -->\n')
	const [, after] = rest?.split('<!-- end of values -->') ?? []
	if (after === undefined) throw new Error(`${readme} has no place for the table of values`)
	files.set(readme, `${before}<!-- values -->\n${table()}\n<!-- end of values -->${after}`)
	return files
}

const check = process.argv.includes('--check')
for (const [file, content] of generated()) {
	if (!check) writeFileSync(join(ROOT, file), content)
	else if (content !== readFileSync(join(ROOT, file), 'utf8')) {
		process.stderr.write(`${file} differs from its sources: npm run generate\n`)
		process.exitCode = 1
	}
}
