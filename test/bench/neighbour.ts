import { randomUUID } from 'node:crypto'
import { isKubeError } from '../../operator/src/ports/kube-error.ts'
import type { Stage } from '../integration/operator/stage.ts'
import { AUDIENCE, ROLE } from '../integration/operator/stage.ts'
import { until } from '../kit/until.ts'

export interface SecretValue {
	readonly name: string
	readonly value: string
	readonly contentType?: string
}

export interface NeighbourSpec {
	readonly name: string
	secrets(): SecretValue[]
	/** of each binding the part of its spec that says what it wants */
	readonly bindings: readonly object[]
}

/** A tenant with a namespace, an identity and a vault of its own. */
export interface Neighbour {
	readonly namespace: string
	readonly vault: string
	readonly clientId: string
	/** New versions of these values. */
	set(secrets: readonly SecretValue[]): Promise<void>
	addBinding(name: string, wants: object): Promise<void>
	removeBinding(name: string): Promise<void>
	/** data of the Secret of the binding with that number, in base64; empty when there is none */
	files(binding: number): Promise<Record<string, string>>
	remove(): Promise<void>
}

const GROUP_PATH = '/apis/secrets.purista.dev/v1alpha1'

export async function createNeighbour(stage: Stage, spec: NeighbourSpec, intervalMs: number): Promise<Neighbour> {
	const { control, tenantId } = stage.emulator
	const id = `${spec.name}-${randomUUID().slice(0, 8)}`
	const [namespace, vault, clientId] = [`asb-${id}`, id.slice(0, 24), randomUUID()]
	const account = 'app'
	await control.createVault({ name: vault })
	const set = async (secrets: readonly SecretValue[]) => void (await control.setSecrets({ vault, secrets }))
	await set(spec.secrets())
	await control.addClient({ clientId, name: namespace })
	const subject = `system:serviceaccount:${namespace}:${account}`
	const { issuer } = stage
	await control.addFederatedCredential({ clientId, name: 'cluster', issuer, subject, audience: AUDIENCE })
	await control.grant({ clientId, role: ROLE, vault })
	await stage.create('/api/v1/namespaces', { metadata: { name: namespace } })
	await stage.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, {
		metadata: {
			name: account,
			annotations: { 'azure.workload.identity/client-id': clientId, 'azure.workload.identity/tenant-id': tenantId },
		},
	})
	// 500 entries take a busy API server longer than a request may: then it is there all the same, or is sent again.
	const create = (body: object) =>
		until(
			'a binding to be created',
			async () => {
				await stage.create(bindingsPath, body).catch((error: unknown) => {
					if (!isKubeError(error) || error.reason !== 'AlreadyExists') throw error
				})
				return true
			},
			{ timeoutMs: 300_000 },
		)
	const bindingsPath = `${GROUP_PATH}/namespaces/${namespace}/azuresecretbindings`
	const addBinding = async (name: string, wants: object): Promise<void> => {
		await create({
			apiVersion: 'secrets.purista.dev/v1alpha1',
			kind: 'AzureSecretBinding',
			metadata: { name },
			spec: {
				vault: { url: `https://${vault}.vault.azure.net` },
				identity: { serviceAccountName: account },
				delivery: { secret: { name } },
				refresh: { interval: `${intervalMs / 1000}s` },
				...wants,
			},
		})
	}
	for (const [i, wants] of spec.bindings.entries()) await addBinding(`b-${i}`, wants)
	const remove = (path: string) => stage.api.request({ method: 'DELETE', path })
	return {
		namespace,
		vault,
		clientId,
		set,
		addBinding,
		async removeBinding(name) {
			await remove(`${bindingsPath}/${name}`)
		},
		async files(binding) {
			const path = `/api/v1/namespaces/${namespace}/secrets/b-${binding}`
			const secret = await stage.api
				.request<{ data?: Record<string, string> }>({ method: 'GET', path })
				.catch(() => undefined)
			return secret?.data ?? {}
		},
		async remove() {
			// Each collection by itself: an API server without controllers empties no namespace.
			await remove(bindingsPath)
			await remove(`/api/v1/namespaces/${namespace}/secrets`)
			await remove(`/api/v1/namespaces/${namespace}`)
		},
	}
}
