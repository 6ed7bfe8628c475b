import type { VolumeRequest } from './request.ts'

/** What becomes of a volume, for events and metrics. */
export type VolumeNews =
	| { readonly kind: 'delivered' }
	| { readonly kind: 'offline' }
	/** the pod waits; `reason` and `message` are our own words */
	| { readonly kind: 'waits'; readonly reason: string; readonly message: string }
	/** the pod runs with what it has */
	| { readonly kind: 'stale'; readonly reason: string; readonly message: string }
	| { readonly kind: 'fresh' }

/** Whose volume it is, for people. */
export type VolumePod = Pick<VolumeRequest, 'namespace' | 'pod' | 'podUid' | 'binding'>
