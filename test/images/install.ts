// Installs emulator and operator into the cluster, as demo, end-to-end tests and benchmarks need them.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { CONTROL_PATH } from 'azure-key-vault-emulator'
import { createKubeTransport } from '../../operator/src/cluster/transport.ts'
import { type Cluster, cacheFolder, type Progress } from '../cluster/index.ts'
import { OPERATOR_NAME, OPERATOR_NAMESPACE } from '../emulator/src/kind/identity.ts'
import { installEmulator as installInto, rollout } from '../emulator/src/kind/install.ts'
import { CONTROL_PORT, EMULATOR_NAME, EMULATOR_NAMESPACE } from '../emulator/src/kind/objects.ts'
import { hostAliasesFor } from '../emulator/src/kind/pods.ts'
import { kubectl } from '../kit/kubectl.ts'
import { until } from '../kit/until.ts'
import { writeOverlay } from './overlay.ts'

const KUSTOMIZATION = join(import.meta.dirname, '../../deploy/kustomize')

export { OPERATOR_NAMESPACE }

const OPERATOR = `deployment/${OPERATOR_NAME}`

/** The emulator in the cluster. */
export interface InstalledEmulator {
	/** Address of its Service: what pods get as hostAliases. */
	readonly ip: string
	/** PEM of the CA that signs its certificates. */
	readonly caPem: string
	/** Path of the control API through the API server's service proxy; `emulatorControl` takes it as base URL. */
	readonly proxyPath: string
	readonly namespace: string
}

/** Starts an empty emulator with these vaults, ending one that was there. Resolves when its control API answers. */
export async function installEmulator(options: {
	cluster: Cluster
	progress: Progress
	image: string
	tenantId: string
	vaults: readonly string[]
}): Promise<InstalledEmulator> {
	const { cluster, progress, image, tenantId, vaults } = options
	return progress.step('emulator: Key Vault and Entra as a pod', async () => {
		// One CA for a machine, so that pods that trusted it once still do.
		const caFolder = join(cacheFolder(), 'emulator-ca')
		const { ip, caPem } = await installInto(cluster, { image, tenantId, vaults, caFolder })
		const proxyPath = `/api/v1/namespaces/${EMULATOR_NAMESPACE}/services/http:${EMULATOR_NAME}:${CONTROL_PORT}/proxy`
		await controlAnswers(cluster, proxyPath)
		return { ip, caPem, proxyPath, namespace: EMULATOR_NAMESPACE }
	})
}

/** Waits for the control API: a ready pod is not yet an endpoint that the API server's proxy knows. */
async function controlAnswers(cluster: Cluster, proxyPath: string): Promise<void> {
	const kubeConfig = new KubeConfig()
	kubeConfig.loadFromFile(cluster.kubeconfig)
	kubeConfig.setCurrentContext(cluster.context)
	const api = createKubeTransport({ kubeConfig })
	try {
		const path = `${proxyPath}${CONTROL_PATH}/listVaults`
		await until('the control API of the emulator', () => api.request<object>({ method: 'POST', path, body: {} }))
	} finally {
		await api.close()
	}
}

/** Installs deploy/kustomize with an overlay that leads to the emulator. Resolves when the operator is ready. */
export async function installOperator(options: {
	cluster: Cluster
	progress: Progress
	image: string
	emulator: InstalledEmulator
	vaults: readonly string[]
}): Promise<void> {
	const { cluster, progress, image, emulator, vaults } = options
	await progress.step('operator: kubectl apply -k', async () => {
		const folder = mkdtempSync(join(tmpdir(), 'asb-overlay-'))
		try {
			const hostAliases = hostAliasesFor(emulator.ip, vaults)
			writeOverlay(folder, { base: KUSTOMIZATION, image, hostAliases, caPem: emulator.caPem, runId: randomUUID() })
			await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '-k', folder])
		} finally {
			rmSync(folder, { recursive: true, force: true })
		}
		await kubectl(cluster, [
			'wait',
			'crd/azuresecretbindings.secrets.purista.dev',
			'--for=condition=Established',
			'--timeout=60s',
		])
		await rollout(cluster, OPERATOR_NAMESPACE, OPERATOR)
	})
}
