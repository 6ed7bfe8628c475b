import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import { createKubeTransport, type KubeTransport } from '../../../operator/src/cluster/transport.ts'
import { ensureCluster } from '../../cluster/index.ts'

/** The test cluster's API server, and a namespace of one's own. */
export interface Api {
	transport: KubeTransport
	namespace: string
	/** a further transport, to `server` instead of the API server itself, or with a token instead of the user's certificate */
	connect(options?: { server?: string; token?: string }): KubeTransport
	/** host and port of the API server */
	address: { host: string; port: number }
	close(): Promise<void>
}

export async function openApi(): Promise<Api> {
	const quiet = { step: <T>(_: string, run: (say: (detail: string) => void) => Promise<T>) => run(() => {}) }
	const cluster = await ensureCluster({ progress: quiet, holder: 'integration tests of the runtime' })
	const base = new KubeConfig()
	base.loadFromFile(cluster.kubeconfig)
	base.setCurrentContext(cluster.context)
	const target = base.getCurrentCluster()
	const user = base.getCurrentUser()
	if (!target || !user) throw new Error(`the context ${cluster.context} has no cluster or no user`)
	const { hostname, port } = new URL(target.server)

	const connections: KubeTransport[] = []
	const connect: Api['connect'] = ({ server = target.server, token } = {}) => {
		const config = new KubeConfig()
		// Whatever stands in between, the certificate is that of the API server; an address cannot be a TLS server name.
		const behind = isIP(hostname) ? { ...target, server } : { ...target, server, tlsServerName: hostname }
		config.loadFromClusterAndUser(behind, token ? { name: 'token', token } : user)
		const transport = createKubeTransport({ kubeConfig: config })
		connections.push(transport)
		return transport
	}
	const transport = connect()
	const namespace = `asb-runtime-${randomBytes(4).toString('hex')}`
	await transport.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: namespace } } })
	return {
		transport,
		namespace,
		connect,
		address: { host: hostname, port: Number(port || 443) },
		async close() {
			await transport.request({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` })
			await Promise.all(connections.map((each) => each.close()))
		},
	}
}
