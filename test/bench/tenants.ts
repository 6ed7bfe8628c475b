// Namespaces full of bindings, each with an identity of its own, for the benches `scale` and `peer`.
import { randomUUID } from 'node:crypto'
import { AUDIENCE, ROLE, type Stage } from '../integration/operator/stage.ts'
import type { FloorTenant } from './child-floor.ts'

export interface ScalePlan {
	readonly namespaces: number
	/** of each namespace */
	readonly bindings: number
	/** of each binding; those of one namespace are all different */
	readonly secrets: number
	/** as many as namespaces, or one for all */
	readonly vaults: number
	readonly interval: string
}

export interface Tenants {
	readonly tenants: readonly FloorTenant[]
	/** Bindings, Secrets and namespaces. */
	remove(): Promise<void>
}

/** What a namespace holds beside its identity, for whichever operator. */
export interface Load {
	/** all of its main kind, in all namespaces */
	readonly all: string
	/** what is created in a namespace, in this order */
	objects(tenant: FloorTenant, interval: string): readonly { readonly collection: string; readonly body: object }[]
	/** collections of a namespace that are emptied in the end, its Secrets not among them */
	readonly collections: readonly string[]
}

const GROUP_PATH = '/apis/secrets.purista.dev/v1alpha1'
/** In the path of a collection: the namespace. */
export const NAMESPACE = 'NAMESPACE'
const BINDINGS = `${GROUP_PATH}/namespaces/${NAMESPACE}/azuresecretbindings`
const within = (collection: string, namespace: string) => collection.replace(NAMESPACE, namespace)

/** Ours. */
export const bindingLoad: Load = {
	all: `${GROUP_PATH}/azuresecretbindings`,
	objects: ({ bindings, vaultUrl, serviceAccount }, interval) =>
		bindings.map(({ name, secrets }) => ({
			collection: BINDINGS,
			body: {
				apiVersion: 'secrets.purista.dev/v1alpha1',
				kind: 'AzureSecretBinding',
				metadata: { name },
				spec: {
					vault: { url: vaultUrl },
					identity: { serviceAccountName: serviceAccount },
					secrets: secrets.map((each) => ({ name: each })),
					delivery: { secret: { name: `${name}-secrets` } },
					refresh: { interval },
				},
			},
		})),
	collections: [BINDINGS],
}

const API_CALLS = 8

/** Runs all, so many at once. */
export async function inParallel<T>(
	items: readonly T[],
	work: (item: T) => Promise<unknown>,
	width = API_CALLS,
): Promise<void> {
	const queue = [...items]
	const worker = async () => {
		for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
	}
	await Promise.all(Array.from({ length: width }, worker))
}

/** Everything that a cold start of the operator meets: vaults filled, bindings there, no Secret yet. */
export async function createTenants(stage: Stage, plan: ScalePlan, load: Load = bindingLoad): Promise<Tenants> {
	const { control, tenantId } = stage.emulator
	const run = randomUUID().slice(0, 8)
	const vaults = Array.from({ length: plan.vaults }, (_, i) => `scale-${run}-${i}`)
	const names = Array.from({ length: plan.bindings * plan.secrets }, (_, i) => `secret-${i}`)
	for (const name of vaults) {
		await control.createVault({ name })
		await control.setSecrets({ vault: name, secrets: names.map((each) => ({ name: each, value: randomUUID() })) })
	}
	const bindings = Array.from({ length: plan.bindings }, (_, i) => ({
		name: `b-${i}`,
		secrets: names.slice(i * plan.secrets, (i + 1) * plan.secrets),
	}))
	const tenants = Array.from({ length: plan.namespaces }, (_, i): FloorTenant => {
		const vaultUrl = `https://${vaults[i % vaults.length]}.vault.azure.net`
		const clientId = randomUUID()
		return {
			namespace: `asb-scale-${run}-${i}`,
			serviceAccount: 'payments',
			audience: AUDIENCE,
			clientId,
			vaultUrl,
			bindings,
		}
	})
	await inParallel(tenants, async (tenant) => {
		const { namespace, serviceAccount, clientId, vaultUrl } = tenant
		await control.addClient({ clientId, name: namespace })
		const subject = `system:serviceaccount:${namespace}:${serviceAccount}`
		const { issuer } = stage
		await control.addFederatedCredential({ clientId, name: 'cluster', issuer, subject, audience: AUDIENCE })
		await control.grant({ clientId, role: ROLE, vault: new URL(vaultUrl).hostname.split('.')[0] ?? '' })
		await stage.create('/api/v1/namespaces', { metadata: { name: namespace } })
		const annotations = { 'azure.workload.identity/client-id': clientId, 'azure.workload.identity/tenant-id': tenantId }
		await stage.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, {
			metadata: { name: serviceAccount, annotations },
		})
		for (const { collection, body } of load.objects(tenant, plan.interval))
			await stage.create(within(collection, namespace), body)
	})
	return {
		tenants,
		async remove() {
			// Each collection by itself: an API server without controllers empties no namespace.
			await inParallel(tenants, async ({ namespace }) => {
				const remove = (path: string) => stage.api.request({ method: 'DELETE', path })
				for (const each of load.collections) await remove(within(each, namespace))
				await remove(`/api/v1/namespaces/${namespace}/secrets`)
				await remove(`/api/v1/namespaces/${namespace}`)
			})
		},
	}
}
