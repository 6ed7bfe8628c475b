import { expect, test } from 'vitest'
import { sampleBinding } from '../engine/testing/binding.ts'
import type { ServiceAccount } from '../ports/cluster.ts'
import { KubeError, type KubeErrorKind } from '../ports/kube-error.ts'
import { resolveSource, sourceOf, tokenRefused } from './resolve-source.ts'

const binding = sampleBinding()
const CLIENT = '33333333-3333-4333-8333-333333333333'
const TENANT = '44444444-4444-4444-8444-444444444444'
const bare = {
	...binding,
	vaultUrl: undefined,
	identity: { ...binding.identity, clientId: undefined, tenantId: undefined },
}
const account: ServiceAccount = {
	uid: 's',
	annotations: {
		'azure.workload.identity/client-id': CLIENT,
		'azure.workload.identity/tenant-id': TENANT,
		'secrets.purista.dev/vault-url': 'https://other.vault.azure.net/',
	},
}
const without = (key: string, value?: string): ServiceAccount => {
	const { [key]: _, ...rest } = account.annotations
	return { uid: 's', annotations: value === undefined ? rest : { ...rest, [key]: value } }
}
const anything = () => true

test('the spec counts before the annotations, which complete it', () => {
	const given = {
		audience: 'api://AzureADTokenExchange',
		namespace: 'ns',
		serviceAccount: 'sa',
		serviceAccountUid: 's',
	}
	expect(sourceOf(bare, account, anything)).toEqual({
		kind: 'ready',
		source: { ...given, vaultUrl: 'https://other.vault.azure.net', clientId: CLIENT, tenantId: TENANT },
	})
	expect(sourceOf(binding, account, anything)).toMatchObject({
		source: { vaultUrl: binding.vaultUrl, clientId: binding.identity.clientId, tenantId: binding.identity.tenantId },
	})
})

test.each<[string, ServiceAccount | undefined, (url: string) => boolean, string, string]>([
	['no ServiceAccount', undefined, anything, 'ServiceAccountNotFound', 'has no ServiceAccount sa'],
	[
		'no client id',
		without('azure.workload.identity/client-id'),
		anything,
		'IdentityMissing',
		'has no annotation azure',
	],
	['one that is none', without('azure.workload.identity/client-id', 'x'), anything, 'IdentityMissing', 'has no usable'],
	['no tenant id', without('azure.workload.identity/tenant-id'), anything, 'IdentityMissing', 'identity.tenantId'],
	['no vault', without('secrets.purista.dev/vault-url'), anything, 'VaultMissing', 'names no vault'],
	['a vault elsewhere', account, () => false, 'VaultNotAllowed', 'suffix'],
	[
		'the name of a private endpoint',
		without('secrets.purista.dev/vault-url', 'https://payments.privatelink.vaultcore.azure.net'),
		(url) => url.endsWith('.vault.azure.net'),
		'VaultNotAllowed',
		'keeps its name: write https://payments.vault.azure.net',
	],
	[
		'the same of another cloud',
		without('secrets.purista.dev/vault-url', 'https://payments.privatelink.vaultcore.azure.cn/'),
		(url) => url.endsWith('.vault.azure.cn'),
		'VaultNotAllowed',
		'keeps its name: write https://payments.vault.azure.cn',
	],
])('%s: says what to write', (_, given, isAllowed, reason, text) => {
	expect(sourceOf(bare, given, isAllowed)).toMatchObject({
		kind: 'refused',
		reason,
		message: expect.stringContaining(text) as string,
	})
})

const missing = { verb: 'get', resource: 'serviceaccounts', namespace: 'ns', name: 'sa' }
test.each<[string, KubeErrorKind, object]>([
	[
		'not allowed to read the ServiceAccount: refused, with the permission',
		'forbidden',
		{ kind: 'refused', reason: 'TokenRequestRefused', missing },
	],
	['the API server away', 'unreachable', { kind: 'away' }],
	['the API server slow', 'timeout', { kind: 'away' }],
])('%s', async (_, kind, expected) => {
	const accounts = { get: () => Promise.reject(new KubeError(kind, 'says the API server', { missing })) }
	expect(await resolveSource(binding, accounts, anything, 0)).toMatchObject(expected)
})

test.each<[KubeErrorKind, object]>([
	[
		'forbidden',
		{
			kind: 'refused',
			reason: 'TokenRequestRefused',
			message: 'The API server refuses a token of the ServiceAccount sa: no',
		},
	],
	['invalid', { kind: 'refused', reason: 'TokenRequestRefused' }],
	['notFound', { kind: 'refused', reason: 'ServiceAccountNotFound', message: 'The ServiceAccount sa went away.' }],
	['unreachable', { kind: 'away' }],
	['throttled', { kind: 'away' }],
])('a token that is %s', (kind, expected) => {
	expect(tokenRefused(binding, new KubeError(kind, 'no'))).toMatchObject(expected)
})
