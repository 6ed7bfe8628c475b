// Fair turns under attack: a tenant with an interval of 5 s beside others who do what they can, each in namespaces and with
// identities of their own. The operator is a process of its own, on the real clock.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { imageSettings } from '../../bench/child.ts'
import { createNeighbour, type Neighbour, type NeighbourSpec, type SecretValue } from '../../bench/neighbour.ts'
import { inParallel } from '../../bench/tenants.ts'
import { type Gateway, startGateway } from '../../kit/gateway.ts'
import { type OperatorProcess, startOperatorProcess } from '../../kit/operator-process.ts'
import { until } from '../../kit/until.ts'
import { type Limit, limitOf } from './memory-limit.ts'
import { condition, openStage, ROLE, type Stage } from './stage.ts'

const INTERVAL_MS = 5_000
const ROTATIONS = 3
// Whether turns are kept is seen by what else fails without them. How long it takes depends on the machine: `npm run bench -- tenants`.
const PATIENCE_MS = 240_000

const named = (count: number, from = 0) => Array.from({ length: count }, (_, i) => ({ name: `s-${from + i}` }))
const valued = (count: number, value: string): SecretValue[] => named(count).map(({ name }) => ({ name, value }))
const VICTIM: NeighbourSpec = {
	name: 'victim',
	secrets: () => [{ name: 'db', value: 'first' }],
	bindings: [{ secrets: [{ name: 'db' }] }],
}

interface Scene {
	stage: Stage
	victim: Neighbour
	others: readonly Neighbour[]
	operator: OperatorProcess
	/** Rotations of the victim, one after the other, by an operator that goes on and leads. */
	rotate(): Promise<void>
	close(): Promise<void>
}

