import { type Clock, systemClock } from '../../operator/src/process/clock.ts'

/**
 * A clock that makes durations pass `times` as fast for the operator, so that intervals of 5 s and waits of 10 s fit into a
 * test. Wall clock times stay true, because servers judge them.
 */
export const hurried = (times: number): Clock => ({
	now: () => Date.now(),
	monotonic: () => systemClock.monotonic() * times,
	sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
})
