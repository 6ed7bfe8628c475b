// A random run of everything that can happen between a vault, Entra, an API server and an operator. Repeat one with
// ASB_SEED; ASB_LONG=1 makes it 500 steps.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LEASE_DURATION_MS } from '../../../../operator/src/cluster/lease.ts'
import { ABSENT_AFTER_MS } from '../../../../operator/src/engine/entry.ts'
import { RETRY_MAX_MS } from '../../../../operator/src/status/summarize.ts'
import { createScanner } from '../../../canary/scanner.ts'
import { type Gateway, startGateway } from '../../../kit/gateway.ts'
import { kubectl } from '../../../kit/kubectl.ts'
import { type OperatorProcess, startOperatorProcess } from '../../../kit/operator-process.ts'
import { seededRandom } from '../../../kit/random.ts'
import { until } from '../../../kit/until.ts'
import { startProxy, type TcpProxy } from '../../runtime/proxy.ts'
import { openStage, type Stage } from '../stage.ts'
import { Checker } from './checker.ts'
import type { RunContext } from './context.ts'
import { resume } from './edits.ts'
import { besideNeighbours, openNeighbours } from './neighbours.ts'
import { firstShape, OBJECTS, SPECS, specOf } from './specs.ts'
import { heal, randomStep } from './steps.ts'
import { unsettled } from './unsettled.ts'
import { RandomVault } from './vault.ts'

const STEPS = process.env['ASB_LONG'] ? 500 : 60
const SEED = Number(process.env['ASB_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
/** Everything is healed and compared after so many steps. */
const ROUND = 10
// Looks every quarter of a second instead of every 5 s. The lease less, because a stall of this machine must not lose it.
const TIMES = 20
const LEASE_TIMES = 3
// One request that hangs until its deadline, as the session of the operator sets it.
const HANG_MS = 10_000
// The longest pause of the operator after any fault, the end of a lease that nobody gave away, a request that hangs, and a
// start on a busy machine, beside neighbours.
const HEALED_MS = (RETRY_MAX_MS * 1.1) / TIMES + LEASE_DURATION_MS / LEASE_TIMES + HANG_MS + 40_000
// About a second each, three of the slowest (hang) at once, and the healing.
const LIMIT_MS = STEPS * 5_000 + (STEPS / ROUND) * HEALED_MS
/** Between two steps, at most: from none to several looks. */
const PAUSE_MS = 1_000

/** Each step has chance of its own, so that a repeated run takes the same steps whatever the ones before met. */
const chanceOf = (step: number) => seededRandom(SEED + step * 0x9e37_79b1)

describe(`a random run with ASB_SEED=${SEED}`, () => {
	let stage: Stage
	let gateway: Gateway
	let proxy: TcpProxy
	let context: RunContext
	const ending = new AbortController()
	const logs: string[] = []
	const all: OperatorProcess[] = []
	const history: string[] = []

	const start = () => {
		const { namespace, emulator } = stage
		const options = {
			server: proxy.server.replace('https:', 'http:'),
			namespace,
			namespaces: [namespace, ...context.neighbours.namespaces],
			identity: `operator-${all.length}`,
			times: TIMES,
			leaseTimes: LEASE_TIMES,
			emulator: { port: emulator.port, caPem: emulator.caPem },
		}
		const one = startOperatorProcess(options, logs)
		all.push(one)
		context.operators.push(one)
		return one
	}
	/** The kubelet starts again what ended, as after a lost lease. What ended otherwise than by a code of its own is a defect. */
	const supervise = async () => {
		for (const one of context.operators.filter(({ running }) => !running)) {
			const { code } = await one.exit
			if (code !== 0 && code !== 1) context.checker.problems.push(`${one.identity} ended with ${code}`)
			context.operators = context.operators.filter((each) => each !== one)
		}
		if (context.operators.length === 0) start()
	}
	const told = (what: string) =>
		`${what}\nASB_SEED=${SEED}, step ${history.length}; the last steps:\n${history.slice(-20).join('\n')}\n\nlogs:\n${logs.slice(-20).join('\n')}`
	const check = () => {
		if (context.checker.problems.length > 0) throw new Error(told(context.checker.problems.join('\n')))
	}

	beforeAll(async () => {
		stage = await openStage({ name: 'random' })
		gateway = await startGateway(stage.connect({}))
		const { hostname, port } = new URL(gateway.server)
		proxy = await startProxy({ host: hostname, port: Number(port) })
		const random = chanceOf(0)
		const vault = new RandomVault(stage.emulator, stage.vault, random)
		for (const name of OBJECTS) await vault.rotate(name)
		const checker = new Checker({
			api: stage.api,
			namespace: stage.namespace,
			vault,
			specs: SPECS,
			absentMs: ABSENT_AFTER_MS / TIMES,
			pollMs: HANG_MS,
			signal: ending.signal,
		})
		const neighbours = await openNeighbours(stage)
		const rest = { operators: [], start, random, role: true, timers: [] }
		context = { stage, gateway, proxy, vault, checker, neighbours, ...rest }
		await checker.watch()
		for (const spec of SPECS) await stage.apply(spec.name, specOf(spec, firstShape(spec)))
		start()
	})
	afterAll(async () => {
		ending.abort()
		for (const timer of context?.timers ?? []) clearTimeout(timer)
		await Promise.all(all.map((each) => each.kill()))
		await context?.neighbours.close()
		await proxy?.close()
		await gateway?.close()
		await stage?.close()
	})

	const compared = async () => {
		let why: string | undefined
		try {
			await until(
				'everything as the model says',
				async () => {
					await supervise()
					why = await unsettled(stage, context.vault, context.checker)
					return why === undefined
				},
				{ timeoutMs: HEALED_MS, everyMs: 200 },
			)
		} catch (error) {
			throw new Error(told(`${why}\n${String(error)}`), { cause: error })
		}
		check()
		context.checker.settled()
	}
	const healed = async () => {
		await heal(context)
		await compared()
		// What is suspended says so, and then catches up.
		if (await resume(context)) await compared()
		history.push(await besideNeighbours(context, compared))
		check()
	}

	it(`${STEPS} steps: no Secret is ever wrong, and all are right when it is over`, { timeout: LIMIT_MS }, async () => {
		await healed()
		for (let i = 1; i <= STEPS; i++) {
			context.random = chanceOf(i)
			history.push(`${i}: ${await randomStep(context)}`)
			await sleep(context.random() * PAUSE_MS)
			await supervise()
			check()
			if (i % ROUND === 0) await healed()
		}
		await healed()
		expect(context.checker.seen).toBeGreaterThan(STEPS / 4)
	})

	it('nothing that was printed or stored holds a value', async () => {
		const canaries = [...context.vault.origins.keys()].map((value, i) => ({ name: `value ${i}`, value }))
		const { scan } = createScanner(canaries)
		const [first] = canaries
		expect(scan('planted', `${logs.join('\n')}${first?.value}`)[0]).toMatchObject({ canary: first?.name })
		expect(scan('logs', logs.join('\n'))).toEqual([])
		for (const kind of ['asb', 'events', 'events.events.k8s.io', 'leases']) {
			const args = ['-n', stage.namespace, 'get', kind, '-o', 'yaml', '--show-managed-fields']
			expect(scan(kind, await kubectl(stage.target, args))).toEqual([])
		}
	})
})
