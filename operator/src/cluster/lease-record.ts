/** `coordination.k8s.io/v1` Lease, as far as we read and write it. */
export interface Lease {
	apiVersion?: 'coordination.k8s.io/v1'
	kind?: 'Lease'
	metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string }
	spec?: LeaseSpec
}

export interface LeaseSpec {
	holderIdentity?: string | null
	leaseDurationSeconds?: number | null
	/** MicroTime */
	acquireTime?: string | null
	/** MicroTime */
	renewTime?: string | null
	leaseTransitions?: number | null
}

/** The record as it was when we last saw it change, and when that was on our own monotonic clock. */
export interface Observed {
	spec: LeaseSpec
	atMs: number
}

/** What to do about a lease that was just read. */
export type LeaseDecision =
	/** someone else holds it; it cannot be taken before `untilMs` on our monotonic clock */
	| { kind: 'wait'; holder: string; untilMs: number }
	/** nobody holds it, or its holder let it expire */
	| { kind: 'take' }
	/** it is ours */
	| { kind: 'renew' }

/**
 * client-go's rule: a lease expires one lease duration after *we* saw its record change. The holder's `renewTime` is never
 * compared with our wall clock, so skewed clocks cost time at most, not exclusion. The duration is the one that the holder
 * promised in the record.
 */
export function decide(observed: Observed, identity: string, nowMs: number, defaultDurationMs: number): LeaseDecision {
	const { holderIdentity: holder, leaseDurationSeconds } = observed.spec
	if (!holder) return { kind: 'take' }
	if (holder === identity) return { kind: 'renew' }
	const durationMs = leaseDurationSeconds ? leaseDurationSeconds * 1000 : defaultDurationMs
	const untilMs = observed.atMs + durationMs
	return nowMs < untilMs ? { kind: 'wait', holder, untilMs } : { kind: 'take' }
}

/** Keeps the time of the last change: a record equal to the one before says nothing new about its holder. */
export function observe(before: Observed | undefined, spec: LeaseSpec, nowMs: number): Observed {
	return before && sameSpec(before.spec, spec) ? before : { spec, atMs: nowMs }
}

function sameSpec(a: LeaseSpec, b: LeaseSpec): boolean {
	return (
		a.holderIdentity === b.holderIdentity &&
		a.leaseDurationSeconds === b.leaseDurationSeconds &&
		a.acquireTime === b.acquireTime &&
		a.renewTime === b.renewTime &&
		a.leaseTransitions === b.leaseTransitions
	)
}

/** Until when the holder of the record may have worked at the latest, by its clock, milliseconds since the epoch. */
export function endOf(spec: LeaseSpec | undefined, durationMs: number): number | undefined {
	const renewedAt = Date.parse(spec?.renewTime ?? '')
	// Also when it was given away: its work has ended by then, but the duration in the record is a second and no promise.
	return Number.isFinite(renewedAt) ? renewedAt + durationMs : undefined
}

/** The spec to write for `take` and `renew`. */
export function takenSpec(
	before: LeaseSpec | undefined,
	identity: string,
	nowMs: number,
	durationMs: number,
): LeaseSpec {
	const ours = before?.holderIdentity === identity
	return {
		holderIdentity: identity,
		// Whole seconds are all that the field can say; rounding up only ever makes others wait longer.
		leaseDurationSeconds: Math.ceil(durationMs / 1000),
		acquireTime: ours ? (before.acquireTime ?? microTime(nowMs)) : microTime(nowMs),
		renewTime: microTime(nowMs),
		leaseTransitions: (before?.leaseTransitions ?? 0) + (ours || !before ? 0 : 1),
	}
}

/** The spec that gives the lease away: no holder, and a duration of one second as client-go writes it. */
export function releasedSpec(before: LeaseSpec, nowMs: number): LeaseSpec {
	return {
		holderIdentity: '',
		leaseDurationSeconds: 1,
		acquireTime: before.acquireTime ?? null,
		renewTime: microTime(nowMs),
		leaseTransitions: before.leaseTransitions ?? 0,
	}
}

/** RFC 3339 with exactly six fraction digits: the API server answers 400 to any other number of them in a MicroTime. */
export function microTime(ms: number): string {
	return new Date(ms).toISOString().replace(/(\.\d{3})Z$/, '$1000Z')
}
