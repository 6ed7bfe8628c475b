import type { Tokens } from '../ports/cluster.ts'
import { KubeError } from '../ports/kube-error.ts'
import type { PodToken, VolumeRequest } from './request.ts'

/** The tokens of the pods that have volumes here. */
export interface PodTokens extends Tokens {
	/** What the kubelet sent last for this volume. */
	set(request: VolumeRequest): void
	delete(volumeId: string): void
}

/**
 * Tokens for the exchange at Entra come from the kubelet and from nowhere else: this role may not ask the API server for any.
 * Pods of one ServiceAccount are one identity, so the one that lives longest does for all of them. One that was deleted and made
 * anew under the same name is another.
 */
export function createPodTokens(clock: { now(): number }): PodTokens {
	const volumes = new Map<string, Pick<VolumeRequest, 'namespace' | 'serviceAccount' | 'tokens'>>()
	return {
		set: ({ volumeId, namespace, serviceAccount, tokens }) =>
			void volumes.set(volumeId, { namespace, serviceAccount, tokens }),
		delete: (volumeId) => void volumes.delete(volumeId),
		async request(namespace, serviceAccount, audience, wanted) {
			let latest: PodToken | undefined
			let isOfFormer = false
			let isOver = false
			for (const each of volumes.values()) {
				if (each.namespace !== namespace || each.serviceAccount !== serviceAccount) continue
				const token = each.tokens.get(audience)
				if (!token) continue
				if (token.expiresAt <= clock.now()) isOver = true
				if (token.expiresAt <= (latest?.expiresAt ?? clock.now())) continue
				const uid = token.serviceAccountUid
				// Who deletes a ServiceAccount takes its rights away: a token of before must not speak for the one that has its name now.
				if (wanted === undefined || uid === undefined || uid === wanted) latest = token
				else isOfFormer = true
			}
			if (latest) return latest
			if (isOfFormer)
				throw new KubeError(
					'unreachable',
					`the ServiceAccount ${serviceAccount} was deleted and made anew, and the kubelet still sends tokens of the former one. Make the pod anew, or wait: the kubelet renews tokens within the hour`,
				)
			// The kubelet sends none that is over by its own clock, which is this one.
			if (isOver)
				throw new KubeError(
					'unreachable',
					`the tokens for the audience ${audience} that the kubelet has sent are over by the clock of this node. It sends new ones within two minutes; if it does not, look at the clock of the node, which should be that of the API server`,
				)
			// Told as an outage: the kubelet comes again within a minute and a half, with new ones.
			throw new KubeError('unreachable', `the kubelet has sent no valid token for the audience ${audience} yet`)
		},
	}
}
