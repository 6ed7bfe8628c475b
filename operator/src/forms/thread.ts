import { Worker } from 'node:worker_threads'
import type { Formed } from '../engine/form.ts'
import type { Reply, Work } from './message.ts'

/** What became of one piece of work. */
export type Made =
	| { readonly kind: 'formed'; readonly formed: readonly Formed[]; readonly cpuMs: number }
	/** the thread ended itself: its memory was not enough */
	| { readonly kind: 'tooLarge' }
	/** the thread was stopped at the deadline */
	| { readonly kind: 'tooLong' }
	/** a mistake of ours */
	| { readonly kind: 'failed'; readonly cpuMs?: number }

export interface Thread {
	/** One at a time. Resolves also when the thread is stopped or ends. @throws Error when a thread cannot be started at all */
	make(work: Work): Promise<Made>
	/** Ends it, whatever it does, and answers what it was doing as `tooLong`. It cannot be used any more. */
	stop(): void
	readonly isEnded: boolean
}

// A value is 50,000 characters and becomes 1 MiB at most (engine/form.ts); parsed JSON and ASN.1 take some hundred bytes for each
// of them. A thread that does not do with it is ended by V8, and not the process.
const MEMORY_MB = 64
const YOUNG_MB = 8

/** Starts a thread. It sees neither the environment nor the flags of the process, and does not keep the process alive. */
export function startThread(): Thread {
	const worker = new Worker(new URL('./forms.worker.ts', import.meta.url), {
		env: {},
		execArgv: [],
		resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB, maxYoungGenerationSizeMb: YOUNG_MB },
	})
	worker.unref()
	const loaded = Promise.withResolvers<void>()
	loaded.promise.catch(() => {})
	let isEnded = false
	let waiting: ((made: Made) => void) | undefined
	const answer = (made: Made) => {
		const tell = waiting
		waiting = undefined
		// Whoever waits for an answer keeps the process.
		worker.unref()
		tell?.(made)
	}
	const end = (made: Made, why: string) => {
		isEnded = true
		loaded.reject(new Error(`the thread that parses values cannot be started (${why})`))
		answer(made)
	}
	worker.on('message', (reply: Reply) => {
		if (reply.kind === 'ready') loaded.resolve()
		else answer(reply)
	})
	// Its message may quote; its code is Node's own word.
	worker.on('error', (error: NodeJS.ErrnoException) =>
		end(
			error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? { kind: 'tooLarge' } : { kind: 'failed' },
			error.code ?? error.name,
		),
	)
	worker.on('exit', (code) => end({ kind: 'failed' }, `exit code ${code}`))
	return {
		async make(work) {
			worker.ref()
			await loaded.promise
			if (isEnded) return { kind: 'failed' }
			return new Promise((resolve) => {
				waiting = resolve
				worker.ref()
				worker.postMessage(work)
			})
		},
		stop() {
			end({ kind: 'tooLong' }, 'stopped')
			void worker.terminate()
		},
		get isEnded() {
			return isEnded
		},
	}
}
