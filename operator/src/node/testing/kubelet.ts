import { connect } from 'node:net'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { Identity, Node } from '../proto/csi_pb.ts'
import { Registration } from '../proto/pluginregistration_pb.ts'

/** As much of a kubelet as a plugin meets: it dials sockets, and sends what facts of a real one say. */
export function dial(path: string) {
	const baseUrl = 'http://localhost'
	const sessionManager = new Http2SessionManager(baseUrl, undefined, { createConnection: () => connect(path) })
	const transport = createGrpcTransport({ baseUrl, sessionManager })
	return {
		/** Ends the connection, as a kubelet does after each call. */
		close: () => sessionManager.abort(),
		identity: createClient(Identity, transport),
		node: createClient(Node, transport),
		registration: createClient(Registration, transport),
	}
}

export interface PodOptions {
	readonly volumeId: string
	readonly target: string
	readonly token: string
	readonly binding?: string
	readonly serviceAccount?: string
	readonly group?: string
	readonly podUid?: string
	/** where a kubelet before 1.35 has tokens */
	readonly tokensIn?: 'secrets' | 'volumeContext'
	readonly more?: Record<string, string>
}

/** The request for a pod `app` of the namespace `team`, with the keys that a kubelet of 1.36 sends. */
export function publishRequest(options: PodOptions) {
	const { volumeId, target, token, group = '', tokensIn = 'secrets' } = options
	const expirationTimestamp = new Date(Date.now() + 3_600_000).toISOString()
	const tokens = {
		'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify({
			'api://AzureADTokenExchange': { token, expirationTimestamp },
		}),
	}
	return {
		volumeId,
		targetPath: target,
		readonly: true,
		volumeCapability: { accessType: { case: 'mount' as const, value: { volumeMountGroup: group } } },
		secrets: tokensIn === 'secrets' ? tokens : {},
		volumeContext: {
			binding: options.binding ?? 'payments',
			'csi.storage.k8s.io/ephemeral': 'true',
			'csi.storage.k8s.io/pod.name': 'app',
			'csi.storage.k8s.io/pod.namespace': 'team',
			'csi.storage.k8s.io/pod.uid': options.podUid ?? 'pod-1',
			'csi.storage.k8s.io/serviceAccount.name': options.serviceAccount ?? 'app',
			...(tokensIn === 'volumeContext' ? tokens : {}),
			...options.more,
		},
	}
}
