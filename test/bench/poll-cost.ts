// What polls at a vault cost when nothing changes, and what one rotation costs: counts, no times. For the bench `cost` and for the
// test of its promises.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EmulatorControl } from 'azure-key-vault-emulator'
import {
	AUDIENCE,
	type BindingObject,
	isTrue,
	openStage,
	ROLE,
	type RunningOperator,
	type Stage,
} from '../integration/operator/stage.ts'
import { until } from '../kit/until.ts'
import { parseMetrics, type Sample, sumOf } from './prometheus.ts'

/** The secrets that bindings select; all others of the vault are named otherwise. */
export const SELECTED = 100
const selected = (i: number) => `app-${i}`

export interface PlannedBinding {
	readonly name: string
	/** default: the one of the stage */
	readonly serviceAccount?: string
	readonly spec: Readonly<Record<string, unknown>>
}

export interface CostPlan {
	/** secrets in the vault, `SELECTED` of them named app-0 and so on */
	readonly vaultSize: number
	readonly bindings: readonly PlannedBinding[]
	/** may read values and not list: a role for single secrets, or an access policy with get alone */
	readonly listDenied?: boolean
	/** of each binding; default 5s, the shortest that the resource allows */
	readonly interval?: string
}

/** `count` bindings of the stage's one identity: 5 explicit secrets each, all by prefix, or all by name. */
export function plannedBindings(
	kind: 'five' | 'prefix' | 'all',
	{ count = 20, previous = 0 }: { count?: number; previous?: number } = {},
): PlannedBinding[] {
	const named = (from: number, length: number) =>
		Array.from({ length }, (_, i) => ({ name: selected((from + i) % SELECTED), ...(previous > 0 ? { previous } : {}) }))
	const specs = {
		five: (i: number) => ({ secrets: named(i * 5, 5) }),
		prefix: () => ({ select: [{ prefix: 'app-' }] }),
		all: () => ({ secrets: named(0, SELECTED) }),
	}
	return Array.from({ length: count }, (_, i) => ({ name: `b-${i}`, spec: specs[kind](i) }))
}

/** `count` identities with one binding each, of the same 100 secrets by name. */
export const plannedIdentities = (count: number): PlannedBinding[] =>
	plannedBindings('all', { count }).map((each, i) => ({ ...each, serviceAccount: `reader-${i}` }))

export interface PollCost {
	/** polls of all bindings together: reconciles by number of bindings */
	readonly polls: number
	/** vault calls in these polls, answers of 401 to a new client left out */
	readonly lists: number
	readonly versions: number
	readonly gets: number
	/** token requests to Entra, and challenges of new clients */
	readonly tokens: number
	readonly challenges: number
	/** requests that change bindings, Secrets, pods or events */
	readonly writes: number
	/** bindings, Secrets and events that are not what they were */
	readonly changed: number
}

export interface RotationCost {
	/** reads of the rotated secret until all Secrets that hold it had been patched */
	readonly reads: number
	readonly patched: number
	/** status writes and events that tell of it */
	readonly told: number
}

export interface CostStage {
	readonly stage: Stage
	readonly operator: RunningOperator
	/** Waits for so many polls of all bindings and counts. */
	polls(count: number): Promise<PollCost>
	/** Writes a new version of app-0, settled at once, and waits until `holders` Secrets were patched. */
	rotate(holders: number): Promise<RotationCost>
	close(): Promise<void>
}

// The built-in roles allow both or none.
const GET_ONLY = {
	name: 'Get Only',
	dataActions: ['Microsoft.KeyVault/vaults/secrets/getSecret/action'],
}
/** Nothing asked and nothing done for this long is between two polls: they are ten times as far apart, also when hurried. */
const QUIET_MS = 60
/** A poll that takes longer than the interval leaves no gap; then the edges of the count are off by a look at most. */
const QUIET_WITHIN_MS = 5_000
/** The first poll reads all values, the next one learns how long lists are or that they are denied: both once in hours. */
const LEARN_POLLS = 2
/** What is younger than 2 s would be read again, and versions of one second have no order. */
const SETTLE_S = 10

