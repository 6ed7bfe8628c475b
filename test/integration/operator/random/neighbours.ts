// Tenants beside the one whose Secrets are judged: what they write costs as much as it can, and costs the others turns only.
import { createNeighbour, type Neighbour } from '../../../bench/neighbour.ts'
import { certificates, dear, plain, wideEntries } from '../../../bench/worst-neighbours.ts'
import { until } from '../../../kit/until.ts'
import type { Stage } from '../stage.ts'
import { integer, type RunContext, type Step } from './context.ts'
import { OBJECTS } from './specs.ts'

export interface Neighbours {
	readonly namespaces: readonly string[]
	/** the dearest values that there are, in a spec of many entries */
	readonly dear: Neighbour
	/** many secrets in a number of bindings that grows */
	readonly many: Neighbour
	/** New versions of the dear values. */
	rewrite(): Promise<void>
	/** So many bindings more; of more than there may be the oldest go. */
	add(count: number): Promise<void>
	/** Edits a spec again and again, as fast as the API server lets one do so, so often or until that aborts. */
	edit(times: number, signal: AbortSignal): Promise<void>
	/** Ends what is going on, and all that they have. */
	close(): Promise<void>
}

// Twice that of the bindings that are judged: an interval of these is the two in which a rotation must arrive.
const INTERVAL_MS = 10_000
/** Secrets of the vault of `many`, in each of its bindings so many others. */
const [SECRETS, EACH] = [200, 40]
const MOST_BINDINGS = 8
const WIDE = 100
const GROUP_PATH = '/apis/secrets.purista.dev/v1alpha1'

const someOf = (number: number) => ({
	secrets: Array.from({ length: EACH }, (_, i) => ({ name: `s-${(number * EACH + i) % SECRETS}` })),
})

export async function openNeighbours(stage: Stage): Promise<Neighbours> {
	const costly = await createNeighbour(
		stage,
		{
			name: 'dear',
			secrets: dear,
			bindings: [{ certificates, secrets: [{ name: 'deep', property: '/a' }, ...wideEntries(WIDE)] }],
		},
		INTERVAL_MS,
	)
	const many = await createNeighbour(
		stage,
		{ name: 'many', secrets: () => plain(SECRETS), bindings: [someOf(0), someOf(1)] },
		INTERVAL_MS,
	)
	const ending = new AbortController()
	const going = new Set<Promise<void>>()
	let made = 0
	let gone = 0
	const edit = async (times: number, signal: AbortSignal) => {
		const path = `${GROUP_PATH}/namespaces/${costly.namespace}/azuresecretbindings/b-0`
		for (let i = 0; i < times && !signal.aborted && !ending.signal.aborted; i++)
			await stage.merge(path, { spec: { refresh: { staleAfter: i % 2 ? '24h' : '23h' } } })
	}
	return {
		namespaces: [costly.namespace, many.namespace],
		dear: costly,
		many,
		rewrite: () => costly.set(dear()),
		async add(count) {
			for (let i = 0; i < count; i++) await many.addBinding(`n-${made}`, someOf(made++))
			for (; made - gone > MOST_BINDINGS; gone++) await many.removeBinding(`n-${gone}`)
		},
		edit(times, signal) {
			const work = edit(times, signal)
			const settled = work.catch(() => {}).finally(() => going.delete(settled))
			going.add(settled)
			return work
		},
		async close() {
			ending.abort()
			await Promise.all(going)
			await Promise.all([costly.remove(), many.remove()])
		},
	}
}

const rewrite: Step = async ({ neighbours }) => {
	await neighbours.rewrite()
	return 'neighbour: the dearest values'
}

const add: Step = async ({ neighbours, random }) => {
	const count = 1 + integer(random, 5)
	await neighbours.add(count)
	return `neighbour: ${count} bindings more`
}

/** The steps go on meanwhile. */
const edit: Step = async ({ neighbours, random, checker }) => {
	const times = 10 + integer(random, 90)
	neighbours.edit(times, new AbortController().signal).catch((error: unknown) => {
		checker.problems.push(`an edit of a neighbour failed: ${String(error)}`)
	})
	return `neighbour: ${times} edits of a spec`
}

/** The vaults of the others are none of its business. */
const hang: Step = async ({ neighbours, stage, random, timers }) => {
	const ms = 1_000 + integer(random, 5_000)
	const { vault } = neighbours.many
	const { id } = await stage.emulator.control.addFault({ match: { vault }, action: 'hang' })
	timers.push(setTimeout(() => void stage.emulator.control.removeFault(id).catch(() => {}), ms))
	return `neighbour: its vault hangs for ${ms} ms`
}

/** Each with its weight. */
export const NEIGHBOURS: readonly (readonly [number, Step])[] = [
	[2, rewrite],
	[2, add],
	[2, edit],
	[1, hang],
]

/** So many intervals of the neighbour's may pass until the rotation is read: the bar, and one that was under way. */
const MOST_LISTS = 2

/**
 * With nothing else the matter, a rotation of the tenant who is judged arrives within two intervals while the neighbours are at
 * it. Intervals are counted by what the operator did for another neighbour, who is not at it: so the machine may be as slow
 * as it likes. The lease is none of its business: its seconds are hurried here, and `npm run bench -- tenants` counts renewals.
 *
 * @param compared waits until everything is as the model says
 */
export async function besideNeighbours(context: RunContext, compared: () => Promise<void>): Promise<string> {
	const { stage, vault, checker, neighbours } = context
	const { control } = stage.emulator
	const isDeleted = (each: string) => vault.items.get(each)?.deleted === true
	const name = OBJECTS.find((each) => !isDeleted(each)) ?? OBJECTS[0]
	if (isDeleted(name)) await checker.during(() => vault.recover(name))
	// What hung when the faults were taken back hangs on until its pass is over, and everything may look right meanwhile.
	const healed = Date.now()
	await until('the vault to be polled again', async () =>
		(await control.requests({ since: healed })).some(({ vault, status }) => vault === stage.vault && status === 200),
	)
	const stop = new AbortController()
	await neighbours.rewrite()
	const editing = neighbours.edit(Number.POSITIVE_INFINITY, stop.signal)
	try {
		await checker.during(() => vault.rotate(name))
		const since = Date.now()
		await compared()
		const log = await control.requests({ since })
		const read = log.findIndex(
			(each) => each.vault === stage.vault && each.secret === name && each.route === 'getSecret',
		)
		const isList = ({ vault, route }: (typeof log)[number]) =>
			vault === neighbours.many.vault && route === 'listSecrets'
		const lists = listsOf(log.slice(0, read).filter(isList))
		if (read < 0) checker.problems.push(`beside neighbours: the new ${name} was not read`)
		if (lists > MOST_LISTS) checker.problems.push(`a neighbour was polled ${lists} times until ${name} was read`)
		return `beside neighbours: ${name} was read after ${lists} of their polls`
	} finally {
		stop.abort()
		await editing
	}
}

/** Each list of the neighbour's vault has pages of 25. */
const listsOf = (pages: readonly unknown[]) => Math.ceil(pages.length / (SECRETS / 25))
