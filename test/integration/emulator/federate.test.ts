// ServiceAccount tokens of a real cluster, judged by keys that kubectl read from it.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ensureCluster } from '../../cluster/index.ts'
import { API, AUDIENCE, openBench } from '../../emulator/conformance/kit.ts'
import { kubeconfigIssuer } from '../../emulator/src/cli/federate.ts'

describe('a cluster of a kubeconfig', () => {
	it('has its ServiceAccount tokens accepted for their subject and audience, and only for those', async () => {
		const quiet = { step: <T>(_: string, run: (say: (detail: string) => void) => Promise<T>) => run(() => {}) }
		const cluster = await ensureCluster({ progress: quiet, holder: 'integration tests of the emulator' })
		const createToken = async (...args: string[]): Promise<string> => {
			const target = ['--kubeconfig', cluster.kubeconfig, '--context', cluster.context, '--namespace', 'default']
			return (
				await promisify(execFile)(cluster.kubectl, [...target, 'create', 'token', 'default', ...args])
			).stdout.trim()
		}
		const bench = await openBench()
		try {
			const { control } = bench.emulator
			const trusted = await kubeconfigIssuer(cluster.kubeconfig, cluster.kubectl)
			await control.trustIssuer(trusted)
			const clientId = '55555555-5555-4555-8555-555555555555'
			const subject = 'system:serviceaccount:default:default'
			await control.addClient({ clientId })
			await control.addFederatedCredential({
				clientId,
				name: 'cluster',
				issuer: trusted.issuer,
				subject,
				audience: AUDIENCE,
			})
			await control.grant({ clientId, role: 'Key Vault Secrets User', vault: 'payments' })
			await control.setSecret({ vault: 'payments', name: 'one', value: 'v' })
			const exchange = async (token: string) =>
				bench.askToken(await bench.form({ client_id: clientId, client_assertion: token }))
			const exchanged = await exchange(await createToken('--audience', AUDIENCE))
			expect(exchanged.status, exchanged.text).toBe(200)
			expect((await bench.raw(`/secrets/one?${API}`, { token: exchanged.entra.access_token })).bundle.value).toBe('v')
			expect((await exchange(await createToken())).entra.error_codes).toEqual([700212])
		} finally {
			await bench.close()
		}
	})
})
