// ServiceAccount tokens of a real cluster, judged by keys that kubectl read from it.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ClientAssertionCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { startEmulator } from 'azure-key-vault-emulator'
import { describe, expect, it } from 'vitest'
import { ensureCluster } from '../../cluster/index.ts'
import { kubeconfigIssuer } from '../../emulator/src/cli/federate.ts'

const AUDIENCE = 'api://AzureADTokenExchange'

describe('a cluster of a kubeconfig', () => {
	it('has its ServiceAccount tokens accepted for their subject and audience, and only for those', async () => {
		const quiet = { step: <T>(_: string, run: (say: (detail: string) => void) => Promise<T>) => run(() => {}) }
		const cluster = await ensureCluster({ progress: quiet, holder: 'integration tests of the emulator' })
		const createToken = async (...args: string[]): Promise<string> => {
			const context = ['--kubeconfig', cluster.kubeconfig, '--context', cluster.context]
			const command = [...context, '--namespace', 'default', 'create', 'token', ...args]
			return (await promisify(execFile)(cluster.kubectl, command)).stdout.trim()
		}
		const emulator = await startEmulator({ vaults: ['payments'] })
		try {
			const { control } = emulator
			const trusted = await kubeconfigIssuer(cluster.kubeconfig, cluster.kubectl)
			await control.trustIssuer(trusted)
			const clientId = '55555555-5555-4555-8555-555555555555'
			await control.addClient({ clientId })
			await control.addFederatedCredential({
				clientId,
				name: 'cluster',
				issuer: trusted.issuer,
				subject: 'system:serviceaccount:default:default',
				audience: AUDIENCE,
			})
			await control.grant({ clientId, role: 'Key Vault Secrets User', vault: 'payments' })
			await control.setSecret({ vault: 'payments', name: 'one', value: 'v' })
			const agent = emulator.agent()
			const read = async (token: string): Promise<string | undefined> => {
				const options = { authorityHost: emulator.authorityHost, disableInstanceDiscovery: true, agent }
				const credential = new ClientAssertionCredential(
					emulator.tenantId,
					clientId,
					() => Promise.resolve(token),
					options,
				)
				return (await new SecretClient(emulator.vaultUrl('payments'), credential, { agent }).getSecret('one')).value
			}
			expect(await read(await createToken('default', '--audience', AUDIENCE))).toBe('v')
			await expect(createToken('default').then(read)).rejects.toThrow(/AADSTS700212/)
		} finally {
			await emulator.close()
		}
	})
})
