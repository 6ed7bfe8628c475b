import { expect, test } from 'vitest'
import { KubeError } from '../adapters/kube/errors.ts'
import { FakeClock } from '../runtime/testing/fake-clock.ts'
import { createMemory } from './memory.ts'
import { type SyncDeps, sync } from './sync.ts'
import { failingSession, sampleBinding } from './testing/samples.ts'

const binding = sampleBinding()
const unused = () => Promise.reject(new Error('not expected here'))

/** Everything there but a token: asking for one ends in this error of the API server. */
function depsWithout(token: KubeError): SyncDeps {
	return {
		clock: new FakeClock(),
		vaults: {
			session: () => failingSession(token),
			leave: () => {},
			isAllowed: () => true,
			prune: () => {},
		},
		startedAt: { now: 0, monotonic: 0 },
		operator: { namespace: 'system', name: 'operator' },
		serviceAccounts: { get: () => Promise.resolve({ uid: 's', annotations: {} }) },
		permissions: { isAllowed: unused },
		secrets: { create: unused, readBack: () => Promise.resolve({ kind: 'none' }), patch: unused, remove: unused },
		observer: {
			uses: () => {},
			looked: () => {},
			written: () => {},
			propagated: () => {},
			reconciled: () => {},
			gone: () => {},
		},
	}
}

test.each([
	['forbidden', 'TokenRequestRefused', 'cannot create serviceaccounts/token'],
	['invalid', 'TokenRequestRefused', 'cannot create serviceaccounts/token'],
	['notFound', 'ServiceAccountNotFound', 'The ServiceAccount sa went away.'],
] as const)('a token that is %s is told as %s, with nothing written', async (kind, reason, text) => {
	const deps = depsWithout(new KubeError(kind, 'cannot create serviceaccounts/token'))
	const outcome = await sync(binding, {}, createMemory('u'), deps, new AbortController().signal)
	expect(outcome).toEqual({ kind: 'refused', reason, message: expect.stringContaining(text) as string })
})

test('a permission that the operator lacks is told with the line that gives it', async () => {
	const missing = { verb: 'create', resource: 'serviceaccounts/token', namespace: 'ns', name: 'sa' }
	const deps = depsWithout(new KubeError('forbidden', 'create x: User "o" cannot', { missing }))
	expect(await sync(binding, {}, createMemory('u'), deps, new AbortController().signal)).toEqual({
		kind: 'refused',
		reason: 'TokenRequestRefused',
		message: [
			'The API server refuses a token of the ServiceAccount sa: create x: User "o" cannot. Let it:',
			'kubectl -n ns create role azure-secret-binding-create-serviceaccounts-token-sa --verb=create --resource=serviceaccounts/token --resource-name=sa && kubectl -n ns create rolebinding azure-secret-binding-create-serviceaccounts-token-sa --role=azure-secret-binding-create-serviceaccounts-token-sa --serviceaccount=system:operator',
		].join('\n'),
	})
})

test('an API server that is away is thrown, for the queue', async () => {
	const away = new KubeError('unreachable', 'no connection')
	await expect(sync(binding, {}, createMemory('u'), depsWithout(away), new AbortController().signal)).rejects.toBe(away)
})
