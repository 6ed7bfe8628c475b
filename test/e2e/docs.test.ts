// The command blocks of the task pages and of the troubleshooting page, as they stand there and in their order, with the
// emulator for Azure. Two things are others than on the page: the image (no registry here), and `az` (kit/az-stand-in.ts).
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { OPERATOR_NAME, OPERATOR_NAMESPACE } from '../emulator/src/kind/identity.ts'
import { hostAliasesFor } from '../emulator/src/kind/pods.ts'
import { writeOverlay } from '../images/overlay.ts'
import { type AzStandIn, startAzStandIn } from '../kit/az-stand-in.ts'
import { type Binding, condition, decoded, type KubeSecret, printedCommand } from '../kit/binding.ts'
import { getObject, kubectl } from '../kit/kubectl.ts'
import { blocksOf } from '../kit/pages.ts'
import { openShell, type Shell } from '../kit/shell.ts'
import { EXCHANGE_AUDIENCE, SECRETS_USER } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const TEST = 'test/e2e/docs.test.ts'
const NAMESPACES = ['payments', 'shop', 'orders', 'hello']
/** The image of our service has node and nothing else. */
const BUSYBOX: readonly (readonly [RegExp, string])[] = [
	[/command: \[sleep, infinity\]/g, "command: [/usr/local/bin/node, -e, 'setInterval(() => {}, 60000)']"],
	[/-- cat (\S+)/g, `-- /usr/local/bin/node -e 'process.stdout.write(fs.readFileSync("$1"))'`],
]

