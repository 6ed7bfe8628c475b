import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { create, toBinary } from '@bufbuild/protobuf'
import { WireType } from '@bufbuild/protobuf/wire'
import { expect, it } from 'vitest'
import { publishRequest } from '../../operator/src/node/testing/kubelet.ts'
import { createTestBindings, startPlugin } from '../../operator/src/node/testing/plugin.ts'
import { useTenant } from '../../operator/src/vault/testing/tenant.ts'
import {
	Controller,
	ControllerServiceCapability_RPC_Type,
	ControllerServiceCapabilitySchema,
	PluginCapability_Service_Type,
	PluginCapabilitySchema,
} from './controller_pb.ts'
import { csiSanity } from './program.ts'

/** `capabilities`, of which the plugin's own message knows nothing because it has none. */
function hasController() {
	const type = { case: 'service', value: { type: PluginCapability_Service_Type.CONTROLLER_SERVICE } } as const
	const bytes = toBinary(PluginCapabilitySchema, create(PluginCapabilitySchema, { type }))
	return { no: 1, wireType: WireType.LengthDelimited, data: Uint8Array.of(bytes.length, ...bytes) }
}

const program = await csiSanity()
const tenant = useTenant()

// It is Go; without a toolchain the cases of operator/src/node/node.test.ts say most of the same.
it.skipIf(program === undefined)(
	'csi-sanity finds nothing wrong with the node service',
	{ timeout: 60_000 },
	async () => {
		await tenant.emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'sanity' })
		const { token } = await tenant.tokens.request('team', 'app', 'api://AzureADTokenExchange')
		const bindings = createTestBindings()
		bindings.apply('payments', {
			vault: { url: tenant.key.vaultUrl },
			identity: { serviceAccountName: 'app' },
			secrets: [{ name: 'db' }],
			delivery: { type: 'Volume' },
		})
		const root = await mkdtemp('/dev/shm/asb-sanity-')
		const { volumeContext } = publishRequest({ volumeId: 'x', target: 'x', token, tokensIn: 'volumeContext' })
		const plugin = await startPlugin({
			root,
			bindings: bindings.watches,
			clientId: tenant.key.clientId,
			tenantId: tenant.key.tenantId,
			vaults: (tokens) => tenant.vaults({ tokens }),
			// The suite publishes for writing too, which the plugin refuses and an ephemeral volume of secrets never is.
			interceptors: [
				(next) => (request) => {
					if (!request.stream && request.message.$typeName === 'csi.v1.NodePublishVolumeRequest')
						Object.assign(request.message, { readonly: true })
					return next(request)
				},
				// It goes through the life of a volume only where the plugin says that it has a controller.
				(next) => async (request) => {
					const answer = await next(request)
					if (!answer.stream && answer.message.$typeName === 'csi.v1.GetPluginCapabilitiesResponse')
						Object.assign(answer.message, { $unknown: [hasController()] })
					return answer
				},
			],
			// The suite makes its volumes by a controller, which ephemeral volumes do not have.
			routes: (router) =>
				router.service(Controller, {
					createVolume: ({ name }) => ({ volume: { volumeId: `csi-${name}`.slice(0, 60), volumeContext } }),
					deleteVolume: () => ({}),
					controllerGetCapabilities: () => ({
						capabilities: [
							create(ControllerServiceCapabilitySchema, {
								type: { case: 'rpc', value: { type: ControllerServiceCapability_RPC_Type.CREATE_DELETE_VOLUME } },
							}),
						],
					}),
				}),
		})
		try {
			const { stdout } = await promisify(execFile)(program ?? '', [
				`--csi.endpoint=unix://${plugin.csi}`,
				`--csi.mountdir=${join(root, 'pods', 'mount')}`,
				`--csi.stagingdir=${join(root, 'pods', 'staging')}`,
				'--ginkgo.skip=Controller Server',
				'--ginkgo.no-color',
			]).catch((error: { stdout: string }) => error)
			expect(stdout).toContain('13 Passed | 0 Failed')
		} finally {
			await plugin.close()
			await rm(root, { recursive: true, force: true })
		}
	},
)
