import type { KubeError } from './kube-error.ts'

export interface RequestLabels {
	/** Kubernetes verb: get, list, watch, create, update, patch, delete */
	verb: string
	/** plural resource, with its subresource if any: `pods/status`; `other` for paths that are not resources */
	kind: string
}

/** Told about every request once, when its outcome is known. `status` is the HTTP status, `unreachable`, `timeout` or `aborted`. */
export type ObserveRequest = (labels: RequestLabels & { status: string }, seconds: number) => void

/** Differences that a relist found and the stream should have told. */
export interface Missed {
	applied: number
	deleted: number
}

/** What a watch tells about itself; for logs and metrics. None may throw. */
export interface WatchObserver {
	state?(name: 'Empty' | 'InitPage' | 'InitListed' | 'Watching'): void
	/** a request failed, or a stream ended at once; the next try is `waitMs` away */
	fault?(error: KubeError | 'shortLived', waitMs: number): void
	/** everything was listed again, by the calendar or because history was gone; `missed` should be all 0 */
	relisted?(reason: 'periodic' | 'expired', missed: Missed): void
}
