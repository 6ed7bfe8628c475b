import { FIELD_MANAGER } from '../../api/constants.ts'
import { ownerOf, type SecretObject } from '../../destinations/secret/secret-object.ts'
import type { Secrets } from '../../ports/cluster.ts'
import { isKubeError, KubeError } from './errors.ts'
import { isFenceRefusal } from './serviceaccounts.ts'
import type { KubeTransport } from './transport.ts'

const query = { fieldManager: FIELD_MANAGER }

/**
 * Writes Secrets without the right to read any (kubernetes.md 8): create by POST, change by merge patch, read back our own
 * with an empty merge patch, which writes nothing and which the fence refuses for everybody else's.
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
				const secret = await observed('read back', () =>
					transport.request<SecretObject>({ method: 'PATCH', path, query, body: {} }),
				)
				// Without the fence the API server answers for anybody's Secret: the label decides here as well.
				const label = ownerOf(secret)
				return label === owner ? { kind: 'ours', secret } : { kind: 'foreign', owner: label }
			} catch (error) {
				if (isKubeError(error, 'notFound')) return { kind: 'none' }
				if (isFenceRefusal(error)) return { kind: 'foreign', owner: undefined }
				throw error
			}
		},
		patch: (namespace, name, body) =>
			observed('patch', () =>
				transport.request<SecretObject>({ method: 'PATCH', path: `${collection(namespace)}/${name}`, query, body }),
			),
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
