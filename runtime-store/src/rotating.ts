import type { SecretsChanged } from './changes.ts'
import { MAX_TIMER_MS } from './clock.ts'
import { storeError } from './errors.ts'
import type { Logger } from './purista.ts'

/** What a rotating resource needs of a store. */
export interface RotatingStore {
	readonly logger: Logger
	getSecret(...names: string[]): Promise<Record<string, string | undefined>>
	getSecretVersion(name: string, version: string): Promise<string | undefined>
	describe(name: string): Promise<{ readonly previous?: readonly string[] } | undefined>
	onChange(listener: (event: SecretsChanged) => void, names?: readonly string[]): () => void
}

/** What a call on a resource failed with: errors of drivers carry a code, of clients of HTTP a status. */
export interface WorkError extends Error {
	readonly code?: string | number
	readonly status?: number
	readonly statusCode?: number
}

export interface RotatingOptions<T> {
	/** Proves that a new resource works, for example by a query; a rejection keeps the one of before. @default taken as working */
	verify?: (resource: T) => Promise<void>
	/**
	 * Says that a call failed because the credentials are out of date. Such a call is made again with the next resource, if one comes
	 * within `retryWaitMs` of its beginning; so it must be one that can be made twice.
	 *
	 * @default no call is repeated
	 */
	outdated?: (error: WorkError) => boolean
	/** Milliseconds from the beginning of a call in which it is repeated. @default 10000 */
	retryWaitMs?: number
	/** Milliseconds to the next attempt when a new resource could not be made; doubled each time up to 30 s. @default 250 */
	retryMs?: number
	/**
	 * Milliseconds that `create` and `verify` may take together. Over them the attempt has failed, and what it makes later is disposed of.
	 *
	 * @default 60000
	 */
	attemptMs?: number
	/** Milliseconds that calls of an old resource have to end before it is disposed of anyway. @default 30000 */
	drainMs?: number
}

interface Slot<T> {
	readonly resource: T
	users: number
	idle: (() => void) | undefined
	/** Aborted when the next one is there. */
	readonly replaced: AbortController
}

const slotOf = <T>(resource: T): Slot<T> => ({
	resource,
	users: 0,
	idle: undefined,
	replaced: new AbortController(),
})

// Doubling from a quarter of a second: a database password is usually valid within seconds of being in the vault.
const MAX_RETRY_MS = 30_000
// Twice what drivers wait for a connection (15 to 30 s).
const ATTEMPT_MS = 60_000

/**
 * Ends after a time, with the signal, or by `cancel`, and leaves no listener at a signal that lives longer. Keeps the process alive only when
 * a caller waits for it.
 */
function pause(ms: number, signal: AbortSignal, keepAlive = false): { readonly over: Promise<void>; cancel(): void } {
	if (signal.aborted) return { over: Promise.resolve(), cancel: () => {} }
	const { promise, resolve } = Promise.withResolvers<void>()
	const cancel = () => {
		clearTimeout(timer)
		signal.removeEventListener('abort', cancel)
		resolve()
	}
	const timer = setTimeout(cancel, Math.min(ms, MAX_TIMER_MS))
	if (!keepAlive) timer.unref()
	signal.addEventListener('abort', cancel)
	return { over: promise, cancel }
}

/**
 * A resource made of secrets, such as a connection pool, that is made anew when they change.
 *
 * 1. Make one of the present secrets and verify it. At the start, if that fails and the mount has older versions, one is made of those.
 * 2. On a change: make a new one beside the old one and verify it. Until that works the old one stays, and it is tried again.
 * 3. Switch: calls that begin from now on use the new one.
 * 4. Drain: when the calls on the old one have ended, or their time is over, dispose of it.
 */
export class Rotating<T> {
	/** For `gracefulShutdown`. */
	readonly name = 'rotating resource'
	readonly #store: RotatingStore
	readonly #names: readonly string[]
	readonly #create: (secrets: Record<string, string>) => Promise<T> | T
	readonly #dispose: (resource: T) => Promise<void> | void
	readonly #options: RotatingOptions<T>
	readonly #ending = new AbortController()
	readonly #draining = new Set<Promise<void>>()
	#current: Slot<T> | undefined
	#starting: Promise<void> | undefined
	#outdated = false
	#renewing: Promise<void> | undefined
	#unsubscribe: () => void = () => {}

