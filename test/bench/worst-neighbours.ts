import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { deepJson, longChain, pfxOf, wideJson } from '../../operator/src/forms/testing/worst.ts'
import type { Stage } from '../integration/operator/stage.ts'
import type { Neighbour, NeighbourSpec, SecretValue } from './neighbour.ts'
import { inParallel } from './tenants.ts'

export interface Attack {
	readonly name: string
	readonly title: string
	readonly neighbours: readonly NeighbourSpec[]
	/** What they do until told to stop. @returns what is worth to be known of it */
	go(stage: Stage, neighbours: readonly Neighbour[], signal: AbortSignal): Promise<string | undefined>
}

const P12 = 'application/x-pkcs12'
/** The values of issue and design: what fits into the 25 KB of a value and costs the most. */
const makeDear = (): SecretValue[] => [
	{ name: 'six', value: pfxOf(6, 100_000), contentType: P12 },
	{ name: 'twenty', value: pfxOf(20, 99_999), contentType: P12 },
	// The dearest ones that are allowed.
	{ name: 'allowed', value: pfxOf(3, 33_000), contentType: P12 },
	{ name: 'allowed-old', value: pfxOf(1, 33_000, true), contentType: P12 },
	{ name: 'chain', value: longChain(), contentType: 'application/x-pem-file' },
	{ name: 'deep', value: deepJson() },
	{ name: 'wide', value: wideJson(480) },
]
let made: SecretValue[] | undefined
/** Made once, and only for whom they are. */
export function dear(): SecretValue[] {
	made ??= makeDear()
	return made
}
export const certificates = ['six', 'twenty', 'allowed', 'allowed-old', 'chain'].map((name) => ({
	objectName: name,
	cert: `${name}.crt`,
	key: `${name}.key`,
}))
/** So many entries of one JSON; there are 480 members. */
export const wideEntries = (count: number) =>
	Array.from({ length: count }, (_, i) => ({ name: `wide-${i}`, objectName: 'wide', property: `/k${i}` }))
/** How often they change, ms: twice in the interval of an honest binding. */
const CHANGE_MS = 30_000

const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => {})
const none = async () => undefined

export const plain = (count: number): SecretValue[] =>
	Array.from({ length: count }, (_, i) => ({ name: `s-${i}`, value: randomUUID() }))
/** 64 bindings of 40 secrets, all different: 2,560 to be followed every 5 s. */
const greedy: NeighbourSpec = {
	name: 'greedy',
	secrets: () => plain(64 * 40),
	bindings: Array.from({ length: 64 }, (_, i) => ({
		secrets: Array.from({ length: 40 }, (_, j) => ({ name: `s-${i * 40 + j}` })),
	})),
}
/** A binding of 20 secrets in each of many namespaces. */
const crowdOf = (count: number): NeighbourSpec[] =>
	Array.from({ length: count }, (_, i) => ({
		name: `crowd-${i}`,
		secrets: () => plain(20),
		bindings: [{ secrets: Array.from({ length: 20 }, (_, j) => ({ name: `s-${j}` })) }],
	}))
/** New bindings a second of the issue. */
const NEW_PER_SECOND = 170
const WRITERS = 24

export const attacksOf = (tenants: number, namespaces: number): readonly Attack[] => [
	{ name: 'quiet', title: 'quiet: the victim alone', neighbours: [], go: none },
	{
		name: 'values',
		title: `${tenants} tenants with the worst values that fit into 25 KB, new ones each half minute`,
		neighbours: Array.from({ length: tenants }, (_, i) => ({
			name: `worst-${i}`,
			secrets: dear,
			bindings: [{ certificates, secrets: [{ name: 'deep', property: '/a' }, ...wideEntries(480)] }],
		})),
		async go(_, neighbours, signal) {
			let changes = 0
			for (;;) {
				await pause(CHANGE_MS, signal)
				if (signal.aborted) return `${changes} times`
				await inParallel(neighbours, (each) => each.set(dear()))
				changes++
			}
		},
	},
	{ name: 'greedy', title: '64 bindings x 40 secrets of one tenant, interval 5 s', neighbours: [greedy], go: none },
	{
		name: 'hanging',
		title: '64 bindings of a tenant whose vault hangs',
		neighbours: [greedy],
		async go(stage, [tenant], signal) {
			if (!tenant) return undefined
			await stage.emulator.control.addFault({ action: 'hang', match: { vault: tenant.vault } })
			await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
			return undefined
		},
	},
	{
		name: 'crowd',
		title: `${namespaces} namespaces with a vault each, a binding of 20 secrets, interval 5 s`,
		neighbours: crowdOf(namespaces),
		go: none,
	},
	{
		name: 'hanging-crowd',
		title: `${namespaces} namespaces whose vaults hang`,
		neighbours: crowdOf(namespaces),
		async go(stage, neighbours, signal) {
			for (const { vault } of neighbours) await stage.emulator.control.addFault({ action: 'hang', match: { vault } })
			await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
			return undefined
		},
	},
	{
		name: 'new',
		title: `new bindings of one tenant, up to ${NEW_PER_SECOND} a second`,
		neighbours: [{ name: 'newborn', secrets: () => plain(1), bindings: [] }],
		async go(_, [tenant], signal) {
			if (!tenant) return undefined
			const began = performance.now()
			let made = 0
			const write = async () => {
				while (!signal.aborted) {
					const number = made++
					const due = (number / NEW_PER_SECOND) * 1000 - (performance.now() - began)
					if (due > 0) await pause(due, signal)
					await tenant.addBinding(`n-${number}`, { secrets: [{ name: 's-0' }] })
					// Not more than some thousands at once: it is their coming that matters.
					if (number >= 2_000) await tenant.removeBinding(`n-${number - 2_000}`).catch(() => {})
				}
			}
			await Promise.all(Array.from({ length: WRITERS }, write))
			return `${Math.round(made / ((performance.now() - began) / 1000))} a second came about`
		},
	},
]
