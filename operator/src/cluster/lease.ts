import { isKubeError, KubeError } from '../ports/kube-error.ts'
import { linkAbort } from '../process/abort.ts'
import { jitter } from '../process/backoff.ts'
import type { Clock, Random } from '../process/clock.ts'
import { decide, endOf, type Lease, type Observed, observe, releasedSpec, takenSpec } from './lease-record.ts'
import type { KubeTransport } from './transport.ts'

/** Reason of the lead signal, and rejection of `runLeaderElection`, when the lease was lost. */
export class LeaseLostError extends Error {
	override readonly name = 'LeaseLostError'
}

// client-go's defaults for all three.
/** How long the others wait after the last sign of life of a leader, milliseconds. */
export const LEASE_DURATION_MS = 15_000
const RENEW_DEADLINE_MS = 10_000
/** Between two tries, milliseconds; up to `RETRY_JITTER` times longer. */
export const RETRY_PERIOD_MS = 2_000
// client-go's JitterFactor, for the same purpose: candidates should not try in step.
export const RETRY_JITTER = 1.2

/** The lease as it was won. */
export interface Won {
	uid: string | undefined
	/**
	 * until when a leader before this one may have worked, milliseconds since the epoch: by its own clock, and by its promise to
	 * end within the lease's duration after its last renewal; undefined: unknown, as without a lease there
	 */
	workedUntil: number | undefined
}

export interface LeaderElectionOptions {
	transport: Pick<KubeTransport, 'request'>
	namespace: string
	name: string
	/** unique among candidates: the pod's name, for example */
	identity: string
	clock: Clock
	random: Random
	/** asks to stop: gives the work time to end, then the lease away */
	signal: AbortSignal
	/** how long the others wait after our last sign of life, milliseconds */
	leaseDurationMs?: number
	/** how long we go on without having renewed, milliseconds; less than `leaseDurationMs` */
	renewDeadlineMs?: number
	/** between two tries, milliseconds; less than `renewDeadlineMs` */
	retryPeriodMs?: number
	/** give the lease away when `signal` stops us; default true */
	releaseOnStop?: boolean
	/** called at once when the lease is lost, before the work has ended */
	onLost?: (error: LeaseLostError) => void
	/** another holder was seen, or none (`''`); for logs */
	onHolder?: (identity: string) => void
	/** a try failed; for logs and metrics */
	onError?: (error: KubeError) => void
}

/**
 * Takes part in the election, and calls `lead` once when it is won.
 *
 * 1. Read the lease; create it if there is none. Take it when it is free or when its record did not change for its duration.
 *    Every write carries the resourceVersion that was last seen, so of two takers one gets 409.
 * 2. While leading, renew every `retryPeriodMs`. The time of a renewal is when it was *sent*: a slow answer must not make
 *    the lease look younger than the others may see it.
 * 3. Not renewed for `renewDeadlineMs`, or somebody else holds it: lost. The signal given to `lead` aborts at once, `onLost`
 *    is called, and the promise rejects with `LeaseLostError` when `lead` has ended. The process should exit then.
 * 4. `signal` aborts: the signal of `lead` aborts, renewing goes on until `lead` has ended, then the lease is given away.
 *
 * A leader is never proof of a single writer: a stalled process may write after its time. Writes must be idempotent.
 *
 * @returns when `signal` stopped it, or when `lead` returned by itself
 * @throws LeaseLostError when the lease was lost; what `lead` threw otherwise
 */
export async function runLeaderElection(
	options: LeaderElectionOptions,
	lead: (signal: AbortSignal, won: Won) => Promise<void>,
): Promise<void> {
	const {
		clock,
		signal,
		leaseDurationMs = LEASE_DURATION_MS,
		renewDeadlineMs = RENEW_DEADLINE_MS,
		retryPeriodMs = RETRY_PERIOD_MS,
	} = options
	// client-go's condition: a renewal must be able to fail several times before the deadline.
	if (!(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > retryPeriodMs * 1.2)) {
		throw new RangeError('leader election needs leaseDuration > renewDeadline > 1.2 * retryPeriod')
	}
	const lease = createLeaseClient(options, leaseDurationMs)

	let renewedAt: number | undefined
	while (renewedAt === undefined) {
		if (signal.aborted) return
		renewedAt = await lease.attempt(renewDeadlineMs, signal)
		if (renewedAt !== undefined) break
		await clock.sleep(jitter(retryPeriodMs, RETRY_JITTER, options.random), signal).catch(() => {})
	}

	const leading = new AbortController()
	const stopLeading = () => leading.abort(signal.reason)
	if (signal.aborted) stopLeading()
	signal.addEventListener('abort', stopLeading, { once: true })

	// Renewing has its own end: it outlives `signal` until the work is done.
	const work = new AbortController()
	const { uid, workedUntil } = lease
	const worked = run(() => lead(leading.signal, { uid, workedUntil })).finally(() => work.abort())
	// Awaited below, but maybe only after a renewal that is on its way: a rejection must not count as unhandled until then.
	worked.catch(() => {})
	let release = options.releaseOnStop ?? true
	try {
		const lost = await keepRenewing(options, lease, renewedAt, { renewDeadlineMs, retryPeriodMs }, work.signal)
		if (lost) {
			release = false
			leading.abort(lost)
			options.onLost?.(lost)
			throw lost
		}
		await worked.catch((error: unknown) => {
			if (!signal.aborted) throw error
		})
	} catch (error) {
		leading.abort(error)
		// What the work throws while it is being stopped says nothing that the error does not say.
		await worked.catch(() => {})
		throw error
	} finally {
		signal.removeEventListener('abort', stopLeading)
		if (release) await lease.release(renewDeadlineMs)
	}
}

