import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createProgress } from '../cluster/progress.ts'
import { applyBinding, waitReady } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { seededRandom } from '../kit/random.ts'
import { createTenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { openWorld } from '../kit/world.ts'
import type { Bench } from './cli.ts'
import { quantile } from './numbers.ts'
import { lookThatFound, secretPatchedAt } from './trace.ts'

/** The binding's interval, in ms; the shortest that the resource allows. */
const INTERVAL = 5_000

/** Where the time of one rotation went, in ms. */
interface Shares {
	/** From the vault's write to the look that showed it: chance, U(0, interval). */
	poll: number
	/** From that look to the Secret written: read of the value, merge patch. */
	write: number
	/** From the Secret written to the swap of the mounted directory: pod refresh, kubelet. */
	kubelet: number
	/** From the swap to `onChange` in the service: watcher, read of the generation. */
	watcher: number
}

/**
 * Vault write to `onChange`, over rotations at seeded random moments.
 *
 * 1. Wait U(0, interval), note the time, write a new version.
 * 2. Wait for `onChange` with that version; the service notes its time and the change time of the `..data` link.
 * 3. The audit log gives the end of the Secret's patch, the emulator's request log the look before it.
 *
 * All on one machine, so on one clock.
 */
export const bench: Bench = {
	title: 'vault write to onChange, 100 rotations at random moments, with shares (--rotations N, --seed N)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: { rotations: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
		})
		const random = seededRandom(Number(values.seed))
		const { world } = await openWorld({ progress: createProgress(), holder: 'npm run bench', vaults: ['payments'] })
		const tenant = await createTenant({ ...world, name: 'latency', vault: 'payments' })
		try {
			const write = () => world.control.setSecret({ vault: 'payments', name: 'db', value: world.canary('latency') })
			await write()
			await applyBinding(world, tenant, { secrets: [{ name: 'db' }] })
			await waitReady(world, tenant)
			await world.startService(tenant)
			await kubectl(world.target, [
				'-n',
				tenant.namespace,
				'rollout',
				'status',
				'deployment/payments',
				'--timeout=180s',
			])
			const all: Shares[] = []
			for (let rotation = 0; rotation < Number(values.rotations); rotation += 1) {
				await sleep(random() * INTERVAL)
				const written = Date.now()
				const { version } = await write()
				const change = await until(`onChange of rotation ${rotation}`, async () =>
					(await world.changes(tenant)).find((each) => each.changes.some((change) => change.version === version)),
				)
				const log = await world.control.requests({ since: written })
				const swapped = change.swappedAt
				const patched = swapped && secretPatchedAt(world.auditLog, tenant.namespace, { written, swapped })
				const polled = patched && lookThatFound(log, patched)
				if (polled === undefined || patched === undefined || swapped === undefined) {
					console.log(`rotation ${rotation}: incomplete record, left out`)
					continue
				}
				all.push({
					poll: polled - written,
					write: patched - polled,
					kubelet: swapped - patched,
					watcher: change.at - swapped,
				})
			}
			print(all)
		} finally {
			await tenant.remove()
			await world.close()
		}
	},
}

function print(all: readonly Shares[]): void {
	const row = (name: string, of: (shares: Shares) => number) => {
		const values = all.map(of)
		const at = (q: number) => quantile(values, q).toFixed(0).padStart(6)
		console.log(`${name.padEnd(34)} p50 ${at(0.5)} ms   p99 ${at(0.99)} ms   max ${at(1)} ms`)
	}
	console.log(`\n${all.length} rotations, interval ${INTERVAL} ms`)
	row('vault write → onChange', (s) => s.poll + s.write + s.kubelet + s.watcher)
	row('  poll wait', (s) => s.poll)
	row('  value read, Secret write', (s) => s.write)
	row('  refresh, kubelet', (s) => s.kubelet)
	row('  watcher, read of the generation', (s) => s.watcher)
	row('without the poll wait', (s) => s.write + s.kubelet + s.watcher)
}
