// A namespace as a thief of the operator's token meets it: foreign objects that hold canaries, and one Secret that is the operator's.
import { randomBytes } from 'node:crypto'
import { applyObjects, getObject, type KubectlTarget, kubectl } from '../../kit/kubectl.ts'

export const LABEL = 'secrets.purista.dev/binding'

export interface Scene {
	readonly namespace: string
	/** values that only foreign Secrets of this namespace hold */
	readonly canaries: readonly { name: string; value: string }[]
	/** uid and version of every foreign object */
	foreign(): Promise<string[]>
	remove(): Promise<void>
}

export const secretOf = (namespace: string, name: string, more: object = {}, labels: object = {}) => ({
	apiVersion: 'v1',
	kind: 'Secret',
	metadata: { namespace, name, labels },
	type: 'Opaque',
	stringData: { a: '1' },
	...more,
})

/** As the operator writes it. */
export const eventOf = (namespace: string, name: string, more: object = {}) => ({
	apiVersion: 'events.k8s.io/v1',
	kind: 'Event',
	metadata: { namespace, name },
	eventTime: '2026-01-01T00:00:00.000000Z',
	reportingController: 'secrets.purista.dev/operator',
	reportingInstance: 'test',
	action: 'Look',
	reason: 'Test',
	note: 'a test',
	type: 'Normal',
	regarding: { apiVersion: 'secrets.purista.dev/v1alpha1', kind: 'AzureSecretBinding', namespace, name: 'payments' },
	...more,
})

/**
 * ServiceAccounts `payments` and `boss`; Secrets `foreign`, `held` (with a finalizer), `others-secrets` (ours) and `payments-secrets`, the
 * one that a Role with names reaches; a pod, an event, a binding.
 */
export async function openScene(
	target: KubectlTarget,
	namespace: string,
	{ named = 'ours' }: { named?: 'ours' | 'foreign' } = {},
): Promise<Scene> {
	const canary = (name: string) => ({ name: `${namespace}/${name}`, value: randomBytes(24).toString('hex') })
	const canaries = [canary('foreign'), canary('held'), canary('event'), canary('named')]
	const [inForeign, inHeld, inEvent, inNamed] = canaries.map(({ value }) => value)
	const foreign = { foreign: 'yes' }
	const account = (name: string) => ({
		apiVersion: 'v1',
		kind: 'ServiceAccount',
		metadata: { namespace, name, labels: foreign },
	})
	const held = secretOf(namespace, 'held', { stringData: { password: inHeld } }, foreign)
	await applyObjects(target, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }])
	await applyObjects(target, [
		account('payments'),
		account('boss'),
		secretOf(namespace, 'foreign', { stringData: { password: inForeign } }, foreign),
		{ ...held, metadata: { ...held.metadata, finalizers: ['example.com/keep'] } },
		named === 'ours'
			? secretOf(namespace, 'payments-secrets', {}, { [LABEL]: 'payments' })
			: secretOf(namespace, 'payments-secrets', { stringData: { password: inNamed } }, foreign),
		secretOf(namespace, 'others-secrets', {}, { [LABEL]: 'others' }),
		{
			apiVersion: 'v1',
			kind: 'Pod',
			metadata: { namespace, name: 'app', labels: { ...foreign, app: 'app' } },
			spec: {
				// Nobody schedules or runs it, so nobody but a test writes to it.
				schedulerName: 'nobody',
				serviceAccountName: 'payments',
				automountServiceAccountToken: false,
				securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
				containers: [
					{
						name: 'app',
						image: 'example.com/none',
						env: [{ name: 'PLAIN', value: 'in-the-pod' }],
						securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
					},
				],
			},
		},
		eventOf(namespace, 'theirs', {
			metadata: { namespace, name: 'theirs', labels: foreign },
			reportingController: 'example.com/theirs',
			note: inEvent,
			regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name: 'app' },
		}),
		{
			apiVersion: 'secrets.purista.dev/v1alpha1',
			kind: 'AzureSecretBinding',
			metadata: { namespace, name: 'payments' },
			spec: {
				vault: { url: 'https://fence.vault.azure.net' },
				identity: { serviceAccountName: 'payments' },
				secrets: [{ name: 'a' }],
				delivery: { type: 'Secret', secret: { name: 'payments-secrets' } },
				suspend: true,
			},
		},
	])
	return {
		namespace,
		canaries,
		foreign: () => foreignObjects(target, namespace),
		async remove() {
			const patch = ['secret', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']
			await kubectl(target, ['-n', namespace, 'patch', ...patch])
			await kubectl(target, ['delete', 'namespace', namespace, '--wait=false', '--ignore-not-found'])
		},
	}
}

/** What is in a namespace and not the operator's, with the version of each: a change of any shows. */
export async function foreignObjects(target: KubectlTarget, namespace: string): Promise<string[]> {
	const list = await getObject<{
		items: Array<{ kind: string; metadata: { name: string; uid: string; resourceVersion: string } }>
	}>(target, ['-n', namespace, 'secrets,pods,serviceaccounts,events.v1.events.k8s.io', '-l', 'foreign=yes'])
	return list.items
		.map(({ kind, metadata }) => `${kind}/${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`)
		.toSorted()
}