// An async function, so that a `lead` that throws before its first await is a rejection like any other.
async function run(lead: () => Promise<void>): Promise<void> {
	await lead()
}

/** @returns the loss, or undefined when `done` aborted before */
async function keepRenewing(
	{ clock }: LeaderElectionOptions,
	lease: LeaseClient,
	firstRenewal: number,
	{ renewDeadlineMs, retryPeriodMs }: { renewDeadlineMs: number; retryPeriodMs: number },
	done: AbortSignal,
): Promise<LeaseLostError | undefined> {
	let renewedAt = firstRenewal
	const left = () => renewedAt + renewDeadlineMs - clock.monotonic()
	for (;;) {
		await clock.sleep(Math.min(retryPeriodMs, left()), done).catch(() => {})
		if (done.aborted) return undefined
		// Also after a stalled event loop or a suspended machine: too late is too late, without asking.
		if (left() <= 0) return new LeaseLostError(`the lease was not renewed for ${renewDeadlineMs} ms`)
		const limit = linkAbort(done)
		const timer = new AbortController()
		const deadline = clock.sleep(left(), timer.signal).then(
			() => limit.controller.abort(),
			() => {},
		)
		// Half of the deadline at most: one half-open connection must leave time for a try on another.
		const sentAt = await lease.attempt(Math.min(left(), renewDeadlineMs / 2), limit.controller.signal)
		timer.abort()
		limit.release()
		await deadline
		if (done.aborted) return undefined
		if (lease.holder !== undefined && !lease.isOurs)
			return new LeaseLostError(`the lease is held by ${lease.holder || 'nobody'}`)
		if (sentAt !== undefined) renewedAt = sentAt
	}
}

interface LeaseClient extends Readonly<Won> {
	/** holder in the record last seen; undefined before the first read */
	readonly holder: string | undefined
	readonly isOurs: boolean
	/** One try. @returns the monotonic time at which a write that made or kept us the holder was sent; undefined otherwise */
	attempt(timeoutMs: number, signal: AbortSignal): Promise<number | undefined>
	/** Gives the lease away if we hold it. Never throws: not given away, it expires. */
	release(timeoutMs: number): Promise<void>
}

function createLeaseClient(options: LeaderElectionOptions, leaseDurationMs: number): LeaseClient {
	const { transport, namespace, name, identity, clock, onError = () => {}, onHolder = () => {} } = options
	const collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
	let observed: Observed | undefined
	/** by the record that we replaced when we won it; ours have followed since */
	let workedUntil: number | undefined
	/** the object as last answered; its resourceVersion goes into the next write */
	let latest: Lease | undefined
	let lastHolder: string | undefined

	const note = (lease: Lease) => {
		latest = lease
		observed = observe(observed, lease.spec ?? {}, clock.monotonic())
		const holder = observed.spec.holderIdentity ?? ''
		if (holder !== lastHolder) onHolder(holder)
		lastHolder = holder
	}
	const write = async (spec: object, before: Lease | undefined, timeoutMs: number, signal?: AbortSignal) => {
		const body: Lease = {
			apiVersion: 'coordination.k8s.io/v1',
			kind: 'Lease',
			metadata: { ...before?.metadata, name, namespace },
			spec,
		}
		note(
			before
				? await transport.request<Lease>({ method: 'PUT', path: `${collection}/${name}`, body, timeoutMs, signal })
				: await transport.request<Lease>({ method: 'POST', path: collection, body, timeoutMs, signal }),
		)
	}
	const read = async (timeoutMs: number, signal: AbortSignal): Promise<Lease | undefined> => {
		try {
			return await transport.request<Lease>({ method: 'GET', path: `${collection}/${name}`, timeoutMs, signal })
		} catch (error) {
			if (isKubeError(error, 'notFound')) return undefined
			throw error
		}
	}

	/** @returns when it was sent; undefined when the lease is not as in `before` any more */
	const put = async (
		before: Lease | undefined,
		timeoutMs: number,
		signal: AbortSignal,
	): Promise<number | undefined> => {
		const sentAt = clock.monotonic()
		const ours = client.isOurs
		try {
			await write(takenSpec(before?.spec, identity, clock.now(), leaseDurationMs), before, timeoutMs, signal)
			if (!ours) workedUntil = endOf(before?.spec, leaseDurationMs)
			return sentAt
		} catch (error) {
			if (isKubeError(error, 'conflict', 'alreadyExists', 'notFound')) return undefined
			throw error
		}
	}

	const client: LeaseClient = {
		get holder() {
			return observed ? (observed.spec.holderIdentity ?? '') : undefined
		},
		get isOurs() {
			return observed?.spec.holderIdentity === identity
		},
		get uid() {
			return latest?.metadata.uid
		},
		get workedUntil() {
			return workedUntil
		},
		async attempt(timeoutMs, signal) {
			try {
				if (client.isOurs && latest) {
					// Nobody can have taken it unless the version moved, and then the write fails: no need to read first.
					const renewed = await put(latest, timeoutMs, signal)
					if (renewed !== undefined) return renewed
				}
				const lease = await read(timeoutMs, signal)
				if (lease) note(lease)
				if (lease && observed) {
					const decision = decide(observed, identity, clock.monotonic(), leaseDurationMs)
					if (decision.kind === 'wait') return undefined
				}
				return await put(lease, timeoutMs, signal)
			} catch (error) {
				if (signal.aborted) return undefined
				if (!(error instanceof KubeError)) throw error
				onError(error)
				return undefined
			}
		},
		async release(timeoutMs) {
			if (!client.isOurs || !latest?.spec) return
			try {
				await write(releasedSpec(latest.spec, clock.now()), latest, timeoutMs)
			} catch (error) {
				if (error instanceof KubeError) onError(error)
			}
		},
	}
	return client
}
