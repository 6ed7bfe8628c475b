// Pods of the bench `mount`: many at once, each with the same files by another way.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { applyObjects, kubectl } from '../kit/kubectl.ts'
import type { Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import type { World } from '../kit/world.ts'

const MOUNT_PATH = '/var/run/secrets/payments'
const SCRIPT = 'mount-watcher.mjs'
/** Of a Secret's pods and a volume's pods, where to find the version of one secret. */
export const ROTATED = 's-0'

export interface Way {
	readonly name: string
	/** the volume of the pod */
	readonly volume: object
	/** whether there are files to wait for */
	readonly hasFiles: boolean
}

/** What one pod printed. Milliseconds since the epoch, of one machine. */
export interface PodSeen {
	readonly startedAt: number
	readonly filesAt: number | undefined
	readonly complete: boolean
	/** version → when its generation was swapped in */
	readonly swaps: ReadonlyMap<string, number>
}

/** @returns when they were asked for */
export async function startPods(
	world: World,
	tenant: Tenant,
	way: Way,
	pods: number,
	secrets: number,
): Promise<number> {
	const { namespace, serviceAccount } = tenant
	const script = readFileSync(join(import.meta.dirname, SCRIPT), 'utf8')
	await applyObjects(world.target, [
		{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'watcher' }, data: { [SCRIPT]: script } },
	])
	const args = way.hasFiles ? [MOUNT_PATH, ROTATED, String(secrets)] : [MOUNT_PATH]
	const pod = (i: number) => ({
		apiVersion: 'v1',
		kind: 'Pod',
		metadata: { namespace, name: `${way.name}-${i}`, labels: { app: way.name } },
		spec: {
			serviceAccountName: serviceAccount,
			automountServiceAccountToken: false,
			terminationGracePeriodSeconds: 0,
			securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
			containers: [
				{
					name: 'watcher',
					image: world.images.service,
					imagePullPolicy: 'IfNotPresent',
					command: ['/usr/local/bin/node', `/watcher/${SCRIPT}`, ...args],
					// As in the bench `pods`: what one was measured to have resident, and a little of a CPU.
					resources: { requests: { memory: '50Mi', cpu: '5m' } },
					securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
					volumeMounts: [
						{ name: 'secrets', mountPath: MOUNT_PATH, readOnly: true },
						{ name: 'watcher', mountPath: '/watcher', readOnly: true },
					],
				},
			],
			volumes: [
				{ name: 'secrets', ...way.volume },
				{ name: 'watcher', configMap: { name: 'watcher' } },
			],
		},
	})
	const asked = Date.now()
	await applyObjects(
		world.target,
		Array.from({ length: pods }, (_, i) => pod(i)),
	)
	return asked
}

/** What all pods printed, once each has printed what `isDone` wants. */
export const podsSeen = (
	world: World,
	tenant: Tenant,
	{ name }: Way,
	pods: number,
	isDone: (seen: PodSeen) => boolean,
): Promise<PodSeen[]> =>
	until(
		`what ${pods} pods (${name}) print`,
		async () => {
			const all = await printed(world, tenant, name, pods)
			return all.length === pods && all.every(isDone) && all
		},
		// Fifty starts on one node take a minute or two; a busy machine takes longer.
		{ timeoutMs: 900_000, everyMs: 3_000 },
	)

async function printed(world: World, tenant: Tenant, app: string, pods: number): Promise<PodSeen[]> {
	const text = await kubectl(world.target, [
		...['-n', tenant.namespace, 'logs', '-l', `app=${app}`, '--prefix', '--tail=-1', `--max-log-requests=${pods}`],
	]).catch(() => '')
	const lines = text.split('\n').flatMap((line) => {
		const [prefix = '', json] = line.split('] ', 2)
		return json?.startsWith('{') ? [{ prefix, seen: JSON.parse(json) as Record<string, unknown> }] : []
	})
	return [...Map.groupBy(lines, ({ prefix }) => prefix).values()].flatMap((all) => {
		const start = all.find(({ seen }) => 'startedAt' in seen)?.seen
		if (!start) return []
		const swaps = all.flatMap(({ seen }) =>
			'version' in seen ? [[String(seen['version']), Number(seen['swappedAt'])] as const] : [],
		)
		const filesAt = start['filesAt'] === undefined ? undefined : Number(start['filesAt'])
		return [
			{
				startedAt: Number(start['startedAt']),
				filesAt,
				complete: start['complete'] === true,
				// The first swap of a version counts.
				swaps: new Map(swaps.toReversed()),
			},
		]
	})
}

export async function removePods(world: World, tenant: Tenant): Promise<void> {
	await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pods', '--all', '--timeout=300s'], {
		timeoutMs: 310_000,
	})
	// What ends costs the next ones their time otherwise.
	await sleep(5_000)
}
