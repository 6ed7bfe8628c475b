// Brings an emulator into a cluster, or finds the one that is there, and points the operator to it.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CA_FILE, CA_KEY_FILE, loadAuthority } from '../tls/authority.ts'
import { OPERATOR_NAME, OPERATOR_NAMESPACE } from './identity.ts'
import { applyObjects, type ClusterAccess, getObject, kubectl } from './kubectl.ts'
import { CA_SECRET, EMULATOR_NAME, EMULATOR_NAMESPACE, emulatorObjects } from './objects.ts'
import { caConfigMap, type HostAlias, hostAliasesFor, operatorPatch } from './pods.ts'

/** Seconds. Images are in the node already; a start takes a few, also on a busy machine. */
const ROLLOUT_S = 180

export interface EmulatorInCluster {
	/** Address of its Service: what pods get as hostAliases. */
	readonly ip: string
	/** PEM of the CA that signs its certificates. */
	readonly caPem: string
}

/** Starts an empty emulator, ending one that was there. Resolves when it is ready. */
export async function installEmulator(
	access: ClusterAccess,
	options: { image: string; tenantId: string; vaults: readonly string[]; caFolder: string },
): Promise<EmulatorInCluster> {
	const { image, tenantId, vaults, caFolder } = options
	const { certPem } = await loadAuthority(caFolder, Date.now())
	const ca = { [CA_FILE]: certPem, [CA_KEY_FILE]: await readFile(join(caFolder, CA_KEY_FILE), 'utf8') }
	await applyObjects(access, emulatorObjects({ image, tenantId, vaults, ca, runId: randomUUID() }))
	return emulatorThere(access)
}

/** The emulator that is in the cluster, once it is ready. */
export async function emulatorThere(access: ClusterAccess): Promise<EmulatorInCluster> {
	await rollout(access, EMULATOR_NAMESPACE, `deployment/${EMULATOR_NAME}`)
	const inNamespace = ['-n', EMULATOR_NAMESPACE]
	const { spec } = await getObject<{ spec: { clusterIP: string } }>(access, [...inNamespace, 'service', EMULATOR_NAME])
	const { data } = await getObject<{ data: Record<string, string> }>(access, [...inNamespace, 'secret', CA_SECRET])
	return { ip: spec.clusterIP, caPem: Buffer.from(data[CA_FILE] ?? '', 'base64').toString('utf8') }
}

export async function isEmulatorThere(access: ClusterAccess): Promise<boolean> {
	const found = await kubectl(access, [
		...['-n', EMULATOR_NAMESPACE, 'get', 'deployment', EMULATOR_NAME, '--ignore-not-found', '-o', 'name'],
	])
	return found.trim() !== ''
}

interface OperatorDeployment {
	readonly spec: { readonly template: { readonly spec: { readonly hostAliases?: readonly HostAlias[] } } }
}

/** Leads the operator to the emulator for these vaults as well as those it knows. Without need, nothing is changed. */
export async function pointOperator(
	access: ClusterAccess,
	{ ip, caPem }: EmulatorInCluster,
	vaults: readonly string[],
): Promise<void> {
	const deployment = await getObject<OperatorDeployment>(access, [
		...['-n', OPERATOR_NAMESPACE, 'deployment', OPERATOR_NAME],
	]).catch((error: unknown) => {
		throw new Error(
			`azure-secret-binding is not installed in this cluster: kubectl apply --server-side -k deploy/kustomize`,
			{
				cause: error,
			},
		)
	})
	const known = (deployment.spec.template.spec.hostAliases ?? []).find((each) => each.ip === ip)?.hostnames ?? []
	const [alias] = hostAliasesFor(ip, vaults)
	const hostnames = [...new Set([...known, ...(alias?.hostnames ?? [])])]
	await applyObjects(access, [caConfigMap(OPERATOR_NAMESPACE, caPem)])
	if (hostnames.length > known.length) await patchOperator(access, [{ ip, hostnames }])
	await rollout(access, OPERATOR_NAMESPACE, `deployment/${OPERATOR_NAME}`)
}

/** A strategic merge: lists of the Deployment are merged by name, so what the operator has besides stays. */
export async function patchOperator(access: ClusterAccess, hostAliases: readonly HostAlias[]): Promise<void> {
	const patch = JSON.stringify(operatorPatch(hostAliases))
	await kubectl(access, [
		'-n',
		OPERATOR_NAMESPACE,
		'patch',
		'deployment',
		OPERATOR_NAME,
		'--type=strategic',
		'-p',
		patch,
	])
}

/** Waits for a rollout. Its failure tells what the pods said: `rollout status` alone only says that time ran out. */
export async function rollout(access: ClusterAccess, namespace: string, what: string): Promise<void> {
	try {
		await kubectl(access, ['-n', namespace, 'rollout', 'status', what, `--timeout=${ROLLOUT_S}s`], {
			timeoutMs: (ROLLOUT_S + 10) * 1000,
		})
	} catch (error) {
		const ask = (...args: string[]): Promise<string> =>
			kubectl(access, ['-n', namespace, ...args]).catch((problem: Error) => problem.message)
		const [pods, events, log] = await Promise.all([
			ask('get', 'pods', '-o', 'wide'),
			ask('get', 'events', '--field-selector=type=Warning', '--sort-by=.lastTimestamp'),
			ask('logs', what, '--tail=20'),
		])
		throw new Error(`${(error as Error).message}\n${pods}\n${events}\n${log}`, { cause: error })
	}
}
