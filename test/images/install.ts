// Installs emulator and operator into the cluster, as demo, end-to-end tests and benchmarks need them.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { CONTROL_PATH } from 'azure-key-vault-emulator'
import { createKubeTransport } from '../../operator/src/adapters/kube/transport.ts'
import { type Cluster, cacheFolder, type Progress } from '../cluster/index.ts'
import { CA_FILE, CA_KEY_FILE, loadAuthority } from '../emulator/src/tls/authority.ts'
import { applyObjects, getObject, kubectl } from '../kit/kubectl.ts'
import { until } from '../kit/until.ts'
import { CONTROL_PORT, EMULATOR_NAME, EMULATOR_NAMESPACE, emulatorObjects } from './emulator-objects.ts'
import { hostAliasesFor, writeOverlay } from './overlay.ts'

const KUSTOMIZATION = join(import.meta.dirname, '../../deploy/kustomize')
export const OPERATOR_NAMESPACE = 'azure-secret-binding-system'
const OPERATOR = 'deployment/azure-secret-binding-operator'
/** Seconds. Images are in the node already; a start takes a few, also on a busy machine. */
const ROLLOUT_S = 180

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
		const folder = join(cacheFolder(), 'emulator-ca')
		const { certPem } = await loadAuthority(folder, Date.now())
		const ca = { [CA_FILE]: certPem, [CA_KEY_FILE]: readFileSync(join(folder, CA_KEY_FILE), 'utf8') }
		await applyObjects(cluster, emulatorObjects({ image, tenantId, vaults, ca, runId: randomUUID() }))
		await rollout(cluster, EMULATOR_NAMESPACE, `deployment/${EMULATOR_NAME}`)
		const service = await getObject<{ spec: { clusterIP: string } }>(cluster, [
			'-n',
			EMULATOR_NAMESPACE,
			'service',
			EMULATOR_NAME,
		])
		const proxyPath = `/api/v1/namespaces/${EMULATOR_NAMESPACE}/services/http:${EMULATOR_NAME}:${CONTROL_PORT}/proxy`
		await controlAnswers(cluster, proxyPath)
		return { ip: service.spec.clusterIP, caPem: certPem, proxyPath, namespace: EMULATOR_NAMESPACE }
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

/** Waits for a rollout. Its failure tells what the pods said: `rollout status` alone only says that time ran out. */
async function rollout(cluster: Cluster, namespace: string, what: string): Promise<void> {
	try {
		await kubectl(cluster, ['-n', namespace, 'rollout', 'status', what, `--timeout=${ROLLOUT_S}s`], {
			timeoutMs: (ROLLOUT_S + 10) * 1000,
		})
	} catch (error) {
		const ask = (...args: string[]) =>
			kubectl(cluster, ['-n', namespace, ...args]).catch((problem: Error) => problem.message)
		const [pods, events, log] = await Promise.all([
			ask('get', 'pods', '-o', 'wide'),
			ask('get', 'events', '--field-selector=type=Warning', '--sort-by=.lastTimestamp'),
			ask('logs', what, '--tail=20'),
		])
		throw new Error(`${(error as Error).message}\n${pods}\n${events}\n${log}`, { cause: error })
	}
}
