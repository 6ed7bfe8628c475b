// What words alone promise: `node --conditions=asb-source test/tools/fields.ts` fails for
// 1. a field of the resource's spec that no code of the operator reads, or that has no heading in crds/README.md;
// 2. a comment that names an entry of operator/FACTS.md that is not there, or a page outside of the repository.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildCrd } from '../../operator/src/api/crd.ts'

const ROOT = join(import.meta.dirname, '../..')
const text = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const isTest = (path: string) => /\.test\.ts$|\/testing\/|node_modules/.test(path)
const sources = globSync('operator/src/**/*.ts', { cwd: ROOT }).filter((path) => !isTest(path))
const problems: string[] = []

interface Schema {
	properties?: Record<string, Schema>
	items?: Schema
}
/** Paths of all fields, such as `spec.secrets[].name`. */
function fieldsOf({ properties = {}, items }: Schema, path: string): string[] {
	const inItems = items ? fieldsOf(items, `${path}[]`) : []
	return [
		...Object.entries(properties).flatMap(([name, each]) => [`${path}.${name}`, ...fieldsOf(each, `${path}.${name}`)]),
		...inItems,
	]
}

const crd = JSON.stringify(buildCrd())
const schema = JSON.parse(crd).spec.versions[0].schema.openAPIV3Schema as Schema
const fields = fieldsOf(schema.properties?.['spec'] ?? {}, 'spec')
// A run that found nothing has not looked.
if (fields.length === 0) problems.push('no field was found in the schema')
const reference = text('crds/README.md')
// A comment that names a field does not read it.
const readers = sources
	.filter((path) => !path.startsWith('operator/src/api/') || path.endsWith('/parse.ts'))
	.map((path) => text(path).replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, ''))
	.join('\n')
// A heading may name several fields, each as code. What only holds other fields is described by theirs.
const headings = [...reference.matchAll(/^#{2,}.*$/gm)].flatMap(([heading]) =>
	[...heading.matchAll(/`([^`]+)`/g)].map(([, field = '']) => field),
)
const hasHeading = (field: string) =>
	headings.some((each) => each === field || each.startsWith(`${field}.`) || each.startsWith(`${field}[].`))
for (const field of fields) {
	const name = field.split('.').at(-1) ?? ''
	if (!new RegExp(`\\b${name}\\b`).test(readers))
		problems.push(`${field}: nothing in operator/src reads it. A field that is accepted must do something.`)
	if (!hasHeading(field)) problems.push(`${field}: crds/README.md has no heading \`${field}\`. Write what it does below one.`)
}
for (const heading of headings) {
	if (heading.startsWith('spec.') && !fields.includes(heading))
		problems.push(`crds/README.md: the heading \`${heading}\` is of no field of the schema.`)
}

const entries = new Set(
	[...text('operator/FACTS.md').matchAll(/^## (.+)$/gm)].map(([, name = '']) => name.replaceAll(' ', '-')),
)
for (const path of globSync('{operator,runtime-store,test}/**/*.{ts,md}', { cwd: ROOT }).filter(
	(each) => !each.includes('node_modules'),
)) {
	for (const [, entry = ''] of text(path).matchAll(/FACTS\.md#([\w-]+)/g)) {
		if (!entries.has(entry)) problems.push(`${path}: operator/FACTS.md has no entry "${entry}"`)
	}
	for (const [cited] of text(path).matchAll(
		/\(design \d+\)|\bdesign \d+ (?:promises|says)|\b(?:keyvault|kubernetes|purista)\.md \d/g,
	))
		problems.push(
			`${path}: cites "${cited}", which is not in the repository. Write the reason, or an entry of operator/FACTS.md.`,
		)
}

for (const problem of problems) console.log(problem)
if (problems.length > 0) process.exitCode = 1
