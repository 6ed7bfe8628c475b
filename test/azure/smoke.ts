// The smoke on a cluster whose operator is installed: a secret of the vault arrives, and its rotation does too. What is compared and
// printed is the SHA-256 of a value, never the value.
import { createHash, randomBytes } from 'node:crypto'
import { applyObjects, type ClusterAccess, getObject, kubectl } from '../emulator/src/kind/kubectl.ts'
import { until } from '../emulator/src/kind/until.ts'
import { API, type Ask, type Result } from './checks.ts'

export interface SmokeTarget {
	readonly access: ClusterAccess
	readonly namespace: string
	/** Federated with an identity that reads the vault. */
	readonly serviceAccount: string
	readonly vaultUrl: string
	/** Writes into the vault as whoever runs the check. */
	readonly ask: Ask
	/** Of all names that it makes, in the vault and in the cluster. */
	readonly prefix: string
	/** Of the pod: one with node at /usr/local/bin/node. */
	readonly image: string
	/** Milliseconds for each wait; default ten minutes, as a role or a federated credential takes to arrive. */
	readonly timeoutMs?: number
}

/** Something that the smoke needs is not there: the message says what to do. */
export class Missing extends Error {}

const CRD = 'azuresecretbindings.secrets.purista.dev'
const DRIVER = 'secrets.purista.dev'
const WAIT_MS = 600_000
const MOUNT = '/var/run/secrets/azure-check'
const FILE = 'value'

const sha256 = (value: string | Buffer) => createHash('sha256').update(value).digest('hex')

/** @throws Missing naming the line to run */
export async function needs(target: SmokeTarget, delivery: 'Secret' | 'Volume'): Promise<void> {
	const { access, namespace, serviceAccount } = target
	const there = async (...args: string[]) => {
		const found = await kubectl(access, ['get', ...args, '--ignore-not-found', '-o', 'json'])
		return found.trim() === ''
			? undefined
			: (JSON.parse(found) as { metadata: { annotations?: Record<string, string> } })
	}
	if (!(await there('crd', CRD)))
		throw new Missing('the cluster has no AzureSecretBinding: install the chart of README "On AKS" first')
	if (!(await there('namespace', namespace)))
		throw new Missing(
			`there is no namespace ${namespace}: name one with --namespace, or kubectl create namespace ${namespace}`,
		)
	const account = await there('-n', namespace, 'serviceaccount', serviceAccount)
	if (!account)
		throw new Missing(
			`${namespace} has no ServiceAccount ${serviceAccount}: name one with --service-account, or make it as deploy/azure/README.md says`,
		)
	for (const name of ['client-id', 'tenant-id'])
		if (!account.metadata.annotations?.[`azure.workload.identity/${name}`])
			throw new Missing(
				`the ServiceAccount says no ${name}: kubectl -n ${namespace} annotate serviceaccount ${serviceAccount} azure.workload.identity/${name}=…`,
			)
	if (delivery === 'Volume' && !(await there('csidriver', DRIVER)))
		throw new Missing('the cluster has no node role: install the chart with --set volume.enabled=true')
}

/** Writes a new random value; answers what it is told by. */
async function rotate({ ask, prefix }: SmokeTarget, name: string): Promise<string> {
	const value = randomBytes(24).toString('base64url')
	const path = `/secrets/${prefix}${name}?${API}`
	const { status } = await ask(path, { method: 'PUT', body: { value, contentType: 'text/plain' } })
	if (status !== 200) throw new Error(`the vault answered ${status} to the write of a secret`)
	return sha256(value)
}

interface BindingView {
	readonly metadata: { readonly generation: number }
	readonly status?: {
		readonly observedGeneration?: number
		readonly conditions?: ReadonlyArray<{ type: string; status: string; reason: string; message: string }>
	}
}

async function bindAndWait(target: SmokeTarget, name: string, delivery: object, ready: boolean): Promise<void> {
	const { access, namespace, serviceAccount, vaultUrl, prefix, timeoutMs = WAIT_MS } = target
	await applyObjects(access, [
		{
			apiVersion: 'secrets.purista.dev/v1alpha1',
			kind: 'AzureSecretBinding',
			metadata: { namespace, name: `${prefix}${name}` },
			spec: {
				vault: { url: vaultUrl },
				identity: { serviceAccountName: serviceAccount },
				secrets: [{ name: FILE, objectName: `${prefix}${name}` }],
				delivery,
				// The shortest that the resource takes: somebody waits for it.
				refresh: { interval: '5s' },
			},
		},
	])
	if (!ready) return
	let told = ''
	await until(
		'the binding to be Ready',
		async () => {
			const { metadata, status } = await getObject<BindingView>(access, ['-n', namespace, 'asb', `${prefix}${name}`])
			const all = status?.observedGeneration === metadata.generation ? (status.conditions ?? []) : []
			told = all
				.map((each) => `${each.type}=${each.status} ${each.reason}: ${each.message.replaceAll('\n', ' ')}`)
				.join('; ')
			return all.some(({ type, status: is }) => type === 'Ready' && is === 'True')
		},
		{ timeoutMs },
	).catch((error: unknown) => {
		throw new Error(
			`${error instanceof Error ? error.message : 'unknown'} (${told || 'the operator said nothing yet'})`,
		)
	})
}

