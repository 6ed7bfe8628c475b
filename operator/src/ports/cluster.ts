import type { PodObject } from '../destinations/secret/pod-uses.ts'
import type { SecretObject } from '../destinations/secret/secret-object.ts'
import type { Permission } from '../engine/permission.ts'

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
	/**
	 * @param serviceAccountUid one that was deleted and made anew under the same name is another; the API server knows it by itself
	 * @returns the token and when it ends, milliseconds since the epoch. @throws KubeError
	 */
	request(
		namespace: string,
		serviceAccount: string,
		audience: string,
		serviceAccountUid?: string,
	): Promise<{ token: string; expiresAt: number }>
}

/** What reading back our Secret came to. */
export type ReadBack =
	| { kind: 'ours'; secret: SecretObject }
	| { kind: 'none' }
	/** `owner`: the binding that it says it belongs to, if it says so */
	| { kind: 'foreign'; owner: string | undefined }

/** Body of a merge patch of a Secret, at the version that was read. */
export interface SecretPatch {
	metadata: { resourceVersion: string }
}

/** Reads and writes the Secrets of bindings. All methods throw KubeError. */
export interface Secrets {
	/** @returns the Secret, or 'exists' when there is one of that name, whosever it is */
	create(namespace: string, body: object): Promise<SecretObject | 'exists'>
	/** The Secret, to its owner only. */
	readBack(namespace: string, name: string, owner: string): Promise<ReadBack>
	/** Merge patch of a Secret that was read back as ours. */
	patch(namespace: string, name: string, body: SecretPatch): Promise<SecretObject>
	/** Deletes exactly this Secret in exactly this state; gone counts as done. */
	remove(namespace: string, name: string, uid: string, resourceVersion: string): Promise<void>
}

/** What the operator itself may do. */
export interface Permissions {
	/** For a resource of the core group. @throws KubeError */
	isAllowed(permission: Permission): Promise<boolean>
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
