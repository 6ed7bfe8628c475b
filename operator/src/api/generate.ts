// Writes the CRD, or with --check compares it with the committed file: `npm run generate`.
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { GROUP, PLURAL } from './constants.ts'
import { buildCrd } from './crd.ts'

const name = `crds/${GROUP}_${PLURAL}.yaml`
const file = fileURLToPath(new URL(`../../../${name}`, import.meta.url))
const text = `# Generated from operator/src/api/schema.ts by \`npm run generate\`. Do not edit.\n${stringify(buildCrd(), { lineWidth: 0, aliasDuplicateObjects: false })}`

if (process.argv.includes('--check')) {
	const committed = await readFile(file, 'utf8').catch(() => '')
	if (committed !== text) {
		console.error(`${name} is not what the schema says: run \`npm run generate\` and commit it`)
		process.exitCode = 1
	}
} else {
	await writeFile(file, text)
	console.log(`wrote ${name}`)
}