const remove = (target: SmokeTarget, ...args: string[]) =>
	kubectl(target.access, ['-n', target.namespace, 'delete', ...args, '--ignore-not-found', '--wait=false'])

type Step = readonly [title: string, run: () => Promise<unknown>]

/** One after the other; what stands on one that failed is not asked. */
async function inOrder(steps: readonly Step[]): Promise<Result[]> {
	const results: Result[] = []
	let broken = false
	for (const [title, run] of steps) {
		if (broken) {
			results.push({ title, problem: undefined, notAsked: 'the step before it failed' })
			continue
		}
		const problem = await run().then(
			() => undefined,
			(error: unknown) => (error instanceof Error ? error.message : 'unknown'),
		)
		broken = problem !== undefined
		results.push({ title, problem })
	}
	return results
}

/** @throws Missing */
export async function secretSmoke(target: SmokeTarget): Promise<Result[]> {
	await needs(target, 'Secret')
	const { access, namespace, prefix, timeoutMs = WAIT_MS } = target
	const secret = `${prefix}secret`
	const held = async () => {
		const { data = {} } = await getObject<{ data?: Record<string, string> }>(access, [
			'-n',
			namespace,
			'secret',
			secret,
		])
		return sha256(Buffer.from(data[FILE] ?? '', 'base64'))
	}
	let expected = ''
	const arrives = async () =>
		void (await until('the value in the Secret', async () => (await held()) === expected, { timeoutMs }))
	try {
		return await inOrder([
			[
				'Secret: the binding is Ready',
				async () => {
					expected = await rotate(target, 'secret')
					await bindAndWait(target, 'secret', { type: 'Secret', secret: { name: secret } }, true)
				},
			],
			['Secret: it holds the value, by its SHA-256', arrives],
			[
				'Secret: a rotation arrives',
				async () => {
					expected = await rotate(target, 'secret')
					await arrives()
				},
			],
		])
	} finally {
		await remove(target, 'asb', secret)
		await remove(target, 'secret', secret)
	}
}

/** Prints the file's SHA-256 each second: what the log then has is no value. */
const PRINTER = `const { readFileSync } = require('node:fs'), { createHash } = require('node:crypto')
setInterval(() => console.log(createHash('sha256').update(readFileSync('${MOUNT}/${FILE}')).digest('hex')), 1000)`

const podOf = ({ namespace, serviceAccount, prefix, image }: SmokeTarget) => ({
	apiVersion: 'v1',
	kind: 'Pod',
	metadata: { namespace, name: `${prefix}volume` },
	spec: {
		serviceAccountName: serviceAccount,
		automountServiceAccountToken: false,
		terminationGracePeriodSeconds: 0,
		securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
		containers: [
			{
				name: 'app',
				image,
				imagePullPolicy: 'IfNotPresent',
				command: ['/usr/local/bin/node', '-e', PRINTER],
				// What AKS' deployment safeguards ask of every container.
				resources: { requests: { cpu: '100m', memory: '100Mi' }, limits: { memory: '200Mi' } },
				securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
				volumeMounts: [{ name: 'secrets', mountPath: MOUNT, readOnly: true }],
			},
		],
		volumes: [
			{
				name: 'secrets',
				csi: { driver: DRIVER, readOnly: true, volumeAttributes: { binding: `${prefix}volume` } },
			},
		],
	},
})

/** Where the node role says why a pod waits, with what to do. */
async function lastEvent({ access, namespace }: SmokeTarget, pod: string): Promise<string> {
	const args = ['-n', namespace, 'events', `--field-selector=involvedObject.name=${pod}`]
	const { items } = await getObject<{ items: { reason: string; message: string }[] }>(access, args)
	const { reason, message } = items.findLast((each) => each.reason === 'SecretsNotMounted') ?? items.at(-1) ?? {}
	return reason ? `${reason}: ${message?.replaceAll('\n', ' ')}` : 'it has no event'
}

/** Needs a kubelet. @throws Missing */
export async function volumeSmoke(target: SmokeTarget): Promise<Result[]> {
	await needs(target, 'Volume')
	const { access, namespace, prefix, timeoutMs = WAIT_MS } = target
	const name = `${prefix}volume`
	const printed = async () => (await kubectl(access, ['-n', namespace, 'logs', name, '--tail=1'])).trim()
	let expected = ''
	const prints = async () =>
		void (await until('the SHA-256 in the log of the pod', async () => (await printed()) === expected, { timeoutMs }))
	try {
		return await inOrder([
			[
				'Volume: a pod that mounts the binding runs',
				async () => {
					expected = await rotate(target, 'volume')
					await bindAndWait(target, 'volume', { type: 'Volume' }, false)
					await applyObjects(access, [podOf(target)])
					const wait = ['wait', `pod/${name}`, '--for=condition=Ready', `--timeout=${Math.round(timeoutMs / 1000)}s`]
					await kubectl(access, ['-n', namespace, ...wait], { timeoutMs: timeoutMs + 10_000 }).catch(async () => {
						throw new Error(`the pod does not run: ${await lastEvent(target, name)}`)
					})
				},
			],
			['Volume: the file in it has the value, by its SHA-256', prints],
			[
				'Volume: a rotation arrives in the running pod',
				async () => {
					expected = await rotate(target, 'volume')
					await prints()
				},
			],
		])
	} finally {
		await remove(target, 'pod', name)
		await remove(target, 'asb', name)
	}
}
