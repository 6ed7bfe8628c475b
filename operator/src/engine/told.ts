const MINUTE_MS = 60_000
const QUARTER_MS = 15 * MINUTE_MS

/**
 * How often the status of a binding says that its vault was looked at, for nodes that go by it: at every second look, not more
 * often than each minute, and at least each quarter of an hour. Each is one small write and one event for each node that
 * follows it.
 */
export const toldEvery = (interval: number): number => Math.min(Math.max(1.5 * interval, MINUTE_MS), QUARTER_MS)
