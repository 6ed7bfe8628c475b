// `npm run azure-check`: asks a real vault what the emulator is believed to do as well, and tries the deliveries on a real cluster.
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DefaultAzureCredential } from '@azure/identity'
import { reportOf, runChecks, type Section } from './checks.ts'
import { runConformance } from './conformance.ts'
import { Missing, needs, type SmokeTarget, secretSmoke, volumeSmoke } from './smoke.ts'
import { askOf, cleanUp } from './vault.ts'

const ROOT = join(import.meta.dirname, '../..')
const HELP = `npm run azure-check -- [options]

By your az login, or whatever DefaultAzureCredential finds. All names that it makes in the vault begin with asb-check- and eight
random hexadecimal digits; it deletes and purges them at its end, and when Ctrl-C ends it. Use a vault for tests, with the role Key Vault Secrets Officer.

  --vault-url URL         default: AZURE_VAULT_URL
  --out FOLDER            of the dated report; default: deploy/azure/reports
  --settle SECONDS        how much longer than 4 s a deletion may take to show; default: 10
  --only PARTS            some of checks,conformance,secret,volume; default: the first two, and with --namespace all
  --namespace NAME        tries the deliveries there, with kubectl
  --service-account NAME  of that namespace, federated with an identity that reads the vault
  --kubeconfig FILE, --context NAME, --kubectl FILE   default: those of kubectl
  --pod-image IMAGE       with node at /usr/local/bin/node; default: node:24-bookworm-slim
`
const PARTS = ['checks', 'conformance', 'secret', 'volume'] as const

function refuse(message: string): never {
	process.stderr.write(`${message}\n`)
	process.exit(2)
}

function readOptions() {
	const text = { type: 'string' } as const
	try {
		return parseArgs({
			options: {
				...{ 'vault-url': text, out: text, settle: text, only: text, namespace: text, 'service-account': text },
				...{ kubeconfig: text, context: text, kubectl: text, 'pod-image': text, help: { type: 'boolean' } as const },
			},
		}).values
	} catch (error) {
		return refuse(`${error instanceof Error ? error.message : ''}\n\n${HELP}`)
	}
}

const values = readOptions()
if (values.help) {
	process.stdout.write(HELP)
	process.exit(0)
}
const { namespace, 'service-account': serviceAccount } = values
const url = values['vault-url'] ?? process.env['AZURE_VAULT_URL'] ?? ''
const host = URL.canParse(url) ? new URL(url).host : ''
if (!/^[a-z0-9-]{3,24}\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)$/.test(host))
	refuse('name a vault for tests by --vault-url or AZURE_VAULT_URL, such as https://my-tests.vault.azure.net')
const parts = values.only?.split(',') ?? (namespace ? [...PARTS] : ['checks', 'conformance'])
const unknown = parts.find((part) => !(PARTS as readonly string[]).includes(part))
if (unknown !== undefined) refuse(`--only takes ${PARTS.join(', ')}: there is no ${unknown}`)
const settle = Number(values.settle ?? 10)
if (!(settle >= 0 && settle <= 120)) refuse('--settle takes seconds from 0 to 120')

const prefix = `asb-check-${randomBytes(4).toString('hex')}-`
const ask = askOf(host, new DefaultAzureCredential())
const smokes = [
	['volume', 'Volume', volumeSmoke],
	['secret', 'Secret', secretSmoke],
] as const
const { kubeconfig, context, kubectl } = values
const target = (): SmokeTarget => ({
	access: { ...(kubeconfig ? { kubeconfig } : {}), ...(context ? { context } : {}), ...(kubectl ? { kubectl } : {}) },
	namespace: namespace ?? refuse('name a namespace by --namespace for the smokes'),
	serviceAccount: serviceAccount ?? refuse('name a ServiceAccount of the namespace by --service-account'),
	...{ vaultUrl: `https://${host}`, ask, prefix, image: values['pod-image'] ?? 'node:24-bookworm-slim' },
})

/** Before anything is written: what is missing ends it with the line that helps. */
async function inspect(): Promise<void> {
	try {
		for (const [part, delivery] of smokes) if (parts.includes(part)) await needs(target(), delivery)
	} catch (error) {
		if (error instanceof Missing) refuse(error.message)
		throw error
	}
}

async function sectionsOf(): Promise<Section[]> {
	const sections: Section[] = []
	if (parts.includes('checks'))
		sections.push({ title: 'What the operator stands on', results: await runChecks(ask, `${prefix}c`) })
	if (parts.includes('conformance')) {
		const results = await runConformance({ url: `https://${host}`, prefix, settleMs: settle * 1000 })
		sections.push({ title: 'Conformance suite of the emulator', results })
	}
	for (const [part, delivery, smoke] of smokes.toReversed())
		if (parts.includes(part)) sections.push({ title: `${delivery} delivery`, results: await smoke(target()) })
	return sections
}

await inspect()
const at = new Date()
process.stdout.write(`secrets of this run begin with ${prefix}\n`)
const stopped = new Promise<never>((_, reject) => {
	for (const name of ['SIGINT', 'SIGTERM'] as const)
		process.once(name, () => reject(new Error(`ended by ${name}; what it made in the vault is taken away`)))
})
let sections: Section[]
try {
	sections = await Promise.race([sectionsOf(), stopped])
} catch (error) {
	// What went wrong first is what is told, whatever becomes of the rest.
	const stays = await cleanUp(ask, prefix).catch(() => [`all that begins with ${prefix}`])
	process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
	if (stays.length > 0) process.stderr.write(`left in the vault: ${stays.join(', ')}\n`)
	process.exit(1)
}
const left = await cleanUp(ask, prefix)
const report = reportOf(sections, host, at)
const out = values.out ?? join(ROOT, 'deploy/azure/reports')
mkdirSync(out, { recursive: true })
const file = join(out, `${at.toISOString().slice(0, 10)}-${host}.md`)
writeFileSync(file, report)
process.stdout.write(`${report}\nwritten to ${file}\n`)
if (left.length > 0)
	process.stdout.write(
		`${left.length} secrets that begin with ${prefix} could not be purged: your role or the vault forbids it\n`,
	)
const failed = sections.some(({ results }) => results.some(({ problem }) => problem !== undefined))
process.exitCode = failed || left.length > 0 ? 1 : 0
