import { create } from '@bufbuild/protobuf'
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect'
import { createDeadline } from '../cluster/deadline.ts'
import { describeError, type Logger } from '../process/log.ts'
import { printable } from './printable.ts'
import {
	Identity,
	Node,
	type NodePublishVolumeRequest,
	NodePublishVolumeRequestSchema,
	NodeServiceCapability_RPC_Type,
	NodeServiceCapabilitySchema,
	type NodeUnpublishVolumeRequest,
} from './proto/csi_pb.ts'
import { Registration } from './proto/pluginregistration_pb.ts'
import { BadRequest, checkTarget, checkVolume, readRequest, type VolumeRequest } from './request.ts'
import { NotDelivered, type Volumes } from './volumes.ts'

export interface ServicesOptions {
	readonly driver: string
	readonly version: string
	readonly nodeName: string
	readonly podsRoot: string
	readonly volumes: Pick<Volumes, 'publish' | 'unpublish' | 'keeps'>
	readonly log: Logger
	observe(call: 'publish' | 'unpublish', result: CallResult, seconds: number): void
}

/** `kept`: refused, but answered OK, for a pod runs with the volume. */
export type CallResult = 'ok' | 'kept' | 'refused' | 'waits' | 'error'

// csiTimeout of the kubelet; who sends no deadline waits as long.
const CALL_MS = 120_000
// So that the answer with the reason arrives before the caller has given up.
const MARGIN_MS = 3_000

/** CSI identity and node service. What is not here is answered UNIMPLEMENTED. */
export function csiRoutes(options: ServicesOptions): (router: ConnectRouter) => void {
	const { driver, version, nodeName, volumes, podsRoot } = options
	return (router) => {
		router.service(Identity, {
			getPluginInfo: () => ({ name: driver, vendorVersion: version }),
			getPluginCapabilities: () => ({}),
			probe: () => ({ ready: true }),
		})
		router.service(Node, {
			nodeGetInfo: () => ({ nodeId: nodeName }),
			nodeGetCapabilities: () => ({
				capabilities: [
					create(NodeServiceCapabilitySchema, {
						type: { case: 'rpc', value: { type: NodeServiceCapability_RPC_Type.VOLUME_MOUNT_GROUP } },
					}),
				],
			}),
			nodePublishVolume: (request, context) => answering('publish', request, options, () => publish(request, context)),
			nodeUnpublishVolume: (request) => answering('unpublish', request, options, () => unpublish(request)),
		})
	}

	async function publish(request: NodePublishVolumeRequest, context: HandlerContext) {
		const wanted = await readOrKeep(request)
		if (wanted === 'kept') return wanted
		const left = Math.max((context.timeoutMs() ?? CALL_MS) - MARGIN_MS, 0)
		const deadline = createDeadline(context.signal, left)
		// A timer and a signal that nobody takes back would outlive the call by these two minutes.
		await volumes.publish(wanted, deadline.signal).finally(() => deadline.clear())
		return 'ok' as const
	}
	/** Somebody may have changed the CSIDriver object under pods that run. To fail would take nothing from them now, and their next start. */
	async function readOrKeep(request: NodePublishVolumeRequest): Promise<VolumeRequest | 'kept'> {
		const { volumeId, targetPath } = request
		checkVolume(volumeId)
		checkTarget(targetPath, podsRoot)
		try {
			return readRequest(request, podsRoot)
		} catch (error) {
			if (error instanceof BadRequest && (await volumes.keeps(volumeId, targetPath, error.message))) return 'kept'
			throw error
		}
	}
	async function unpublish({ volumeId, targetPath }: NodeUnpublishVolumeRequest) {
		checkVolume(volumeId)
		checkTarget(targetPath, podsRoot)
		await volumes.unpublish(volumeId, targetPath)
		return 'ok' as const
	}
}

async function answering(
	call: 'publish' | 'unpublish',
	request: NodePublishVolumeRequest | NodeUnpublishVolumeRequest,
	{ log, observe }: ServicesOptions,
	work: () => Promise<'ok' | 'kept'>,
): Promise<Record<string, never>> {
	const started = performance.now()
	const volume =
		call === 'publish' ? printable(NodePublishVolumeRequestSchema, request) : { volumeId: request.volumeId }
	const seconds = () => (performance.now() - started) / 1000
	try {
		const result = await work()
		observe(call, result, seconds())
		log.debug({ call, volume: volume, result }, 'served')
		return {}
	} catch (error) {
		const isBad = error instanceof BadRequest
		const isWaiting = error instanceof NotDelivered
		observe(call, isBad ? 'refused' : isWaiting ? 'waits' : 'error', seconds())
		log.warn({ call, volume: volume, err: error }, 'not served')
		if (isBad) throw new ConnectError(error.message, Code.InvalidArgument)
		// None that the kubelet takes for the end: it keeps what it has and asks again.
		if (isWaiting) throw new ConnectError(error.message, Code.Unavailable)
		// Such as ENOSPC: an event of the pod shows it.
		const { name, code } = describeError(error)
		throw new ConnectError(`${call} failed: ${code ?? name}; the log of the node role says more`, Code.Unavailable)
	}
}

/** How the kubelet learns of the driver. */
export function registrationRoutes(options: {
	readonly driver: string
	/** of the CSI socket, as the kubelet sees it */
	readonly endpoint: string
	onRegistered(problem: string | undefined): void
}): (router: ConnectRouter) => void {
	const { driver, endpoint, onRegistered } = options
	return (router) => {
		router.service(Registration, {
			// The oldest and only version: CSI 1.x.
			getInfo: () => ({ type: 'CSIPlugin', name: driver, endpoint, supportedVersions: ['1.0.0'] }),
			notifyRegistrationStatus({ pluginRegistered, error }) {
				onRegistered(pluginRegistered ? undefined : error || 'the kubelet gave no reason')
				return {}
			},
		})
	}
}