/**
 * Opens a stage with the vault filled and every binding Ready. Durations pass ten times as fast for the operator, so the emulator
 * is told not to throttle: per hurried second the operator sends what is allowed per second.
 */
export async function openCost(plan: CostPlan): Promise<CostStage> {
	const stage = await openStage({ name: 'cost', role: false })
	try {
		return await fill(stage, plan)
	} catch (error) {
		await stage.close()
		throw error
	}
}

async function fill(stage: Stage, { vaultSize, bindings, listDenied = false, interval = '5s' }: CostPlan) {
	const { vault, namespace, api, emulator } = stage
	const { control } = emulator
	// Full pages: the service's uneven ones cost a fifth more calls, and other ones at each run.
	await control.configure({ throttle: { create: 1e9, other: 1e9 }, pages: 'full' })
	await control.defineRole(GET_ONLY)
	const role = listDenied ? GET_ONLY.name : ROLE
	await control.grant({ clientId: stage.clientId, role, vault })
	const app = Array.from({ length: SELECTED }, (_, i) => selected(i))
	const others = Array.from({ length: vaultSize - SELECTED }, (_, i) => `other-${i}`)
	// Twice, so that there is a previous version.
	for (const age of [2 * SETTLE_S, SETTLE_S]) {
		const secrets = [...app, ...others].map((name) => ({ name, value: `value of ${name}, ${age} s old` }))
		await writtenBefore(age, control, () => control.setSecrets({ vault, secrets }))
	}
	for (const { serviceAccount } of bindings)
		if (serviceAccount !== undefined) await addIdentity(stage, serviceAccount, role)

	const operator = await stage.start()
	for (const { name, serviceAccount, spec } of bindings) {
		const identity = serviceAccount === undefined ? {} : { identity: { serviceAccountName: serviceAccount } }
		await stage.apply(name, { ...spec, ...identity, refresh: { interval } })
	}
	const list = <T>(path: string) => api.request<{ items: T[] }>({ method: 'GET', path })
	const paths = {
		bindings: `/apis/secrets.purista.dev/v1alpha1/namespaces/${namespace}/azuresecretbindings`,
		secrets: `/api/v1/namespaces/${namespace}/secrets`,
		events: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
	}
	let last: BindingObject[] = []
	const notReady = () => last.filter((each) => !isTrue(each, 'Ready') || !isTrue(each, 'Fresh'))
	await until(
		'all bindings to be Ready and Fresh',
		async () => {
			last = (await list<BindingObject>(paths.bindings)).items
			return last.length === bindings.length && notReady().length === 0
		},
		{ timeoutMs: 300_000 },
	).catch((error: unknown) => {
		const [first] = notReady()
		throw new Error(`${String(error)}; the first that is not: ${JSON.stringify(first?.status?.conditions)}`)
	})

	const polled = async () => {
		const { values } = await operator.metrics.reconciles.get()
		return values.reduce((sum, { value }) => sum + value, 0)
	}
	const quiet = async () => {
		const deadline = performance.now() + QUIET_WITHIN_MS
		for (;;) {
			const [before, since] = [await polled(), Date.now()]
			await sleep(QUIET_MS)
			const asked = await control.requests({ since })
			if (asked.length === 0 && (await polled()) === before) return
			if (performance.now() > deadline) return
		}
	}
	const objects = async () => {
		const found = await Promise.all(Object.values(paths).map((path) => list<BindingObject>(path)))
		return new Set(
			found.flatMap(({ items }) => items.map(({ metadata }) => `${metadata.uid} ${metadata.resourceVersion}`)),
		)
	}
	const scrape = async () => parseMetrics(await operator.metrics.text())

	const wait = async (count: number) => {
		const start = await polled()
		const done = async () => ((await polled()) - start) / bindings.length
		await until(`${count} polls`, async () => (await done()) >= count, { timeoutMs: 600_000, everyMs: 20 })
		return done
	}
	await wait(LEARN_POLLS)

	return {
		stage,
		operator,
		async polls(count: number): Promise<PollCost> {
			await quiet()
			const [before, there, since] = [await scrape(), await objects(), Date.now()]
			const done = await wait(count)
			await quiet()
			const log = await control.requests({ since })
			const answered = (route: string) => log.filter((each) => each.route === route && each.status !== 401).length
			const [after, now] = [await scrape(), await objects()]
			return {
				polls: await done(),
				lists: answered('listSecrets'),
				versions: answered('listVersions'),
				gets: answered('getSecret'),
				tokens: answered('token'),
				challenges: log.filter((each) => each.kind === 'vault' && each.status === 401).length,
				writes: difference(before, after, writesIn),
				changed: [...now].filter((each) => !there.has(each)).length,
			}
		},
		async rotate(holders: number): Promise<RotationCost> {
			await quiet()
			const [before, since] = [await scrape(), Date.now()]
			await writtenBefore(SETTLE_S, control, () =>
				control.setSecret({ vault, name: selected(0), value: `rotated ${randomUUID()}` }),
			)
			const patches = (samples: readonly Sample[]) =>
				sumOf(samples, 'asb_secret_writes_total', { operation: 'patch', result: 'ok' })
			const patched = async () => difference(before, await scrape(), patches)
			await until(`${holders} patches`, async () => (await patched()) >= holders, { timeoutMs: 300_000, everyMs: 50 })
			const log = await control.requests({ since })
			await quiet()
			return {
				reads: log.filter(
					({ route, secret, status }) => route === 'getSecret' && secret === selected(0) && status === 200,
				).length,
				patched: await patched(),
				told: difference(before, await scrape(), toldIn),
			}
		},
		close: () => stage.close(),
	}
}

