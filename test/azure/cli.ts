// `AZURE_VAULT_URL=https://NAME.vault.azure.net npm run azure-check [-- --out FOLDER]`: asks a real vault what the emulator is
// believed to do as well, by your `az login` or whatever DefaultAzureCredential finds. It sets and deletes a few secrets.
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DefaultAzureCredential } from '@azure/identity'
import { type Ask, reportOf, runChecks } from './checks.ts'

const ROOT = join(import.meta.dirname, '../..')
const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'deploy/azure/reports') } } })
const url = process.env['AZURE_VAULT_URL']
const host = url && URL.canParse(url) ? new URL(url).host : ''
if (!/^[a-z0-9-]{3,24}\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)$/.test(host)) {
	process.stderr.write('set AZURE_VAULT_URL to a vault for tests, such as https://my-tests.vault.azure.net\n')
	process.exit(2)
}

const credential = new DefaultAzureCredential()
const ask: Ask = async (path, { method = 'GET', body, token = true } = {}) => {
	const scope = `https://${host.slice(host.indexOf('.') + 1)}/.default`
	const bearer = token ? { authorization: `Bearer ${(await credential.getToken(scope)).token}` } : {}
	const answer = await fetch(`https://${host}${path}`, {
		method,
		headers: { 'content-type': 'application/json', ...bearer },
		...(body ? { body: JSON.stringify(body) } : {}),
		// As long as the operator itself waits for an answer.
		signal: AbortSignal.timeout(30_000),
	})
	const text = await answer.text()
	return {
		status: answer.status,
		headers: Object.fromEntries(answer.headers),
		body: text.startsWith('{') ? (JSON.parse(text) as object) : {},
	}
}

const at = new Date()
const results = await runChecks(ask, `asb-check-${randomBytes(4).toString('hex')}`)
const report = reportOf(results, host, at)
mkdirSync(values.out, { recursive: true })
const file = join(values.out, `${at.toISOString().slice(0, 10)}-${host}.md`)
writeFileSync(file, report)
process.stdout.write(`${report}\nwritten to ${file}\n`)
process.exitCode = results.some(({ problem }) => problem !== undefined) ? 1 : 0