/** The victim alone is delivered first; then the others come. */
async function openScene(
	name: string,
	crowd: readonly NeighbourSpec[],
	go: (scene: Scene) => Promise<void>,
	limit?: Limit,
): Promise<Scene> {
	const stage = await openStage({ name, federate: false, role: false })
	const gateway: Gateway = await startGateway(stage.connect({}))
	const victim = await createNeighbour(stage, VICTIM, INTERVAL_MS)
	const others: Neighbour[] = []
	// Bindings come later: the operator is told its namespaces at its start.
	await inParallel(crowd, async (spec) => {
		others.push(await createNeighbour(stage, { ...spec, bindings: [] }, INTERVAL_MS))
	})
	const { emulator, namespace } = stage
	const options = {
		...{ server: gateway.server, namespace, identity: 'operator', times: 1, leaseTimes: 1 },
		namespaces: [victim.namespace, ...others.map((each) => each.namespace)],
		emulator: { port: emulator.port, caPem: emulator.caPem },
	}
	const operator = startOperatorProcess(options, [], imageSettings())
	if (operator.pid !== undefined) limit?.take(operator.pid)
	let rounds = 0
	const arrives = async () => {
		const value = `round ${rounds++}`
		await victim.set([{ name: 'db', value }])
		const isThere = async () => (await victim.files(0))['db'] === Buffer.from(value).toString('base64')
		const isOver = operator.exit.then(({ code, signal }) => {
			throw new Error(`the operator ended (${signal ?? code})`)
		})
		const arrived = until(`the rotation to ${value}`, isThere, { timeoutMs: PATIENCE_MS, everyMs: 200 })
		for (const each of [arrived, isOver]) each.catch(() => {})
		await Promise.race([arrived, isOver])
	}
	const lease = async () => {
		const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/azure-secret-binding-operator`
		const { spec } = await stage.api.request<{ spec: { holderIdentity: string; leaseTransitions: number } }>({
			method: 'GET',
			path,
		})
		return { holder: spec.holderIdentity, transitions: spec.leaseTransitions }
	}
	await operator.ready
	await arrives()
	const held = await lease()
	const scene: Scene = {
		...{ stage, victim, others, operator },
		async rotate() {
			for (let i = 0; i < ROTATIONS; i++) await arrives()
			expect(operator.running).toBe(true)
			expect(await lease()).toEqual(held)
		},
		async close() {
			await operator.kill()
			await inParallel([victim, ...others], (each) => each.remove())
			await gateway.close()
			await stage.close()
		},
	}
	await go(scene)
	return scene
}

/** What the vaults of the others were asked so far. */
const asked = async ({ stage, others }: Scene) => {
	const vaults = new Set(others.map(({ vault }) => vault))
	return (await stage.emulator.control.requests()).filter(({ vault = '' }) => vaults.has(vault))
}

describe('rotations arrive, and the lease is kept', () => {
	const WORKERS = 32

	it('beside 100 namespaces of one tenant whose vaults hang', { timeout: 900_000 }, async () => {
		const crowd = Array.from({ length: 100 }, (_, i) => ({
			name: `h${i}`,
			secrets: () => valued(20, 'v'),
			bindings: [],
		}))
		const scene = await openScene('crowd', crowd, async ({ stage, others }) => {
			for (const { vault } of others) await stage.emulator.control.addFault({ match: { vault }, action: 'hang' })
			await inParallel(others, (each) => each.addBinding('b-0', { secrets: named(20) }))
		})
		try {
			await until(
				'more hanging vaults than workers',
				async () => {
					const hanging = (await asked(scene)).filter(({ fault }) => fault !== undefined)
					return new Set(hanging.map(({ vault }) => vault)).size > WORKERS
				},
				{ timeoutMs: PATIENCE_MS },
			)
			await scene.rotate()
		} finally {
			await scene.close()
		}
	})

	it('beside bindings whose vaults fail and recover in alternation', { timeout: 600_000 }, async () => {
		const crowd = Array.from({ length: 8 }, (_, i) => ({ name: `a${i}`, secrets: () => valued(80, 'v'), bindings: [] }))
		const stop = new AbortController()
		let turns = 0
		let failing: Promise<void> | undefined
		const scene = await openScene('alternate', crowd, async ({ stage, others }) => {
			await inParallel(others, async (each) => {
				for (let i = 0; i < 8; i++) await each.addBinding(`b-${i}`, { secrets: named(10, i * 10) })
			})
			const { control } = stage.emulator
			const faults = [
				{ action: 'status', status: 503 },
				{ action: 'garbage' },
				{ action: 'reset' },
				{ action: 'status', status: 429 },
				{ action: 'truncate' },
			] as const
			failing = (async () => {
				for (; !stop.signal.aborted; turns++) {
					const fault = faults[turns % faults.length] ?? faults[0]
					const added = await Promise.all(others.map(({ vault }) => control.addFault({ match: { vault }, ...fault })))
					await sleep(INTERVAL_MS / 2)
					for (const { id } of added) await control.removeFault(id)
					await sleep(INTERVAL_MS / 2)
				}
			})()
		})
		try {
			await until('each fault', async () => turns > 5, { timeoutMs: PATIENCE_MS })
			await scene.rotate()
		} finally {
			stop.abort()
			await failing
			await scene.close()
		}
	})

	it('beside the first sync of 2,000 secrets of the same vault', { timeout: 600_000 }, async () => {
		const crowd = [{ name: 'large', secrets: () => [], bindings: [] }]
		const scene = await openScene('large', crowd, async ({ stage, victim, others: [large] }) => {
			const { control } = stage.emulator
			await victim.set(valued(2_000, 'v'))
			await control.grant({ clientId: large?.clientId ?? '', role: ROLE, vault: victim.vault })
			const url = `https://${victim.vault}.vault.azure.net`
			for (let i = 0; i < 4; i++) await large?.addBinding(`b-${i}`, { vault: { url }, secrets: named(500, i * 500) })
		})
		try {
			await scene.rotate()
			await until(
				'the first sync',
				async () => {
					const [large] = scene.others
					const all = await Promise.all([0, 1, 2, 3].map((i) => large?.files(i)))
					return all.every((files) => Object.keys(files ?? {}).length > 500)
				},
				{ timeoutMs: PATIENCE_MS },
			)
		} finally {
			await scene.close()
		}
	})

	it('beside 24 namespaces that ask for 12 MB of values each, in the memory of the Deployment', {
		timeout: 900_000,
	}, async () => {
		const value = 'v'.repeat(25_000)
		const crowd = Array.from({ length: 24 }, (_, i) => ({
			name: `m${i}`,
			secrets: () => valued(480, value),
			bindings: [],
		}))
		const limit = limitOf()
		const scene = await openScene(
			'large-values',
			crowd,
			async ({ others }) => {
				await inParallel(others, (each) => each.addBinding('b-0', { secrets: named(480) }))
			},
			limit,
		)
		try {
			await until(
				'each of them to be refused',
				async () => {
					for (const { namespace } of scene.others) {
						const binding = await scene.stage.binding('b-0', namespace)
						if (condition(binding, 'Ready')?.reason !== 'SecretTooLarge') return false
					}
					return true
				},
				{ timeoutMs: PATIENCE_MS },
			)
			await scene.rotate()
		} finally {
			await scene.close()
			limit.remove()
		}
	})
})