/**
 * Writes as if so many seconds ago. The emulator in this process does all three before it answers the next request, so no poll
 * sees the write unsettled, which would cost a second read.
 */
async function writtenBefore(seconds: number, control: EmulatorControl, write: () => Promise<unknown>): Promise<void> {
	await Promise.all([control.advanceClock({ seconds: -seconds }), write(), control.advanceClock({ seconds })])
}

/** A ServiceAccount with a client of its own that may do the same. */
async function addIdentity(stage: Stage, name: string, role: string): Promise<void> {
	const { control, tenantId } = stage.emulator
	const clientId = randomUUID()
	await control.addClient({ clientId, name })
	const subject = `system:serviceaccount:${stage.namespace}:${name}`
	await control.addFederatedCredential({ clientId, name, issuer: stage.issuer, subject, audience: AUDIENCE })
	await control.grant({ clientId, role, vault: stage.vault })
	const annotations = { 'azure.workload.identity/client-id': clientId, 'azure.workload.identity/tenant-id': tenantId }
	await stage.create(`/api/v1/namespaces/${stage.namespace}/serviceaccounts`, { metadata: { name, annotations } })
}

const difference = (before: readonly Sample[], after: readonly Sample[], of: (samples: readonly Sample[]) => number) =>
	of(after) - of(before)

const WRITE = ['create', 'update', 'patch', 'delete']
const TOLD = ['azuresecretbindings/status', 'events']
/** Not among them: the leader's lease, and requests for tokens, which are POSTs that create no object. */
const WRITTEN = [...TOLD, 'azuresecretbindings', 'secrets', 'pods', 'pods/status']
const writesIn = (samples: readonly Sample[]) =>
	sumOf(samples, 'asb_api_requests_total', { verb: WRITE, kind: WRITTEN })
const toldIn = (samples: readonly Sample[]) => sumOf(samples, 'asb_api_requests_total', { verb: WRITE, kind: TOLD })
