import type { EventInput, EventRecorder } from '../ports/event-recorder.ts'
import { isKubeError, KubeError } from '../ports/kube-error.ts'
import { createBuckets } from '../process/bucket.ts'
import { type Clock, momentOf } from '../process/clock.ts'
import { microTime } from './lease-record.ts'
import type { KubeTransport } from './transport.ts'

export interface EventRecorderOptions {
	transport: Pick<KubeTransport, 'request'>
	clock: Clock
	/** `secrets.purista.dev/…`: who we are */
	reportingController: string
	/** which of us: the pod's name */
	reportingInstance: string
	/** what is Normal waits while this is so: there is work that somebody waits for; default: never */
	isBusy?: (() => boolean) | undefined
	/** unique suffix of event names; default: from time and a counter, as client-go does */
	unique?: (() => string) | undefined
	observe?: ((result: 'created' | 'counted' | 'dropped' | 'failed') => void) | undefined
	onError?: ((error: KubeError) => void) | undefined
}

// The API server's limits for these fields (validation of events.k8s.io/v1). It says characters and counts bytes.
const MAX_NOTE_BYTES = 1024
const MAX_NAME = 253
// A repetition within this time counts up the first event. client-go ends a series after 6 minutes without one; ours is
// longer because backoff repeats the same fault every 5 minutes.
const SERIES_MS = 10 * 60_000
// client-go's spam filter: 25 events at once for one object, then one each 5 minutes.
const BURST = 25
const REFILL_MS = 5 * 60_000
// An object that stands for many topics gets more of them: 125 vaults that go away and come back together, then six a minute.
const TOPIC_BURST = 250
const TOPIC_REFILL_MS = 10_000
// client-go keeps 4096 of each as well: more objects than one operator has bindings, and an end for memory.
const MAX_REMEMBERED = 4096
// News older than what can be sent in half a minute is not news; this is what a transport can send in that time.
const MAX_PENDING = 500
// So long may Normal ones wait for other work, so many of them (4 MB with the longest notes), and so many are then sent at once.
const MAX_LATER_MS = 30_000
const MAX_LATER = 2_000
const LATER_AT_ONCE = 8
// While the API server does not answer no more than these are tried: six a second, which is what it gets when it comes back.
const MAX_UNANSWERED = 64
// How often it is asked whether they may go.
const LATER_EVERY_MS = 1_000
const TIMEOUT_MS = 10_000
// client-go tries an event that got no answer as often, and waits as long in between.
const MAX_TRIES = 12
const RETRY_MS = 10_000
// A process that ends has 20 s for everything (main.ts; node-command.ts: 10 s), and what others wait for comes after its events: the lease.
const FLUSH_MS = 5_000
// Made once: an error takes its stack with it.
const FLUSHED = new Error('everything was sent')

/** An event, and when it happened: it may be sent later. */
interface News {
	readonly event: EventInput
	/** milliseconds since the epoch, and monotonic */
	readonly happened: ReturnType<typeof momentOf>
	readonly series: Series
}

interface Series {
	/** the event as it was sent first; a count sends it again as a whole, and nothing of it may change but `series` */
	made: { path: string; name: string; body: object } | undefined
	/** the API server said that it has it */
	isThere: boolean
	count: number
	lastAt: number
	/** work for this series runs one after the other: a count must not overtake its creation */
	tail: Promise<void>
	/** a count waits for its turn: it tells of all that come until then */
	isCounting: boolean
	/** resolves when a try got no answer: from then on nobody waits for this series */
	readonly unanswered: PromiseWithResolvers<void>
}

