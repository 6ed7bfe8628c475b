import { FIELD_MANAGER } from '../api/constants.ts'
import { ownerOf, type SecretObject } from '../destinations/secret/secret-object.ts'
import type { Secrets } from '../ports/cluster.ts'
import { isKubeError, KubeError } from '../ports/kube-error.ts'
import type { KubeTransport } from './transport.ts'

const query = { fieldManager: FIELD_MANAGER }

/**
 * Reads and writes the Secrets of bindings. A PATCH is a read: one whose result does not decode is answered with the whole
 * object, before any admission policy is asked. So none is sent to a Secret that a GET has not shown to be ours, and each
 * carries the resourceVersion of that GET.
 */
export function createSecrets(
	transport: Pick<KubeTransport, 'request'>,
	observe: (operation: 'create' | 'patch' | 'read back' | 'delete', result: string) => void = () => {},
): Secrets {
	const collection = (namespace: string) => `/api/v1/namespaces/${namespace}/secrets`
	const observed = async <T>(operation: Parameters<typeof observe>[0], work: () => Promise<T>): Promise<T> => {
		try {
			const answer = await work()
			observe(operation, 'ok')
			return answer
		} catch (error) {
			observe(operation, error instanceof KubeError ? error.kind : 'other')
			throw error
		}
	}
	return {
		async create(namespace, body) {
			try {
				return await observed('create', () =>
					transport.request<SecretObject>({ method: 'POST', path: collection(namespace), query, body }),
				)
			} catch (error) {
				if (isKubeError(error, 'alreadyExists')) return 'exists'
				throw error
			}
		},
		async readBack(namespace, name, owner) {
			try {
				const path = `${collection(namespace)}/${name}`
				const secret = await observed('read back', () => transport.request<SecretObject>({ method: 'GET', path }))
				const label = ownerOf(secret)
				return label === owner ? { kind: 'ours', secret } : { kind: 'foreign', owner: label }
			} catch (error) {
				if (isKubeError(error, 'notFound')) return { kind: 'none' }
				throw error
			}
		},
		patch: (namespace, name, body) => {
			// Such a patch would reach whatever has the name by now. It is a mistake of ours, not an answer of the API server.
			if (!body.metadata.resourceVersion) throw new Error('a Secret is patched only at the version that was read')
			const path = `${collection(namespace)}/${name}`
			return observed('patch', () => transport.request<SecretObject>({ method: 'PATCH', path, query, body }))
		},
		async remove(namespace, name, uid, resourceVersion) {
			try {
				const path = `${collection(namespace)}/${name}`
				const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } }
				await observed('delete', () => transport.request({ method: 'DELETE', path, body }))
			} catch (error) {
				if (!isKubeError(error, 'notFound')) throw error
			}
		},
	}
}
