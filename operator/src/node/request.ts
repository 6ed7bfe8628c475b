import type { NodePublishVolumeRequest } from './proto/csi_pb.ts'

/** A token of the pod's ServiceAccount, as the kubelet gave it. */
export interface PodToken {
	readonly token: string
	/** milliseconds since the epoch */
	readonly expiresAt: number
	/** of the ServiceAccount: one that was deleted and made anew has another. Undefined: the token does not say it */
	readonly serviceAccountUid: string | undefined
}

/** One volume of one pod, as the kubelet asks for it. Nothing of it but `binding` was written by whoever wrote the pod. */
export interface VolumeRequest {
	readonly volumeId: string
	readonly target: string
	/** the pod's fsGroup */
	readonly group: number | undefined
	readonly namespace: string
	readonly pod: string
	readonly podUid: string
	readonly serviceAccount: string
	readonly binding: string
	/** by audience; never printed */
	readonly tokens: ReadonlyMap<string, PodToken>
}

/** The request is not one that a kubelet makes of an ephemeral volume, or the pod asks for what there is not. */
export class BadRequest extends Error {
	override readonly name = 'BadRequest'
}

const POD_INFO = 'csi.storage.k8s.io/'
const TOKENS = `${POD_INFO}serviceAccount.tokens`
// The kubelet's are `csi-` and 64 hex digits. They become names of directories.
const VOLUME_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const DNS_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/
const GROUP = /^(0|[1-9][0-9]{0,9})$/
// Of 32 bits; the last one means "as it is" to chown.
const MAX_GROUP = 2 ** 32 - 2

/**
 * Reads a request. Names, ServiceAccount and tokens are the kubelet's: it overwrites what a pod writes under its own keys. What
 * it does not send is refused, for then somebody else has written it, or the CSIDriver object is not ours.
 *
 * @param podsRoot where targets may lie
 * @throws BadRequest
 */
export function readRequest(request: NodePublishVolumeRequest, podsRoot: string): VolumeRequest {
	const { volumeId, targetPath, volumeCapability, readonly, volumeContext: context } = request
	checkVolume(volumeId)
	checkTarget(targetPath, podsRoot)
	if (!volumeCapability) throw new BadRequest('volume_capability is missing')
	if (volumeCapability.accessType.case === 'block') throw new BadRequest('there are no block volumes of secrets')
	const ephemeral = context[`${POD_INFO}ephemeral`]
	// It comes with what the kubelet says of the pod, or not at all.
	if (ephemeral === undefined) throw new BadRequest(unsaid('ephemeral'))
	if (ephemeral !== 'true')
		throw new BadRequest('only ephemeral inline volumes are served: write the driver under volumes.csi of the pod')
	if (!readonly) throw new BadRequest('write readOnly: true beside the driver in the volume of the pod')
	const group = volumeCapability.accessType.case === 'mount' ? volumeCapability.accessType.value.volumeMountGroup : ''
	if (group !== '' && !(GROUP.test(group) && Number(group) <= MAX_GROUP))
		throw new BadRequest(`volume_mount_group is no number up to ${MAX_GROUP}: correct fsGroup of the pod`)
	const info = (key: string): string => {
		const value = context[POD_INFO + key]
		if (value === undefined || !DNS_NAME.test(value)) throw new BadRequest(unsaid(key))
		return value
	}
	const binding = context['binding']
	if (binding === undefined || !DNS_NAME.test(binding))
		throw new BadRequest(
			'write volumeAttributes: {binding: NAME} beside the driver, with the name of an AzureSecretBinding of the namespace',
		)
	const pod = {
		namespace: info('pod.namespace'),
		pod: info('pod.name'),
		podUid: info('pod.uid'),
		serviceAccount: info('serviceAccount.name'),
	}
	return {
		volumeId,
		target: targetPath,
		group: group === '' ? undefined : Number(group),
		...pod,
		binding,
		tokens: tokensOf(request, pod),
	}
}

const unsaid = (key: string) => `the kubelet did not say ${key}: the CSIDriver object needs podInfoOnMount: true`

export function checkVolume(volumeId: string): void {
	if (volumeId === '') throw new BadRequest('volume_id is missing')
	if (!VOLUME_ID.test(volumeId)) throw new BadRequest('volume_id is none of a kubelet')
}

export function checkTarget(target: string, podsRoot: string): void {
	if (target === '') throw new BadRequest('target_path is missing')
	if (!target.startsWith(`${podsRoot}/`) || target.split('/').some((part) => part === '..' || part === '.'))
		throw new BadRequest(`target_path lies outside of ${podsRoot}: --kubelet-root names another directory`)
}

type Pod = Pick<VolumeRequest, 'namespace' | 'pod' | 'podUid' | 'serviceAccount'>

function tokensOf({ secrets, volumeContext }: NodePublishVolumeRequest, pod: Pod): Map<string, PodToken> {
	const [given, other] = [secrets[TOKENS], volumeContext[TOKENS]]
	// A kubelet writes one of them. Where it writes `secrets`, it leaves the other as the pod's author wrote it.
	if (given !== undefined && other !== undefined)
		throw new BadRequest(`the pod writes ${TOKENS} by itself: take it out of volumeAttributes`)
	const text = given ?? other
	if (text === undefined)
		throw new BadRequest(
			'the kubelet sent no token: the CSIDriver object needs tokenRequests with the exchange audience',
		)
	const tokens = new Map<string, PodToken>()
	for (const [audience, value] of Object.entries(recordOf(parse(text)))) {
		const { token, expirationTimestamp } = recordOf(value)
		const expiresAt = typeof expirationTimestamp === 'string' ? Date.parse(expirationTimestamp) : Number.NaN
		if (typeof token !== 'string' || !Number.isFinite(expiresAt)) throw new BadRequest(`${TOKENS} is none of a kubelet`)
		const claims = claimsOf(token)
		if (!isOf(claims, pod)) throw new BadRequest(`${TOKENS} is of another pod or ServiceAccount`)
		tokens.set(audience, { token, expiresAt, serviceAccountUid: uidOf(claims, 'serviceaccount') })
	}
	return tokens
}

const claimsOf = (token: string): Record<string, unknown> =>
	recordOf(parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')))

function uidOf(claims: Record<string, unknown>, of: 'pod' | 'serviceaccount'): string | undefined {
	const { uid } = recordOf(recordOf(claims['kubernetes.io'])[of])
	return typeof uid === 'string' ? uid : undefined
}

/** By the token's own claims. Entra checks who signed them; this is so that nobody hands in a token of somebody else. */
const isOf = (claims: Record<string, unknown>, { namespace, serviceAccount, podUid }: Pod): boolean =>
	claims['sub'] === `system:serviceaccount:${namespace}:${serviceAccount}` && uidOf(claims, 'pod') === podUid

function parse(text: string): unknown {
	try {
		return JSON.parse(text)
	} catch {
		// The parser's message would quote the text.
		return undefined
	}
}

const recordOf = (value: unknown): Record<string, unknown> =>
	typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