/**
 * Records `events.k8s.io/v1` events.
 *
 * 1. Same objects, topic, type, reason and action within ten minutes: one event, whose `series.count` is updated. Its note stays the
 *    first one (the API makes all but `series` immutable). By PUT: a PATCH answers with the event, whosever it is, so the right to
 *    patch would be one to read.
 * 2. Each object has a bucket of tokens for creations and updates. When it is empty nothing is sent, but counting goes on,
 *    and the next update tells the sum.
 * 3. An update that finds its event gone (they expire after an hour) creates it anew: the API server does so by itself, or answers 404.
 * 4. Normal events wait while there is work that somebody waits for, at most half a minute: at a start each binding has one, and it costs
 *    the API server as much as the binding's Secret. What is wrong is told at once. They go eight at once; one without an answer lets the next go.
 * 5. What got no answer is tried again for two minutes, under the same name: that it is there already is then as good as an answer.
 * 6. Of a series one is under way and one count waits: after an outage each tells its sum once.
 */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
	const { transport, clock, reportingController, reportingInstance } = options
	const { isBusy = () => false, observe = () => {}, onError = () => {} } = options
	let counter = 0
	const unique =
		options.unique ?? (() => `${clock.now().toString(16)}${(counter++ & 0xfff).toString(16).padStart(3, '0')}`)
	const series = new Map<string, Series>()
	const buckets = createBuckets({ clock, burst: BURST, refillMs: REFILL_MS, max: MAX_REMEMBERED })
	const topics = createBuckets({ clock, burst: TOPIC_BURST, refillMs: TOPIC_REFILL_MS, max: MAX_REMEMBERED })
	const pending = new Set<Promise<void>>()
	/** oldest first */
	const later: News[] = []
	let isWaiting = false

	const make = ({ event, happened }: News) => {
		const { regarding, related, type, reason, action, note } = event
		const namespace = regarding.namespace ?? 'default'
		const suffix = `.${unique()}`
		const name = `${regarding.name.slice(0, MAX_NAME - suffix.length)}${suffix}`
		const body = {
			apiVersion: 'events.k8s.io/v1',
			kind: 'Event',
			metadata: { name, namespace },
			eventTime: microTime(happened.now),
			reportingController,
			reportingInstance: reportingInstance.slice(0, 128),
			action,
			reason,
			regarding,
			...(related ? { related } : {}),
			note: cut(note, MAX_NOTE_BYTES),
			type,
		}
		return { path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`, name, body }
	}
	const create = async (news: News): Promise<void> => {
		const { series: at } = news
		at.made ??= make(news)
		const { path, body } = at.made
		try {
			await transport.request({ method: 'POST', path, body, timeoutMs: TIMEOUT_MS })
		} catch (error) {
			// The answer to an earlier try was lost.
			if (!isKubeError(error, 'alreadyExists')) throw error
		}
		at.isThere = true
		observe('created')
	}
	const count = async (news: News, { path, name, body }: NonNullable<Series['made']>): Promise<void> => {
		const { series: at } = news
		try {
			// Read when it is sent, not when it was asked for: repetitions meanwhile are in it.
			const series = { count: at.count, lastObservedTime: microTime(clock.now()) }
			await transport.request({
				method: 'PUT',
				path: `${path}/${name}`,
				body: { ...body, series },
				timeoutMs: TIMEOUT_MS,
			})
			observe('counted')
		} catch (error) {
			if (!isKubeError(error, 'notFound')) throw error
			Object.assign(at, { made: undefined, isThere: false, count: 1 })
			await create({ ...news, happened: momentOf(clock) })
		}
	}

	/** aborted: who waits for a further try makes it now */
	let waiting = new AbortController()
	/** how many wait for everything to be sent: while one does, each try is the last */
	let flushing = 0
	const send = async (news: News): Promise<void> => {
		const { series: at } = news
		for (let tries = 1; ; tries++) {
			try {
				await (at.made && at.isThere ? count(news, at.made) : create(news))
				return
			} catch (error) {
				if (!isKubeError(error, 'unreachable', 'timeout') || tries >= MAX_TRIES || flushing > 0) {
					observe('failed')
					at.made = at.isThere ? at.made : undefined
					if (error instanceof KubeError) onError(error)
					return
				}
				at.unanswered.resolve()
				await clock.sleep(RETRY_MS, waiting.signal).catch(() => {})
			}
		}
	}

	const begin = (news: News): Promise<void> => {
		const { series: of } = news
		const sent = of.tail.then(() => {
			of.isCounting = false
			return send(news)
		})
		of.tail = sent
		pending.add(sent)
		return sent.finally(() => pending.delete(sent))
	}
	const answered = (news: News) => Promise.race([begin(news), news.series.unanswered.promise])
	const sendLater = async () => {
		isWaiting = true
		while (later[0]) {
			const isOld = clock.monotonic() - later[0].happened.monotonic >= MAX_LATER_MS
			if ((isOld || !isBusy()) && pending.size < MAX_UNANSWERED)
				await Promise.all(later.splice(0, LATER_AT_ONCE).map(answered))
			else await clock.sleep(LATER_EVERY_MS)
		}
		isWaiting = false
	}

	return {
		record(event) {
			const { regarding, related, topic, type, reason, action } = event
			const object = [regarding.kind, regarding.namespace ?? '', regarding.name, regarding.uid ?? ''].join('/')
			const other = related ? [related.kind, related.namespace ?? '', related.name, related.uid ?? ''] : []
			const key = [object, topic ?? '', type, reason, action, ...other].join('/')
			const now = clock.monotonic()
			let at = series.get(key)
			if (at && now - at.lastAt < SERIES_MS) at.count++
			else {
				const tail = at?.tail ?? Promise.resolve()
				const unanswered = Promise.withResolvers<void>()
				at = { made: undefined, isThere: false, count: 1, lastAt: now, tail, isCounting: false, unanswered }
			}
			at.lastAt = now
			// Deleted and set again: a Map's order is then the order of last use, and the first key is the one to forget.
			series.delete(key)
			series.set(key, at)
			const oldest = series.size > MAX_REMEMBERED ? series.keys().next().value : undefined
			if (oldest !== undefined) series.delete(oldest)

			if (at.isCounting) return
			const canWait = type === 'Normal' && (later.length > 0 || isBusy())
			const isFull = canWait ? later.length >= MAX_LATER : pending.size >= MAX_PENDING
			if (isFull || !(topic === undefined ? buckets : topics).take(object)) {
				observe('dropped')
				return
			}
			at.isCounting = at.count > 1
			const news: News = { event, happened: momentOf(clock), series: at }
			if (!canWait) {
				void begin(news)
				return
			}
			later.push(news)
			if (!isWaiting) void sendLater()
		},
		async flush() {
			for (const news of later.splice(0)) void begin(news)
			flushing++
			waiting.abort()
			waiting = new AbortController()
			const over = new AbortController()
			const sent = Promise.all(pending).then(() => over.abort(FLUSHED))
			await Promise.race([sent, clock.sleep(FLUSH_MS, over.signal).catch(() => {})])
			// What is still under way ends with its answer.
			if (over.signal.aborted) flushing--
		},
	}
}

/** @returns at most `max` bytes of `text`, whole characters, with an ellipsis if something was cut */
function cut(text: string, max: number): string {
	const bytes = Buffer.from(text)
	if (bytes.length <= max) return text
	const ellipsis = '…'
	// A character cut in two decodes to the replacement character, which is dropped.
	const kept = bytes
		.subarray(0, max - Buffer.byteLength(ellipsis))
		.toString()
		.replace(/\ufffd$/, '')
	return kept + ellipsis
}
