// The kubelet of the one node, as a test sees it.
import { applyObjects, getObject, kubectl } from './kubectl.ts'
import { NODE_NAMESPACE } from './node-role.ts'
import { until } from './until.ts'
import type { World } from './world.ts'

const POD = 'restarts-kubelet'

// Whatever keeps the node's services, such as systemd, starts it again. Prints the process that came.
const RESTART = `
const { readdirSync, readFileSync } = require('node:fs')
const kubelet = () => readdirSync('/proc').find((pid) => {
	try { return readFileSync('/proc/' + pid + '/comm', 'utf8') === 'kubelet\\n' } catch { return false }
})
const before = kubelet()
process.kill(Number(before), 'SIGTERM')
const timer = setInterval(() => {
	const now = kubelet()
	if (now === undefined || now === before) return
	console.log(before + ' ' + now)
	clearInterval(timer)
}, 100)`

/** Ends the kubelet, and waits until the one that came instead says how the pod that did it has ended. Needs no Docker engine. */
export async function restartKubelet(world: World): Promise<void> {
	await applyObjects(world.target, [
		{
			apiVersion: 'v1',
			kind: 'Pod',
			metadata: { namespace: NODE_NAMESPACE, name: POD },
			spec: {
				hostPID: true,
				restartPolicy: 'Never',
				automountServiceAccountToken: false,
				containers: [
					{
						name: 'restarts',
						image: world.images.service,
						imagePullPolicy: 'IfNotPresent',
						command: ['/usr/local/bin/node', '-e', RESTART],
						// A process of root, in whose place no other user may end it.
						securityContext: { runAsUser: 0, runAsNonRoot: false },
					},
				],
			},
		},
	])
	const phase = async () =>
		(await getObject<{ status: { phase?: string } }>(world.target, ['-n', NODE_NAMESPACE, 'pod', POD])).status.phase
	await until('another kubelet', async () => (await phase()) === 'Succeeded', { timeoutMs: 120_000 })
	await kubectl(world.target, ['-n', NODE_NAMESPACE, 'delete', 'pod', POD, '--timeout=60s'])
}
