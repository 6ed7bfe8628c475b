import { setImmediate } from 'node:timers/promises'
import type { BindingStatus } from '../../api/schema.ts'
import { KubeError } from '../../ports/kube-error.ts'
import { createLogger } from '../../process/log.ts'
import type { Turn } from '../../process/queue.ts'
import { FakeClock } from '../../process/testing/fake-clock.ts'
import type { BindingObject } from '../binding-object.ts'
import { createReconciler, type ReconcileDeps, type Reconciler } from '../reconcile.ts'
import { makeFormsHere } from './forms-here.ts'
import { createSecretServer } from './secret-server.ts'
import { createVaultModel, type VaultModel } from './vault-model.ts'

const NAME = 'mine'

/** One binding with its vaults and its Secret in memory, and an operator that can be started again. */
export function openBinding(
	spec: Record<string, unknown>,
	{ status: first = {}, ...options }: Pick<ReconcileDeps, 'minIntervalMs' | 'slices'> & { status?: BindingStatus } = {},
) {
	const clock = new FakeClock()
	const secrets = createSecretServer()
	const vaults = new Map<string, VaultModel>()
	const vault = (name: string) => {
		const url = `https://${name}.vault.azure.net`
		const model = vaults.get(url) ?? createVaultModel(clock)
		vaults.set(url, model)
		return model
	}
	const account = {
		uid: 'account',
		annotations: {
			'azure.workload.identity/client-id': '11111111-1111-4111-8111-111111111111',
			'azure.workload.identity/tenant-id': '22222222-2222-4222-8222-222222222222',
		} as Record<string, string>,
	}
	let version = 1
	let status = first
	let refusals = 0
	let isGone = false
	const object = {
		metadata: { namespace: 'ns', name: 'payments', uid: 'u', generation: 1, creationTimestamp: '2025-01-01T00:00:00Z' },
		spec: {
			vault: { url: 'https://a.vault.azure.net' },
			identity: { serviceAccountName: 'sa' },
			delivery: { secret: { name: NAME } },
			refresh: { interval: '60s' },
			...spec,
		} as Record<string, unknown>,
	}
	const events = { record: () => {}, flush: async () => {} }
	const start = (): Reconciler =>
		createReconciler({
			...options,
			clock,
			random: () => 0,
			log: createLogger({ level: 'silent' }),
			read: () => {
				if (isGone) return undefined
				return structuredClone({
					...object,
					metadata: { ...object.metadata, resourceVersion: String(version) },
					status,
				}) as BindingObject
			},
			operator: { namespace: 'system', name: 'operator' },
			vaults: {
				session: ({ vaultUrl }) => vault(new URL(vaultUrl).hostname.split('.')[0] ?? '').session,
				leave: () => {},
				isAllowed: () => true,
				prune: () => {},
			},
			serviceAccounts: { get: async () => account },
			secrets,
			permissions: { isAllowed: async () => true },
			bindings: {
				async patchStatus(_, __, seen, patch) {
					if (refusals-- > 0) throw new KubeError('conflict', 'the object has been modified')
					if (seen !== String(version)) throw new KubeError('conflict', 'the object has been modified')
					const next = Object.entries({ ...status, ...patch }).filter(([, value]) => value !== null)
					status = JSON.parse(JSON.stringify(Object.fromEntries(next))) as BindingStatus
					version++
					return String(version)
				},
			},
			makeForms: makeFormsHere,
			podRefresher: { run: async () => undefined },
			events,
			outages: { reported: () => {}, gone: () => {} },
			workedUntil: undefined,
			observer: {
				uses: () => {},
				polled: () => {},
				written: () => {},
				propagated: () => {},
				reconciled: () => {},
				late: () => {},
				gone: () => {},
			},
		})
	let operator = start()
	const signal = new AbortController().signal
	let onAgain = () => {}
	const turn: Turn = {
		lateMs: 0,
		isRetry: false,
		release: (until) => until(),
		onAgain(listener) {
			onAgain = listener
		},
	}
	return {
		clock,
		secrets,
		vault,
		/** The next writes of the status are refused. */
		loseStatus(times: number) {
			refusals = times
		},
		/** The object comes back from a backup, which has no statuses. */
		forgetStatus() {
			status = {}
			version++
		},
		/** annotations of the ServiceAccount */
		account,
		/** Lets the operator do its work once, and again for as long as somebody is faster than it. */
		async reconcile() {
			for (let tries = 0; ; tries++) {
				try {
					return await operator.reconcile('ns/payments', signal, { ...turn, isRetry: tries > 0 })
				} catch (error) {
					if (tries === 3) throw error
				}
			}
		},
		/** Lets time pass in steps, as a queue would call. */
		async pass(ms: number) {
			for (const end = clock.monotonic() + ms; clock.monotonic() < end; ) {
				await clock.advance(2_500)
				await this.reconcile()
			}
		},
		/** Lets time pass while the operator waits for a vault that takes long, and calls it when it wants to be called. */
		async passWithWaits(ms: number) {
			for (const end = clock.monotonic() + ms; clock.monotonic() < end; ) {
				let next: number | undefined | 'open' = 'open'
				const done = this.reconcile().then((after) => {
					next = after
				})
				// What is loaded when it is first needed takes real time.
				while (next === 'open') await (clock.sleeping > 0 ? clock.advance(100) : setImmediate())
				await done
				await clock.advance(next ?? 0)
			}
		},
		/** Changes the spec, as a user. */
		edit(change: Record<string, unknown>) {
			Object.assign(object.spec, change)
			object.metadata.generation++
			version++
		},
		/** The watch shows what has become of the binding, while a pass is under way. */
		showAgain: () => onAgain(),
		/** The binding is deleted. */
		delete() {
			isGone = true
		},
		/** It was, and is made anew. */
		recreate() {
			object.metadata.uid += '-anew'
			version++
		},
		restart() {
			operator = start()
		},
		files: () => {
			const { '.binding.json': _, ...files } = secrets.text(NAME) ?? {}
			return files
		},
		manifest: () =>
			JSON.parse(secrets.text(NAME)?.['.binding.json'] ?? 'null') as {
				vault: string
				revision: number
				secrets: Record<string, { vault?: string; version: string; state: string }>
				wanted?: object
			},
		get status() {
			return status
		},
		condition: (type: string) => status.conditions?.find((each) => each.type === type),
		shown: (name: string) => status.secrets?.find((each) => each.name === name),
	}
}
