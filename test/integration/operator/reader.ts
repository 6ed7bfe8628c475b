import type { Stage } from './stage.ts'

export interface Reader {
	/** of its status at the API server */
	statusPath: string
	/** the resourceVersion that it was told to refresh for */
	refreshed(): Promise<string | undefined>
}

/** A pod that mounts a Secret. No kubelet runs it: a name of a node that does not exist, and a status as the kubelet would write it. */
export async function createReader(stage: Stage, secretName: string): Promise<Reader> {
	const pods = `/api/v1/namespaces/${stage.namespace}/pods`
	const statusPath = `${pods}/reader/status`
	await stage.create(pods, {
		metadata: { name: 'reader' },
		spec: {
			nodeName: `no-such-node-${stage.namespace}`,
			automountServiceAccountToken: false,
			containers: [{ name: 'c', image: 'none', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
			volumes: [{ name: 'v', secret: { secretName } }],
		},
	})
	await stage.merge(statusPath, { status: { phase: 'Running' } })
	return {
		statusPath,
		async refreshed() {
			const { metadata } = await stage.api.request<{ metadata: { annotations?: Record<string, string> } }>({
				method: 'GET',
				path: `${pods}/reader`,
			})
			return metadata.annotations?.['secrets.purista.dev/refreshed']
		},
	}
}
