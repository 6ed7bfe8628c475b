// The five commands of test/emulator/docs/kind.md in a folder that has nothing of this repository, with the packed emulator and a
// checkout beside it. Of the five the cluster is there already, and the images are in it; the Service of the emulator keeps its address.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureCluster } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { EMULATOR_NAME, EMULATOR_NAMESPACE } from '../emulator/src/kind/objects.ts'
import { installEmulator, installOperator } from '../images/install.ts'
import { condition } from '../kit/binding.ts'
import { getObject, kubectl } from '../kit/kubectl.ts'
import { openShell, type Shell } from '../kit/shell.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'
import { readMarkdown } from '../tools/docs/markdown.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PAGE = readMarkdown(readFileSync(join(ROOT, 'test/emulator/docs/kind.md'), 'utf8'))
const NAMESPACES = ['payments', 'shop']
/** Milliseconds: an install, two starts of pods, a first delivery. */
const TIMEOUT_MS = 300_000

/** The block of the page that has these words. */
function block(words: string): string {
	const found = PAGE.blocks.find(({ text }) => text.includes(words))
	if (!found) throw new Error(`no block of the page has ${words}`)
	return found.text
}

describe('the page on kind tests of others', () => {
	let world: World
	let shell: Shell
	let folder: string
	const removeDeployment = () =>
		kubectl(world.target, ['-n', EMULATOR_NAMESPACE, 'delete', 'deployment', EMULATOR_NAME, '--ignore-not-found'])

	beforeAll(async () => {
		world = await connectWorld()
		const { target } = world
		await kubectl(target, ['delete', 'namespace', ...NAMESPACES, '--ignore-not-found'])
		await removeDeployment()
		folder = mkdtempSync(join(world.folder, 'kind-page-'))
		const project = join(folder, 'my-service')
		mkdirSync(join(project, 'operator'), { recursive: true })
		symlinkSync(ROOT, join(folder, 'azure-secret-binding'))
		const to = `'${target.kubectl}' --kubeconfig '${target.kubeconfig}' --context '${target.context}'`
		writeFileSync(join(folder, 'kubectl'), `#!/bin/sh\nexec ${to} "$@"\n`, { mode: 0o700 })
		const PATH = `${folder}:${process.env['PATH']}`
		shell = openShell({ cwd: project, env: { ...process.env, ...target.env, PATH, XDG_CACHE_HOME: folder } })
		const { operator, service } = world.images
		const colon = operator.lastIndexOf(':')
		const files = {
			'secrets.yaml': block('api-key: { value:'),
			'operator/kustomization.yaml': block('components: [../../azure-secret-binding')
				.replace('newName: azure-secret-binding-operator', `newName: ${operator.slice(0, colon)}`)
				.replace('newTag: dev', `newTag: ${operator.slice(colon + 1)}`)
				.replace('../../azure-secret-binding/deploy/kustomize/emulator', '../component'),
			'service.yaml': block('kind: AzureSecretBinding').replace('my-service:dev', service),
			'package.json': '{"private":true,"type":"module"}',
		}
		for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text)
	}, TIMEOUT_MS)
	afterAll(async () => {
		await shell?.close()
		const { target, images, tenantId, vaults } = world
		await kubectl(target, ['delete', 'namespace', ...NAMESPACES, '--ignore-not-found'])
		await removeDeployment()
		// As it was for the files after this one.
		const progress = createProgress()
		const cluster = await ensureCluster({ progress, holder: 'tests of the page on kind' })
		const emulator = await installEmulator({ cluster, progress, image: images.emulator, tenantId, vaults })
		await installOperator({ cluster, progress, image: images.operator, emulator, vaults })
		rmSync(folder, { recursive: true, force: true })
	}, TIMEOUT_MS)

	it('leads by its commands to a service that reads its mount', { timeout: TIMEOUT_MS }, async () => {
		await shell.run(block('npm pack --silent').split('\n').at(2) ?? '')
		const [create = '', load = '', apply = '', operator = '', service = ''] = block('kind create cluster')
			.trim()
			.split('\n')
		expect([create, load].every((each) => each.startsWith('kind '))).toBe(true)
		const address = `--cluster-ip ${world.emulator.ip}`
		expect(apply).toContain('npx azure-key-vault-emulator manifests --vault payments --seed secrets.yaml')
		await shell.run(apply.replace(' | ', ` ${address} --image ${world.images.emulator} | `))
		await shell.run(
			`mkdir component; npx azure-key-vault-emulator manifests --vault payments ${address} --print operator > component/kustomization.yaml`,
		)
		await shell.run(operator)
		await until('the kind of the binding', () => shell.run(service).then(() => true))
		await shell.run('kubectl -n payments wait asb/payments --for=condition=Ready --timeout=120s')
		await shell.run('kubectl -n payments rollout status deployment/payments --timeout=120s')
		const { items } = await getObject<{ items: { metadata: { name: string } }[] }>(world.target, [
			...['-n', 'payments', 'pods', '-l', 'app=payments'],
		])
		const path = `/api/v1/namespaces/payments/pods/${items[0]?.metadata.name}:8080/proxy/fingerprint`
		const body = { name: 'dbConnectionString' }
		// Its pod has no readiness probe: it may run and not listen yet.
		const seen = await until('the service to answer', () =>
			world.api.request<{ fingerprint: string }>({ method: 'POST', path, body }),
		)
		const value = /payments-db: (\S+)/.exec(block('api-key: { value:'))?.[1] ?? ''
		expect(seen.fingerprint).toBe(createHash('sha256').update(value).digest('hex').slice(0, 12))
		const binding = await getObject<Parameters<typeof condition>[0]>(world.target, [
			'-n',
			'payments',
			'asb',
			'payments',
		])
		expect(condition(binding, 'Fresh')?.status).toBe('True')
	})
})
