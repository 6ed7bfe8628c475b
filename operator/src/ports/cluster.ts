import type { PodObject } from '../destinations/secret/pods.ts'
import type { SecretObject } from '../destinations/secret/secret-object.ts'

/** Writes the status of bindings. */
export interface Bindings {
	/**
	 * Merge patch of the status subresource, from what it was at `resourceVersion`.
	 * @returns the resourceVersion of the binding afterwards; undefined when it is gone
	 * @throws KubeError, of kind conflict when the binding is another one by now
	 */
	patchStatus(
		namespace: string,
		name: string,
		resourceVersion: string,
		patch: Record<string, unknown>,
	): Promise<string | undefined>
}

/** A ServiceAccount as far as identities need it. */
export interface ServiceAccount {
	uid: string
	annotations: Record<string, string>
}

export interface ServiceAccounts {
	/**
	 * As it was at `since` (monotonic, milliseconds) or later: who asks for one common time shares a request.
	 *
	 * @returns undefined when there is none of that name. @throws KubeError
	 */
	get(namespace: string, name: string, since: number): Promise<ServiceAccount | undefined>
}

/** Issues tokens of ServiceAccounts. */
export interface Tokens {
	/** @returns the token and when it ends, milliseconds since the epoch. @throws KubeError */
	request(namespace: string, serviceAccount: string, audience: string): Promise<{ token: string; expiresAt: number }>
}

/** What reading back our Secret came to. */
export type ReadBack =
	| { kind: 'ours'; secret: SecretObject }
	| { kind: 'none' }
	/** `owner`: the binding that it says it belongs to, if it says so; unknown when the fence refused */
	| { kind: 'foreign'; owner: string | undefined }

/** Writes the Secrets of bindings, and reads nothing else. All methods throw KubeError. */
export interface Secrets {
	/** @returns the Secret, or 'exists' when there is one of that name, whosever it is */
	create(namespace: string, body: object): Promise<SecretObject | 'exists'>
	/** The empty patch. It answers the whole object, to the owner only. */
	readBack(namespace: string, name: string, owner: string): Promise<ReadBack>
	/** Merge patch; `body` carries the resourceVersion. */
	patch(namespace: string, name: string, body: object): Promise<SecretObject>
	/** Deletes exactly this Secret in exactly this state; gone counts as done. */
	remove(namespace: string, name: string, uid: string, resourceVersion: string): Promise<void>
}

export interface Pods {
	/** All pods of one namespace, a page at a time. */
	list(namespace: string, signal: AbortSignal): AsyncIterable<PodObject>
	/**
	 * Sets our annotation through pods/status.
	 * @returns false when the pod is gone
	 */
	annotate(namespace: string, name: string, value: string): Promise<boolean>
}
