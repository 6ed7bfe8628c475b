// The namespace that the policies are attacked in: the default profile, with a grant, so that RBAC lets through what they are there for.

import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { applyObjects, getObject, kubectl } from '../../kit/kubectl.ts'
import type { RawAnswer, RawClient, RawRequest } from '../../kit/raw-client.ts'
import { until } from '../../kit/until.ts'
import { connectTarget, installProfile, type Profile } from './profile.ts'
import { eventOf, foreignObjects } from './scene.ts'

export const LABEL = 'secrets.purista.dev/binding'
export const REFRESHED = 'secrets.purista.dev/refreshed'

/** A valid binding that no operator acts upon. */
const SUSPENDED = {
	vault: { url: 'https://fence.vault.azure.net' },
	identity: { serviceAccountName: 'workload' },
	secrets: [{ name: 'a' }],
	delivery: { type: 'Secret', secret: { name: 'nothing' } },
	suspend: true,
}
export const owner = (more: object) => ({
	apiVersion: 'secrets.purista.dev/v1alpha1',
	kind: 'AzureSecretBinding',
	name: 'payments',
	uid: '00000000-0000-4000-8000-000000000000',
	...more,
})
export const secretOf = (metadata: object, more: object = {}) => ({
	apiVersion: 'v1',
	kind: 'Secret',
	metadata,
	type: 'Opaque',
	stringData: { a: '1' },
	...more,
})
export const dryRun = (request: RawRequest): RawRequest => ({
	...request,
	path: `${request.path}${request.path.includes('?') ? '&' : '?'}dryRun=All`,
})

/** Metadata in this namespace: of anybody, and with our label. */
export const metaIn = (namespace: string) => {
	const meta = (name: string, more: object = {}) => ({ namespace, name, ...more })
	return { meta, ours: (name: string, more: object = {}) => meta(name, { labels: { [LABEL]: 'payments' }, ...more }) }
}

export const pathsIn = (namespace: string) => ({
	secrets: `/api/v1/namespaces/${namespace}/secrets`,
	pods: `/api/v1/namespaces/${namespace}/pods`,
	accounts: `/api/v1/namespaces/${namespace}/serviceaccounts`,
	events: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
	bindings: `/apis/secrets.purista.dev/v1alpha1/namespaces/${namespace}/azuresecretbindings`,
})

export interface Attacked {
	readonly profile: Profile
	readonly operator: RawClient
	readonly bindingUid: string
	/** a value that only foreign Secrets hold */
	readonly canary: string
	/** Refused as a dry run and for real, without showing the canary. */
	refused(request: RawRequest, because: RegExp): Promise<void>
	/** Uid, version and content of everything here that is not the operator's. */
	foreignObjects(): Promise<string[]>
	remove(): Promise<void>
}

export async function openAttacked(namespace: string): Promise<Attacked> {
	const target = await connectTarget()
	const profile = await installProfile(target, 'default')
	// Only foreign Secrets hold it.
	const canary = randomBytes(24).toString('hex')
	const { meta, ours } = metaIn(namespace)
	const { secrets } = pathsIn(namespace)
	const uidOf = async (object: string) =>
		(await getObject<{ metadata: { uid: string } }>(target, ['-n', namespace, object])).metadata.uid
	const foreign = { foreign: 'yes' }
	await applyObjects(target, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }])
	await applyObjects(target, [
		{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta('workload', { labels: foreign }) },
		secretOf(meta('foreign', { labels: foreign }), { stringData: { password: canary } }),
		// Labelled by somebody's mistake: the type alone has to save them.
		secretOf(
			meta('labelled-token', {
				labels: { ...foreign, [LABEL]: 'payments' },
				annotations: { 'kubernetes.io/service-account.name': 'workload' },
			}),
			{
				type: 'kubernetes.io/service-account-token',
				stringData: { extra: canary },
			},
		),
		secretOf(meta('labelled-release', { labels: { ...foreign, [LABEL]: 'payments' } }), {
			type: 'helm.sh/release.v1',
			stringData: { release: canary },
		}),
		secretOf(ours('own')),
		{
			apiVersion: 'v1',
			kind: 'Pod',
			metadata: meta('app', { labels: { ...foreign, app: 'app' }, annotations: { 'example.com/theirs': 'yes' } }),
			spec: {
				// Nobody schedules or runs it, so nobody but this test writes to it.
				schedulerName: 'nobody',
				containers: [{ name: 'app', image: 'example.com/none' }],
				terminationGracePeriodSeconds: 0,
			},
		},
		{
			apiVersion: 'secrets.purista.dev/v1alpha1',
			kind: 'AzureSecretBinding',
			metadata: meta('payments'),
			spec: SUSPENDED,
		},
		{ apiVersion: 'v1', kind: 'ConfigMap', metadata: meta('owner') },
		eventOf(namespace, 'theirs', {
			reportingController: 'example.com/theirs',
			metadata: meta('theirs', { labels: foreign }),
		}),
	])
	// Real uids: the garbage collector deletes what names an owner that does not exist.
	const bindingUid = await uidOf('asb/payments')
	const owners = [owner({ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: await uidOf('configmap/owner') })]
	await applyObjects(target, [secretOf(ours('guarded', { finalizers: ['example.com/keep'], ownerReferences: owners }))])
	// The token controller writes once; after that only attackers would.
	await kubectl(target, [
		'-n',
		namespace,
		'wait',
		'secret/labelled-token',
		'--for=jsonpath={.data.token}',
		'--timeout=60s',
	])
	await profile.grant(namespace)
	const operator = profile.thief
	await until('the grant', async () => (await operator({ method: 'GET', path: `${secrets}/own` })).status === 200)
	return {
		profile,
		operator,
		bindingUid,
		canary,
		async refused(request, because) {
			for (const each of [dryRun(request), request]) expectRefused(await operator(each), because, canary)
		},
		foreignObjects: () => foreignObjects(target, namespace),
		async remove() {
			const patched = ['secret', 'guarded', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']
			await kubectl(target, ['-n', namespace, 'patch', ...patched])
			await kubectl(target, ['delete', 'namespace', namespace, '--wait=false', '--ignore-not-found'])
			await profile.remove()
		},
	}
}

function expectRefused(answer: RawAnswer, because: RegExp, canary: string): void {
	const shown = `${answer.status} ${answer.text.slice(0, 600)}`
	expect(answer.status, shown).toBe(403)
	expect(String(answer.json['message']), shown).toMatch(because)
	expect(answer.text).not.toContain(canary)
	expect(answer.text).not.toContain(Buffer.from(canary).toString('base64'))
}
