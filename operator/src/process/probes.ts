import { type Endpoint, plain, type Route, startEndpoint } from './endpoint.ts'

/** Undefined when all is well; otherwise a short reason for people who look. Must be quick and not throw. */
type Check = () => string | undefined

/** Whether a bearer token may read metrics; `unknown` when nobody can tell now. */
export type Authorize = (token: string) => Promise<'yes' | 'no' | 'unauthenticated' | 'unknown'>

export interface ProbeOptions {
	/** of metrics; 0 picks a free one */
	port: number
	/** of health; 0 picks a free one; default: that of metrics */
	healthPort?: number | undefined
	host?: string | undefined
	/** `/healthz`: a reason makes the kubelet restart the container, so only what a restart mends belongs here */
	live: Check
	/** `/readyz`: a reason takes the pod out of rollouts and services */
	ready: Check
	/** `/metrics` */
	metrics: { contentType: string; text(): Promise<string> }
	/** default: metrics are for everybody who can connect */
	authorize?: Authorize | undefined
}

export interface Probes {
	port: number
	healthPort: number
	/** Stops listening, lets running answers finish for a moment, then cuts them. Idempotent. */
	close(): Promise<void>
}

// The kubelet asks twice in ten seconds and is answered within milliseconds; a person may look as well.
const HEALTH = { maxConnections: 16, lifetimeMs: 3_000 }
// Two Prometheus servers and somebody who looks. A scrape takes milliseconds, its default deadline is ten seconds.
const METRICS = { maxConnections: 16, lifetimeMs: 10_000 }

/** Serves the three endpoints. Rejects when a port cannot be had. */
export async function startProbes(options: ProbeOptions): Promise<Probes> {
	const { port, healthPort, host = '0.0.0.0' } = options
	const check =
		(what: Check): Route =>
		() => {
			const problem = what()
			return plain(problem === undefined ? 200 : 503, `${problem ?? 'ok'}\n`)
		}
	const health = { '/healthz': check(options.live), '/readyz': check(options.ready) }
	const metrics = { '/metrics': metricsRoute(options) }
	const started: Endpoint[] = []
	const close = async () => {
		await Promise.all(started.map((each) => each.close()))
	}
	try {
		const ofMetrics = await startEndpoint({
			port,
			host,
			routes: healthPort === undefined ? { ...metrics, ...health } : metrics,
			...METRICS,
		})
		started.push(ofMetrics)
		if (healthPort === undefined) return { port: ofMetrics.port, healthPort: ofMetrics.port, close }
		const ofHealth = await startEndpoint({ port: healthPort, host, routes: health, ...HEALTH })
		started.push(ofHealth)
		return { port: ofMetrics.port, healthPort: ofHealth.port, close }
	} catch (error) {
		await close()
		throw error
	}
}

function metricsRoute({ metrics, authorize }: ProbeOptions): Route {
	return async ({ headers }) => {
		if (authorize) {
			const token = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1]
			const may = token === undefined ? 'unauthenticated' : await authorize(token)
			if (may === 'unauthenticated') return plain(401, 'a token of a ServiceAccount is needed\n')
			if (may === 'no') return plain(403, 'the token may not get /metrics\n')
			if (may === 'unknown') return plain(503, 'the API server does not say whether the token may get /metrics\n')
		}
		try {
			return { status: 200, contentType: metrics.contentType, text: await metrics.text() }
		} catch {
			return plain(500, 'metrics failed\n')
		}
	}
}