	/** Use {@link rotating}. */
	constructor(
		store: RotatingStore,
		names: readonly string[],
		create: (secrets: Record<string, string>) => Promise<T> | T,
		dispose: (resource: T) => Promise<void> | void,
		options: RotatingOptions<T>,
	) {
		this.#store = store
		this.#names = names
		this.#create = create
		this.#dispose = dispose
		this.#options = options
	}

	/**
	 * Calls `work` with the present resource, which is not disposed of before the call has ended.
	 *
	 * @throws what `work` throws; what `create` or `verify` throw when there has never been a working resource
	 */
	async use<R>(work: (resource: T) => Promise<R> | R): Promise<R> {
		const { outdated, retryWaitMs = 10_000 } = this.#options
		const until = performance.now() + retryWaitMs
		for (;;) {
			const slot = this.#current ?? (await this.#started())
			// A switch in the turns since then has nobody to wait for: only what is present in this turn may be used.
			if (slot !== this.#current) continue
			try {
				return await this.#on(slot, work)
			} catch (error) {
				if (!(error instanceof Error) || outdated?.(error) !== true || this.#ending.signal.aborted) throw error
				if (this.#current === slot) await pause(Math.max(until - performance.now(), 0), slot.replaced.signal, true).over
				if (this.#current === slot || this.#current === undefined) throw error
			}
		}
	}

	/** Waits until there is a working resource: for readiness. */
	async ready(): Promise<void> {
		await this.#started()
	}

	/** Ends following, and disposes of the resource when its calls have ended. May be called more than once. */
	async destroy(): Promise<void> {
		this.#ending.abort()
		this.#unsubscribe()
		await this.#renewing
		await this.#starting?.catch(() => {})
		const slot = this.#current
		this.#current = undefined
		slot?.replaced.abort()
		if (slot !== undefined) this.#drain(slot)
		await Promise.all(this.#draining)
	}

	async #on<R>(slot: Slot<T>, work: (resource: T) => Promise<R> | R): Promise<R> {
		slot.users += 1
		try {
			return await work(slot.resource)
		} finally {
			slot.users -= 1
			if (slot.users === 0) slot.idle?.()
		}
	}

	/** The present resource, made if need be; by the turn in which the caller gets it, it may be replaced. */
	async #started(): Promise<Slot<T>> {
		while (this.#current === undefined || this.#ending.signal.aborted) {
			if (this.#ending.signal.aborted) throw storeError('Destroyed')
			this.#starting ??= this.#start().finally(() => {
				this.#starting = undefined
			})
			await this.#starting
		}
		return this.#current
	}

	async #start(): Promise<void> {
		this.#unsubscribe()
		this.#unsubscribe = this.#store.onChange(({ changes }) => {
			if (changes.some((change) => this.#names.includes(change.name))) this.#renew()
		}, this.#names)
		let resource: T
		try {
			resource = await this.#make(await this.#secrets())
		} catch (error) {
			if (this.#ending.signal.aborted) throw error
			const older = await this.#olderSecrets()
			if (older === undefined) throw error
			resource = await this.#make(older)
			this.#store.logger.warn('a resource could not be made of the present secrets: it uses the previous version')
			this.#renew()
		}
		this.#current = slotOf(resource)
	}

	/** A change during an attempt makes one more attempt follow it. */
	#renew(): void {
		this.#outdated = true
		this.#renewing ??= this.#renewUntilDone()
	}

	async #renewUntilDone(): Promise<void> {
		await this.#starting?.catch(() => {})
		let wait = this.#options.retryMs ?? 250
		while (this.#outdated && this.#current !== undefined && !this.#ending.signal.aborted)
			wait = (await this.#renewed(wait)) ? (this.#options.retryMs ?? 250) : Math.min(wait * 2, MAX_RETRY_MS)
		// In the turn in which nothing was left to do: a change in a later one begins anew.
		this.#renewing = undefined
	}

	/** One attempt, and after one that failed the pause before the next. */
	async #renewed(wait: number): Promise<boolean> {
		const { signal } = this.#ending
		this.#outdated = false
		try {
			const resource = await this.#make(await this.#secrets())
			if (signal.aborted) await this.#end(resource)
			else this.#switch(resource)
			return true
		} catch (error) {
			if (signal.aborted) return false
			this.#outdated = true
			this.#store.logger.warn(
				{ error: error instanceof Error ? error.name : typeof error, retryInMs: wait },
				'a resource could not be made of changed secrets: the one of before stays',
			)
			await pause(wait, signal).over
			return false
		}
	}

	#switch(resource: T): void {
		const before = this.#current
		this.#current = slotOf(resource)
		before?.replaced.abort()
		if (before !== undefined) this.#drain(before)
	}

