import { KubeError } from '../../ports/kube-error.ts'
import type { Clock } from '../../process/clock.ts'
import type { Lease } from '../lease-record.ts'
import type { KubeRequest, KubeTransport } from '../transport.ts'

/** What the network does to the requests of one candidate. */
export interface Network {
	/** time until a request reaches the server, milliseconds */
	there: number
	/** time until the answer reaches the candidate, milliseconds */
	back: number
	/** requests never arrive */
	cut: boolean
	/** requests arrive and take effect, answers never do */
	deaf: boolean
}

/**
 * One Lease object with the API server's optimistic concurrency, on a fake clock. Only for the model test of the election:
 * an election on a real server cannot be run a thousand times with skewed clocks. As in a real network, a request that
 * its sender gave up may still arrive later and take effect.
 */
export class LeaseServer {
	lease: Lease | undefined
	#version = 0
	readonly #clock: Clock

	constructor(clock: Clock) {
		this.#clock = clock
	}

	connect(network: Network): Pick<KubeTransport, 'request'> {
		return {
			request: async <T>(request: KubeRequest): Promise<T> => {
				const gaveUp = new AbortController()
				const timeout = this.#clock.sleep(request.timeoutMs ?? 30_000, gaveUp.signal).then(() => {
					throw new KubeError('timeout', 'no answer in time')
				})
				const aborted = new Promise<never>((_, reject) => {
					request.signal?.addEventListener('abort', () => reject(request.signal?.reason), { once: true })
				})
				try {
					return (await Promise.race([this.#deliver(request, network), timeout, aborted])) as T
				} finally {
					timeout.catch(() => {})
					aborted.catch(() => {})
					gaveUp.abort()
				}
			},
		}
	}

	async #deliver(request: KubeRequest, network: Network): Promise<Lease> {
		// The state of the network when the request leaves is what it meets.
		const { there, back, cut, deaf } = network
		if (cut) throw new KubeError('unreachable', 'no route')
		await this.#clock.sleep(there)
		const outcome = this.#apply(request)
		if (deaf) await new Promise(() => {})
		await this.#clock.sleep(back)
		if (outcome instanceof KubeError) throw outcome
		return outcome
	}

	#apply({ method, body }: KubeRequest): Lease | KubeError {
		const sent = body as Lease | undefined
		if (method === 'GET') return this.lease ? structuredClone(this.lease) : new KubeError('notFound', 'no lease')
		if (method === 'POST') return this.lease ? new KubeError('alreadyExists', 'there is one') : this.#store(sent)
		if (!this.lease) return new KubeError('notFound', 'no lease')
		if (sent?.metadata.resourceVersion !== this.lease.metadata.resourceVersion) {
			return new KubeError('conflict', 'the object has been modified')
		}
		return this.#store(sent)
	}

	#store(sent: Lease | undefined): Lease {
		const lease: Lease = structuredClone(sent) ?? { metadata: { name: '' } }
		lease.metadata.resourceVersion = String(++this.#version)
		this.lease = lease
		return structuredClone(lease)
	}
}
