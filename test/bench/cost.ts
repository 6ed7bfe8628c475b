import { parseArgs } from 'node:util'
import type { Bench } from './cli.ts'
import { peers, type Wants } from './peers.ts'
import {
	type CostPlan,
	openCost,
	type PollCost,
	plannedBindings,
	plannedIdentities,
	type RotationCost,
	SELECTED,
} from './poll-cost.ts'

const BINDINGS = 20
const POLLS = 10
const IDENTITIES = [1, 10, 100]

/** One row of the table. */
interface Row {
	readonly title: string
	readonly plan: CostPlan
	readonly wants: Wants
	/** Secrets that hold the one that is rotated */
	readonly holders: number
}

const kinds = {
	five: `${BINDINGS} x 5 by name`,
	prefix: `${BINDINGS} x ${SELECTED} by prefix`,
	all: `${BINDINGS} x ${SELECTED} by name`,
} as const
type Kind = keyof typeof kinds
const modes = { plain: '', previous: ', 1 previous', denied: ', list denied' } as const
type Mode = keyof typeof modes

function rowOf(kind: Kind, mode: Mode, vaultSize: number): Row | undefined {
	// `previous` is a field of named secrets, and a selection needs the list.
	if (kind === 'prefix' && mode !== 'plain') return undefined
	const previous = mode === 'previous'
	const entries = kind === 'five' ? 5 : SELECTED
	return {
		title: `${kinds[kind]}${modes[mode]}`,
		plan: {
			vaultSize,
			bindings: plannedBindings(kind, { count: BINDINGS, previous: previous ? 1 : 0 }),
			listDenied: mode === 'denied',
			// 0.5 s, 1.5 s and 3 s for the hurried operator: a poll must be over before the next, or bindings take turns at listing.
			interval: vaultSize > 1_000 ? '30s' : kind === 'five' ? '5s' : '15s',
		},
		wants: { objects: BINDINGS, entries, previous, ...(kind === 'prefix' ? { selectedOf: vaultSize } : {}) },
		holders: kind === 'five' ? 1 : BINDINGS,
	}
}

/**
 * What polls cost in which nothing changed, and what a rotation costs. Calls are counted where they arrive, in the log of the
 * emulator; writes by the operator's own metric and by the objects themselves. Needs an API server and nothing else.
 */
export const bench: Bench = {
	title: `vault calls and writes of a poll without a change, and of a rotation, beside peers (--kinds ${Object.keys(kinds)}, --modes ${Object.keys(modes)}, --sizes N,N, --polls N, --identities N,N)`,
	async run(args) {
		const list = <T extends string>(all: readonly T[]) => ({ type: 'string', default: all.join(',') }) as const
		const { values } = parseArgs({
			args: [...args],
			options: {
				kinds: list(Object.keys(kinds)),
				modes: list(Object.keys(modes)),
				sizes: list(['100', '1000', '10000']),
				identities: list(IDENTITIES.map(String)),
				polls: { type: 'string', default: String(POLLS) },
			},
		})
		const among = <T extends string>(all: Readonly<Record<T, string>>, text: string) =>
			(Object.keys(all) as T[]).filter((each) => text.split(',').includes(each))
		const numbers = (text: string) => text.split(',').filter(Boolean).map(Number)
		const polls = Number(values.polls)

		console.log(
			`Vault calls per poll, all bindings together, means of ${polls} polls. rotation: of one secret, reads of it`,
		)
		console.log('and Secrets patched. Peers: from their sources, not run; x: their calls of one refresh by ours.\n')
		header(['bindings', 'vault'])
		for (const kind of among(kinds, values.kinds)) {
			for (const mode of among(modes, values.modes)) {
				for (const size of numbers(values.sizes)) {
					const row = rowOf(kind, mode, size)
					if (row) await measure([row.title, String(size)], row, polls)
				}
			}
		}
		const identities = numbers(values.identities)
		if (identities.length === 0) return
		console.log(`\nThe same vault of ${SELECTED} read by several identities, one binding of all of it each`)
		header(['identities', ''])
		for (const count of identities) {
			const plan = { vaultSize: SELECTED, bindings: plannedIdentities(count), interval: count > 10 ? '30s' : '5s' }
			await measure(
				[String(count), ''],
				{ title: '', plan, wants: { objects: count, entries: SELECTED }, holders: count },
				polls,
			)
		}
	},
}

async function measure(labels: readonly [string, string], row: Row, polls: number): Promise<void> {
	const cost = await openCost(row.plan)
	try {
		const poll = await cost.polls(polls)
		print(labels, row.wants, poll, await cost.rotate(row.holders))
	} finally {
		await cost.close()
	}
}

const LABELS = [30, 7] as const
const COLUMNS = ['lists', 'versions', 'reads', 'calls', 'tokens', 'writes', 'changed', 'rotation', 'patched', 'told']
const WIDTH = 9

function line(labels: readonly [string, string], cells: readonly string[]): void {
	console.log(
		labels[0].padEnd(LABELS[0]) + labels[1].padStart(LABELS[1]) + cells.map((each) => each.padStart(WIDTH)).join(''),
	)
}

function header(labels: readonly [string, string]): void {
	line(labels, [...COLUMNS, ...peers.flatMap(({ name }) => [name, 'x'])])
}

function print(labels: readonly [string, string], wants: Wants, poll: PollCost, rotation: RotationCost): void {
	const each = (count: number) => (count / poll.polls).toFixed(1).replace(/\.0$/, '')
	const calls = poll.lists + poll.versions + poll.gets + poll.challenges
	line(labels, [
		each(poll.lists),
		each(poll.versions),
		each(poll.gets),
		each(calls),
		each(poll.tokens),
		// Not per poll: none is the promise.
		String(poll.writes),
		String(poll.changed),
		String(rotation.reads),
		String(rotation.patched),
		String(rotation.told),
		...peers.flatMap((peer) => {
			const theirs = peer.calls(wants)
			if (theirs === undefined) return ['cannot', '-']
			return [String(theirs), calls === 0 ? '-' : (theirs / (calls / poll.polls)).toFixed(1)]
		}),
	])
}