	#drain(slot: Slot<T>): void {
		const drained = (async () => {
			if (slot.users > 0) {
				const { promise: idle, resolve } = Promise.withResolvers<void>()
				slot.idle = resolve
				const limit = pause(this.#options.drainMs ?? 30_000, new AbortController().signal)
				await Promise.race([idle, limit.over])
				limit.cancel()
			}
			await this.#end(slot.resource)
		})()
		this.#draining.add(drained)
		void drained.then(() => this.#draining.delete(drained))
	}

	/** Disposes of a resource. Does not reject. */
	async #end(resource: T): Promise<void> {
		try {
			await this.#dispose(resource)
		} catch (error) {
			this.#store.logger.warn(
				{ error: error instanceof Error ? error.name : typeof error },
				'a resource could not be disposed of',
			)
		}
	}

	/** One attempt, which has an end: a driver that never answers must not keep the next change from being followed, nor `destroy`. */
	async #make(secrets: Record<string, string>): Promise<T> {
		const { signal } = this.#ending
		if (signal.aborted) throw storeError('Destroyed')
		const making = this.#verified(secrets)
		const limit = pause(this.#options.attemptMs ?? ATTEMPT_MS, signal)
		const made = await Promise.race([making.then((resource) => ({ resource })), limit.over]).finally(limit.cancel)
		if (made !== undefined) return made.resource
		void making.then(
			(resource) => this.#end(resource),
			() => {},
		)
		if (signal.aborted) throw storeError('Destroyed')
		throw storeError('NotReady', 'the resource was not made and verified within attemptMs of rotating()')
	}

	async #verified(secrets: Record<string, string>): Promise<T> {
		const resource = await this.#create(secrets)
		try {
			await this.#options.verify?.(resource)
			return resource
		} catch (error) {
			await this.#end(resource)
			throw error
		}
	}

	async #secrets(): Promise<Record<string, string>> {
		return this.#complete(await this.#store.getSecret(...this.#names))
	}

	/** The secrets with those that have an older version mounted in that version; undefined when none has. */
	async #olderSecrets(): Promise<Record<string, string> | undefined> {
		const secrets: Record<string, string | undefined> = await this.#store.getSecret(...this.#names)
		let found = false
		for (const name of this.#names) {
			const version = (await this.#store.describe(name))?.previous?.[0]
			if (version === undefined) continue
			secrets[name] = await this.#store.getSecretVersion(name, version)
			found = true
		}
		return found ? this.#complete(secrets) : undefined
	}

	#complete(secrets: Record<string, string | undefined>): Record<string, string> {
		return Object.fromEntries(
			Object.entries(secrets).map(([name, value]) => {
				if (value === undefined) throw storeError('NotFound')
				return [name, value]
			}),
		)
	}
}

/**
 * Makes a resource that follows its secrets: it is rebuilt, verified, switched and drained when they change, and falls back to the
 * previous version at the start. Made at the first use; hand it to a PURISTA service as a resource.
 *
 * @example
 * ```typescript
 * const db = rotating(
 *   secretStore,
 *   ['dbConnectionString'],
 *   ({ dbConnectionString }) => new Pool({ connectionString: dbConnectionString }),
 *   (pool) => pool.end(),
 *   { verify: async (pool) => void (await pool.query('select 1')) },
 * )
 * const service = await paymentsV1Service.getInstance(eventBridge, { secretStore, resources: { db } })
 * // in a command: await context.resources.db.use((pool) => pool.query('…'))
 * ```
 *
 * @param create makes the resource of the secrets, all of one generation of the mount
 * @param dispose ends a resource that nobody uses any more
 */
export function rotating<T, const Names extends readonly string[]>(
	store: RotatingStore,
	names: Names,
	create: (secrets: { readonly [Name in Names[number]]: string }) => Promise<T> | T,
	dispose: (resource: T) => Promise<void> | void,
	options: RotatingOptions<T> = {},
): Rotating<T> {
	// The secrets have exactly the names that were asked for: `Rotating` fails when one is missing.
	return new Rotating(store, names, create as (secrets: Record<string, string>) => Promise<T> | T, dispose, options)
}