describe('the pages by task, run as they stand', () => {
	let world: World
	let az: AzStandIn
	let shell: Shell
	let folder: string
	const ran = new Set<string>()

	/** The blocks of a page; each has to be taken by some test of this file. */
	function page(path: string) {
		const blocks = blocksOf(path, TEST)
		const text = (index: number): string => {
			const block = blocks[index]
			if (!block) throw new Error(`${path} has no block ${index}`)
			ran.add(`${path}:${block.line}`)
			return block.text
		}
		const run = (index: number): Promise<string> => {
			const images = text(index).replaceAll('busybox:1.37', world.images.service)
			return shell.run(BUSYBOX.reduce((sofar, [from, to]) => sofar.replaceAll(from, to), images))
		}
		return { all: blocks.keys(), text, run }
	}
	const binding = (namespace: string, name = namespace) =>
		getObject<Binding>(world.target, ['-n', namespace, 'asb', name])
	const secret = (namespace: string, name: string) =>
		getObject<KubeSecret>(world.target, ['-n', namespace, 'secret', name])
	/** Runs the one `az` line that the condition Fresh prints for this reason, as somebody who copies it. */
	const runPrinted = async (namespace: string, reason: string) => {
		const fresh = await until(reason, async () => {
			const found = condition(await binding(namespace), 'Fresh')
			return found?.reason === reason ? found : undefined
		})
		await shell.run(printedCommand(fresh.message))
	}
	const pollNow = (namespace: string) => {
		const annotation = `secrets.purista.dev/requested-at=${randomUUID()}`
		return kubectl(world.target, ['-n', namespace, 'annotate', 'asb', namespace, '--overwrite', annotation])
	}

	beforeAll(async () => {
		world = await connectWorld()
		const { target, control, tenantId, images, emulator, vaults } = world
		await kubectl(target, ['delete', 'namespace', ...NAMESPACES, '--ignore-not-found'])
		folder = mkdtempSync(join(world.folder, 'docs-'))
		const clientId = randomUUID()
		await control.addClient({ clientId, name: 'payments' })
		az = await startAzStandIn({ control, tenantId, identities: new Map([['payments', clientId]]), folder })
		const to = `'${target.kubectl}' --kubeconfig '${target.kubeconfig}' --context '${target.context}'`
		writeFileSync(join(folder, 'kubectl'), `#!/bin/sh\nexec ${to} "$@"\n`, { mode: 0o700 })
		const overlay = join(folder, 'overlay')
		const base = join(ROOT, 'deploy/kustomize')
		const hostAliases = hostAliasesFor(emulator.ip, vaults)
		const { operator: image } = images
		writeOverlay(overlay, { base, image, hostAliases, caPem: emulator.caPem, runId: randomUUID() })
		const PATH = `${folder}:${process.env['PATH']}`
		const registry = { REGISTRY_USER: 'robot', REGISTRY_PASSWORD: 'local-only' }
		shell = openShell({ cwd: overlay, env: { ...process.env, ...target.env, ...az.env, ...registry, PATH } })
	})
	afterAll(async () => {
		await shell?.close()
		await az?.close()
		await kubectl(world.target, ['delete', 'namespace', ...NAMESPACES, '--ignore-not-found', '--wait=false'])
		rmSync(folder, { recursive: true, force: true })
	})

	it('first binding: from a namespace to a file in a pod, by the lines that the binding prints', async () => {
		await world.control.setSecret({ vault: 'payments-prod', name: 'payments-db', value: 'postgres://first' })
		const { run } = page('crds/tasks/first-binding.md')
		for (const index of [0, 1, 2]) await run(index)
		await runPrinted('payments', 'FederationNotFound')
		await pollNow('payments')
		await runPrinted('payments', 'ForbiddenByRbac')
		expect(await run(3)).toContain('condition met')
		expect(await run(4)).toMatch(/postgres:\/\/first$/)
	})

	it('troubleshooting: each command to look works on a binding and its pod', async () => {
		const { all, run } = page('crds/troubleshooting.md')
		const printed: string[] = []
		for (const index of all) printed.push(await run(index))
		expect(printed.join('\n')).toMatch(/dbConnectionString\tCurrent/)
		expect(printed.join('\n')).toContain('azure-secret-binding-tenant')
	})

	it('an incident: the version before the bad one is held, and the hold ends', async () => {
		const bad = await world.control.setSecret({ vault: 'payments-prod', name: 'payments-db', value: 'postgres://bad' })
		await pollNow('payments')
		const delivered = async (value: string) =>
			until(value, async () => decoded(await secret('payments', 'payments-secrets'), 'dbConnectionString') === value)
		await delivered('postgres://bad')
		const { run } = page('crds/tasks/incident.md')
		expect(await run(0)).toContain(bad.version)
		await run(1)
		await delivered('postgres://first')
		expect(condition(await binding('payments'), 'Fresh')).toMatchObject({ status: 'True', reason: 'Held' })
		await run(2)
		await run(3)
		const mended = await until('the end of the hold', async () => {
			const found = await binding('payments')
			return condition(found, 'Fresh')?.reason === 'Current' ? found : undefined
		})
		await delivered('postgres://first')
		const { version } = await world.control.getSecret({ vault: 'payments-prod', name: 'payments-db' })
		expect(mended.status?.secrets?.[0]?.version).toBe(version)
	})

	it('rotate a database password: the file has the new one, and .previous the old one', async () => {
		await world.control.setSecret({ vault: 'payments-prod', name: 'payments-db-password', value: 'old-password' })
		const { run, text } = page('crds/tasks/rotate-database-password.md')
		const patch = JSON.stringify({ spec: parse(text(0)) as unknown })
		await kubectl(world.target, ['-n', 'payments', 'patch', 'asb', 'payments', '--type', 'merge', '-p', patch])
		const value = async (key: string) => decoded(await secret('payments', 'payments-secrets'), key)
		await until('the first password', async () => (await value('dbPassword')) === 'old-password')
		await run(1)
		await run(2)
		const next = await shell.run('printf %s "$NEW"')
		expect(next).toHaveLength(44)
		await until('the new password', async () => (await value('dbPassword')) === next)
		await until('the old password beside it', async () => (await value('dbPassword.previous')) === 'old-password')
	})

	it('image pull secret: a Secret of the type that the kubelet takes', async () => {
		const { run } = page('crds/tasks/image-pull-secret.md')
		await run(0)
		expect(await run(1)).toContain('kubernetes.io/dockerconfigjson')
		const json = decoded(await secret('payments', 'registry'), '.dockerconfigjson')
		const { auths } = JSON.parse(json) as { auths: unknown }
		expect(auths).toEqual({ 'registry.example.com': { auth: Buffer.from('robot:local-only').toString('base64') } })
	})

	it('many namespaces, and TLS for an ingress in one of them', async () => {
		for (const namespace of ['shop', 'orders']) await kubectl(world.target, ['create', 'namespace', namespace])
		const many = page('crds/tasks/many-namespaces.md')
		expect(await many.run(0)).toContain('payments-prod')
		await many.run(1)
		const { control, tenantId, target } = world
		const clientId = randomUUID()
		const discovery = await kubectl(target, ['get', '--raw', '/.well-known/openid-configuration'])
		const { issuer } = JSON.parse(discovery) as { issuer: string }
		const subject = 'system:serviceaccount:shop:shop'
		await control.addClient({ clientId, name: 'shop' })
		await control.addFederatedCredential({ clientId, name: 'kind', issuer, subject, audience: EXCHANGE_AUDIENCE })
		await control.grant({ clientId, role: SECRETS_USER, vault: 'shop-prod' })
		await control.addCertificate({ vault: 'shop-prod', name: 'shop' })
		await kubectl(target, ['-n', 'shop', 'create', 'serviceaccount', 'shop'])
		const ids = ['client-id', 'tenant-id'].map(
			(name, i) => `azure.workload.identity/${name}=${[clientId, tenantId][i]}`,
		)
		await kubectl(target, ['-n', 'shop', 'annotate', 'serviceaccount', 'shop', ...ids])
		const { run } = page('crds/tasks/ingress-tls.md')
		await run(0)
		expect(await run(1)).toMatch(/subject=.*\nnotAfter=/)
	})

	it('sizing and cost: the calls to the vault are counted', async () => {
		expect(await page('crds/tasks/sizing-and-cost.md').run(0)).toMatch(
			/^asb_vault_calls_total\{vault="payments-prod\./m,
		)
	})

	it('upgrade: the overlay is applied, the operator rolls out, and bindings stay Ready', async () => {
		const { run } = page('crds/tasks/upgrade.md')
		expect(await run(0)).toContain('test-run')
		expect(await run(1)).toMatch(/payments +payments +True +True/)
	})

	it('uninstall: the binding goes, and its Secret stays', async () => {
		const { run } = page('crds/tasks/uninstall.md')
		await run(0)
		await run(1)
		expect(await kubectl(world.target, ['-n', 'payments', 'get', 'asb', '-o', 'name'])).toBe('')
		expect(decoded(await secret('payments', 'payments-secrets'), 'dbConnectionString')).toBe('postgres://first')
	})

	it('AKS, from nothing: from an identity to a file in a pod', async () => {
		await world.control.setSecret({ vault: 'payments-prod', name: 'hello', value: 'from Key Vault' })
		const { run } = page('crds/tasks/aks.md')
		await shell.run('GROUP=secrets-hello NAMESPACE=hello VAULT=payments-prod')
		for (const index of [0, 1]) await run(index)
		expect(await run(2)).toContain('az identity federated-credential create')
		await runPrinted('hello', 'FederationNotFound')
		expect(await run(3)).toContain('az role assignment create')
		await runPrinted('hello', 'ForbiddenByRbac')
		expect(await run(4)).toContain('condition met')
		expect(await run(5)).toMatch(/from Key Vault$/)
	})

	it('README: a binding of your own, its fault and its mending', async () => {
		const { control, target } = world
		const { metadata } = await getObject<{ metadata: { annotations: Record<string, string> } }>(target, [
			...['-n', 'payments', 'serviceaccount', 'payments'],
		])
		const clientId = metadata.annotations['azure.workload.identity/client-id'] ?? ''
		await control.grant({ clientId, role: SECRETS_USER, vault: 'payments' })
		const grant = [
			'--clusterrole=azure-secret-binding-tenant',
			`--serviceaccount=${OPERATOR_NAMESPACE}:${OPERATOR_NAME}`,
		]
		await kubectl(target, ['-n', 'payments', 'create', 'rolebinding', 'azure-secret-binding', ...grant])
		const { run } = page('README.md')
		await shell.run('NAMESPACE=payments')
		expect(await run(0)).toContain('SecretAbsent')
		expect(await run(1)).toMatch(/k-1$/)
		await shell.run('kill $!')
		// The other fault of the section, which is prose there: a role that is taken away on the page, and given back.
		const role = { clientId, role: SECRETS_USER, vault: 'payments' }
		const fresh = async (reason: string) => {
			const again = `secrets.purista.dev/requested-at=${randomUUID()}`
			await kubectl(target, ['-n', 'payments', 'annotate', 'asb', 'mine', '--overwrite', again])
			return until(reason, async () => {
				const found = await binding('payments', 'mine')
				return condition(found, 'Fresh')?.reason === reason ? found : undefined
			})
		}
		await control.revoke(role)
		expect(condition(await fresh('ForbiddenByRbac'), 'Ready')?.status).toBe('True')
		expect(decoded(await secret('payments', 'mine'), 'apiKey')).toBe('k-1')
		await control.grant(role)
		await fresh('Current')
	})

	it('every block that names this file was run', () => {
		const reference = readdirSync(join(ROOT, 'crds'), { recursive: true, encoding: 'utf8' })
		const pages = ['README.md', ...reference.map((path) => `crds/${path}`)].filter((path) => path.endsWith('.md'))
		const marked = pages.flatMap((path) => blocksOf(path, TEST).map(({ line }) => `${path}:${line}`))
		expect([...ran].toSorted()).toEqual(marked.toSorted())
	})
})
