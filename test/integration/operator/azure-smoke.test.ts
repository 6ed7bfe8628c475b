// The Secret smoke of `npm run azure-check`, with this cluster in the role of AKS and the emulator in that of Azure.
import { randomUUID } from 'node:crypto'
import { ClientSecretCredential } from '@azure/identity'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Ask } from '../../azure/checks.ts'
import { type SmokeTarget, secretSmoke, volumeSmoke } from '../../azure/smoke.ts'
import { cleanUp } from '../../azure/vault.ts'
import { send } from '../../emulator/conformance/send.ts'
import { applyObjects, kubectl } from '../../kit/kubectl.ts'
import { openStage, type Stage } from './stage.ts'

const PREFIX = 'asb-check-1a2b3c4d-'

describe('the Secret smoke of azure-check', () => {
	let stage: Stage
	let target: SmokeTarget
	beforeAll(async () => {
		stage = await openStage({ name: 'azure-smoke' })
		await stage.start()
		const { emulator, vault, namespace } = stage
		const client = { clientId: randomUUID(), clientSecret: randomUUID() }
		await emulator.control.addClient({ ...client, name: 'tester' })
		await emulator.control.grant({ clientId: client.clientId, role: 'Key Vault Secrets Officer', vault })
		const agent = emulator.agent()
		const options = { authorityHost: emulator.authorityHost, disableInstanceDiscovery: true, agent }
		const credential = new ClientSecretCredential(emulator.tenantId, client.clientId, client.clientSecret, options)
		const ask: Ask = async (path, { method = 'GET', body } = {}) => {
			const { token } = await credential.getToken('https://vault.azure.net/.default')
			const headers = { authorization: `Bearer ${token}` }
			const answer = await send(agent, `${emulator.vaultUrl(vault)}${path}`, { method, headers, body })
			return { status: answer.status, headers: {}, body: (answer.body ?? {}) as object }
		}
		target = {
			...{ access: stage.target, namespace, serviceAccount: 'payments', ask, prefix: PREFIX, image: 'none' },
			...{ vaultUrl: `https://${vault}.vault.azure.net`, timeoutMs: 60_000 },
		}
	})
	afterAll(() => stage?.close())
	const ours = async () => {
		const all = await kubectl(stage.target, ['-n', stage.namespace, 'get', 'asb,secret', '-o', 'name'])
		return all.split('\n').filter((name) => name.includes(PREFIX))
	}

	it('sees the secret and its rotation arrive, and leaves nothing in the cluster and the vault', async () => {
		const results = await secretSmoke(target)
		expect(results.map(({ problem, notAsked }) => problem ?? notAsked)).toEqual([undefined, undefined, undefined])
		expect(results.map(({ title }) => title)).toContain('Secret: a rotation arrives')
		await expect.poll(ours, { timeout: 30_000 }).toEqual([])
		expect(await cleanUp(target.ask, PREFIX, 1)).toEqual([])
	})

	it('says what the operator says when the value does not come, and asks no more', async () => {
		await stage.emulator.control.revoke({
			clientId: stage.clientId,
			role: 'Key Vault Secrets User',
			vault: stage.vault,
		})
		const results = await secretSmoke({ ...target, timeoutMs: 5_000 })
		expect(results[0]?.problem).toMatch(/waited 5 s for the binding to be Ready.*Ready=False/)
		expect(results.slice(1).map(({ notAsked }) => notAsked)).toEqual(Array(2).fill('the step before it failed'))
	})

	it.each([
		['a namespace', { namespace: 'nowhere' }, 'there is no namespace nowhere: name one with --namespace'],
		['a ServiceAccount', { serviceAccount: 'nobody' }, 'has no ServiceAccount nobody: name one with --service-account'],
		['its annotations', { serviceAccount: 'bare' }, 'annotate serviceaccount bare azure.workload.identity/client-id='],
	])('refuses to begin without %s, with what to do', async (_what, changed, message) => {
		const bare = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: stage.namespace, name: 'bare' } }
		await applyObjects(stage.target, [bare])
		await expect(secretSmoke({ ...target, ...changed })).rejects.toThrow(message)
	})

	it('refuses to try a volume without the node role', async () => {
		const driver = await kubectl(stage.target, ['get', 'csidriver', 'secrets.purista.dev', '--ignore-not-found'])
		// The cluster of the whole suite may have it; then e2e tries the volume.
		if (driver.trim() === '') await expect(volumeSmoke(target)).rejects.toThrow('--set volume.enabled=true')
	})
})
