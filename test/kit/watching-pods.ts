// Pods that mount Secrets of bindings and say when a file changes: what an upgrade of the operator must not be noticed by.
import { createHash } from 'node:crypto'
import { applyObjects, getObject, kubectl } from './kubectl.ts'
import type { Tenant } from './tenant.ts'
import type { World } from './world.ts'

const FOLDER = '/var/run/secrets/payments'
const LABEL = { app: 'watching' }
/** Milliseconds between looks of a pod at its files. */
const EVERY_MS = 250

// Prints a digest of all files when it differs from the last one. A file that goes while it is read is read with the next look.
const SCRIPT = `
const fs = require('node:fs'), { createHash } = require('node:crypto')
let last
setInterval(() => {
	try {
		const hash = createHash('sha256')
		for (const name of fs.readdirSync('${FOLDER}').sort())
			if (!name.startsWith('.')) hash.update(name + '=').update(fs.readFileSync('${FOLDER}/' + name))
		const digest = hash.digest('hex')
		if (digest !== last) console.log(digest)
		last = digest
	} catch (error) {
		if (error.code !== 'ENOENT') throw error
	}
}, ${EVERY_MS})`

/** What such a pod prints for these files. */
export function digestOf(files: Readonly<Record<string, string>>): string {
	const hash = createHash('sha256')
	for (const name of Object.keys(files).toSorted()) hash.update(`${name}=`).update(files[name] ?? '')
	return hash.digest('hex')
}

/** One pod for each Secret, called as it. Resolves when all run. */
export async function startWatchingPods(world: World, tenant: Tenant, secrets: readonly string[]): Promise<void> {
	const container = {
		name: 'app',
		image: world.images.service,
		imagePullPolicy: 'IfNotPresent',
		// A pod that ended says why.
		terminationMessagePolicy: 'FallbackToLogsOnError',
		command: ['/usr/local/bin/node', '-e', SCRIPT],
		volumeMounts: [{ name: 'secrets', mountPath: FOLDER, readOnly: true }],
	}
	const podOf = (secretName: string) => ({
		apiVersion: 'v1',
		kind: 'Pod',
		metadata: { namespace: tenant.namespace, name: secretName, labels: LABEL },
		spec: {
			automountServiceAccountToken: false,
			terminationGracePeriodSeconds: 0,
			containers: [container],
			volumes: [{ name: 'secrets', secret: { secretName } }],
		},
	})
	await applyObjects(world.target, secrets.map(podOf))
	await kubectl(world.target, [
		...['-n', tenant.namespace, 'wait', 'pods', '-l', `app=${LABEL.app}`, '--for=condition=Ready', '--timeout=170s'],
	])
}

export interface WatchingPod {
	readonly name: string
	readonly uid: string
	readonly restarts: number
	/** Why it ended, when it was started anew. */
	readonly ended: string
}

export async function watchingPods(world: World, tenant: Tenant): Promise<WatchingPod[]> {
	const { items } = await getObject<{
		items: {
			metadata: { name: string; uid: string }
			status: { containerStatuses: { restartCount: number; lastState: object }[] }
		}[]
	}>(world.target, ['-n', tenant.namespace, 'pods', '-l', `app=${LABEL.app}`])
	return items.map(({ metadata: { name, uid }, status }) => ({
		name,
		uid,
		ended: JSON.stringify(status.containerStatuses.map(({ lastState }) => lastState)),
		restarts: status.containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
	}))
}

/** What each pod printed: the states of its files, one after the other. */
export async function statesOf(world: World, tenant: Tenant): Promise<Map<string, string[]>> {
	const log = await kubectl(world.target, [
		...['-n', tenant.namespace, 'logs', '-l', `app=${LABEL.app}`, '--prefix', '--tail=-1', '--max-log-requests=50'],
	])
	const states = new Map<string, string[]>()
	for (const line of log.split('\n').filter(Boolean)) {
		const [, pod = '', digest = ''] = /^\[pod\/([^/]+)\/app\] ([0-9a-f]{64})$/.exec(line) ?? []
		states.set(pod, [...(states.get(pod) ?? []), digest])
	}
	return states
}
