import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ConnectError } from '@connectrpc/connect'
import { afterEach, beforeEach } from 'vitest'
import { until } from '../../../../test/kit/until.ts'
import { useTenant } from '../../vault/testing/tenant.ts'
import { dial, type PodOptions, publishRequest } from './kubelet.ts'
import { createTestBindings, type PluginOptions, startPlugin } from './plugin.ts'

export const VALUE = 'canary-5f1c-of-the-node'
// Half a second before the answer that comes in time (services.ts).
const SOON_MS = 3_500
const AUDIENCE = 'api://AzureADTokenExchange'

/** A plugin, an emulated vault with one secret and a kubelet, anew for each test of a file. */
export function usePlugin() {
	const tenant = useTenant()
	const started: Awaited<ReturnType<typeof startPlugin>>[] = []
	const roots = new Set<string>()
	const world = {
		tenant,
		plugin: undefined as unknown as Awaited<ReturnType<typeof startPlugin>>,
		bindings: undefined as unknown as ReturnType<typeof createTestBindings>,
		kubelet: undefined as unknown as ReturnType<typeof dial>,
		/** what the plugin printed */
		printed: '',
		spec: (more: object = {}) => ({
			vault: { url: tenant.key.vaultUrl },
			identity: { serviceAccountName: 'app' },
			secrets: [{ name: 'db' }],
			delivery: { type: 'Volume' },
			...more,
		}),
		/** Starts one more process of the role; with the root of another one, beside it. */
		async start(more: Partial<PluginOptions> = {}) {
			const plugin = await startPlugin({
				bindings: world.bindings.watches,
				clientId: tenant.key.clientId,
				tenantId: tenant.key.tenantId,
				vaults: (tokens) => tenant.vaults({ tokens }),
				print: (text) => {
					world.printed += text
				},
				...more,
			})
			started.push(plugin)
			return plugin
		},
		/** The plugin of the test is another one from now on. */
		async restart(more: Partial<PluginOptions> = {}) {
			await world.plugin.close(more.root !== undefined)
			if (more.root !== undefined) roots.add(more.root)
			world.plugin = await world.start(more)
			world.kubelet = dial(world.plugin.csi)
		},
		set: (value: string, name = 'db') => tenant.emulator.control.setSecret({ vault: 'payments', name, value }),
		token: async (serviceAccount = 'app', uid?: string) =>
			(await tenant.tokens.request('team', serviceAccount, AUDIENCE, uid)).token,
		async targetOf(volumeId: string) {
			const parent = join(world.plugin.root, 'pods', volumeId)
			await mkdir(parent, { recursive: true })
			return join(parent, 'mount')
		},
		async publish(volumeId: string, more: Partial<PodOptions> = {}, timeoutMs = 20_000) {
			const target = await world.targetOf(volumeId)
			const token = more.token ?? (await world.token(more.serviceAccount))
			const request = publishRequest({ volumeId, target, ...more, token })
			await world.kubelet.node.nodePublishVolume(request, { timeoutMs })
			return target
		},
		/**
		 * What a call is answered that ends before the volume is there. A busy machine may have come to nothing by then, and a kubelet calls again.
		 */
		refusal: (volumeId: string, more: Partial<PodOptions> = {}) =>
			until('a call that ends with a reason', async () => {
				const error = await world.publish(volumeId, more, SOON_MS).catch((thrown: unknown) => thrown as ConnectError)
				return error instanceof ConnectError && error.rawMessage !== 'the volume is being prepared' && error
			}),
		unpublish: (volumeId: string, targetPath: string) =>
			world.kubelet.node.nodeUnpublishVolume({ volumeId, targetPath }),
		/** What the operator would write of a vault that it looked at now. */
		statusOf: (updated: Date) => ({
			observedGeneration: 1,
			vault: tenant.key.vaultUrl,
			lastCheckTime: new Date().toISOString(),
			conditions: [
				{ type: 'Fresh', status: 'True', reason: 'Current', message: '', lastTransitionTime: updated.toISOString() },
			],
			secrets: [{ name: 'db', objectName: 'db', state: 'Current', updated: updated.toISOString() }],
		}),
	}
	beforeEach(async () => {
		world.printed = ''
		world.bindings = createTestBindings()
		world.bindings.apply('payments', world.spec())
		await world.set(VALUE)
		world.plugin = await world.start()
		world.kubelet = dial(world.plugin.csi)
	})
	afterEach(async () => {
		for (const plugin of started.splice(0)) await plugin.close()
		for (const root of roots) await rm(root, { recursive: true, force: true })
		roots.clear()
	})
	return world
}
