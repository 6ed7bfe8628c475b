// What words alone promise: `node --conditions=asb-source test/tools/fields.ts` fails for
// 1. a field of the resource's spec that no code of the operator reads, or that has no heading in crds/README.md;
// 2. a comment that names an entry of operator/FACTS.md that is not there, or a page outside of the repository.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildCrd } from '../../operator/src/api/crd.ts'
import { fieldProblems, fieldsOf, type Schema } from './docs/fields.ts'

const ROOT = join(import.meta.dirname, '../..')
const text = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const isTest = (path: string) => /\.test\.ts$|\/testing\/|node_modules/.test(path)
const sources = globSync('operator/src/**/*.ts', { cwd: ROOT }).filter((path) => !isTest(path))
const problems: string[] = []

const crd = JSON.stringify(buildCrd())
const schema = JSON.parse(crd).spec.versions[0].schema.openAPIV3Schema as Schema
const fields = fieldsOf(schema.properties?.['spec'] ?? {}, 'spec')
const readers = sources.filter((path) => !path.startsWith('operator/src/api/') || path.endsWith('/parse.ts')).map(text)
problems.push(...fieldProblems(fields, readers, text('crds/README.md')))

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
