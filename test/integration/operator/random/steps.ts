// What may happen in the random run: changes of the vault, and all the other steps.
import { setTimeout as sleep } from 'node:timers/promises'
import { integer, pick, type RunContext, type Step } from './context.ts'
import { EDITS, settle } from './edits.ts'
import { FAULTS, mend } from './faults.ts'
import { NEIGHBOURS } from './neighbours.ts'
import { OBJECTS, TAG } from './specs.ts'

/** A change of one secret of the vault. Recovers it instead when it is deleted. */
const change =
	(what: string, work: (context: RunContext, name: string) => Promise<unknown>): Step =>
	async (context) => {
		const { checker, vault, random } = context
		const name = pick(random, OBJECTS)
		if (vault.items.get(name)?.deleted) {
			await checker.during(() => vault.recover(name))
			return `recover ${name}`
		}
		await checker.during(() => work(context, name))
		return `${what} ${name}`
	}

const rotate = change('rotate', ({ vault }, name) => vault.rotate(name))

/** With a look in between, as likely as not, and within one second, which the vault's times do not tell apart. */
const rotateTwice: Step = async (context) => {
	const { checker, vault, random } = context
	const first = await rotate(context)
	const name = first.split(' ').at(-1) ?? ''
	const ms = integer(random, 400)
	await sleep(ms)
	await checker.during(() => vault.rotate(name))
	return `${first}, and rotate it after ${ms} ms`
}

/** Longer than a version is unsettled, by the seconds of the vault and the way of the operator. */
const SETTLED_MS = 3_000

/** Rotated, and settled, while no Secret can be written. */
const rotateUnheard: Step = async (context) => {
	const { gateway } = context
	gateway.drop('request', ({ method, path }) => method === 'PATCH' && path.includes('/secrets/'))
	const what = await rotate(context)
	await sleep(SETTLED_MS)
	gateway.restore()
	return `${what} while writes of Secrets are lost`
}

/** Gone for less than the time after which it counts as absent, as likely as not. */
const deleteShortly: Step = async ({ checker, vault, random }) => {
	const present = OBJECTS.filter((name) => !vault.items.get(name)?.deleted)
	const name = pick(random, present.length > 0 ? present : OBJECTS)
	if (present.length > 0) await checker.during(() => vault.delete(name))
	const ms = integer(random, 1_000)
	await sleep(ms)
	await checker.during(() => vault.recover(name))
	return `delete ${name} and recover it after ${ms} ms`
}

/** Several secrets at once: a vault that loses them, or a tag that is renamed. */
const many = (what: string, work: (context: RunContext, name: string) => Promise<unknown>): Step => {
	return async (context) => {
		const { checker, vault, random } = context
		const names = OBJECTS.filter((name) => !vault.items.get(name)?.deleted && random() < 0.7)
		await checker.during(async () => {
			for (const name of names) await work(context, name)
		})
		return `${what} ${names.join(', ')}`
	}
}

const recoverAll: Step = async ({ checker, vault }) => {
	const names = OBJECTS.filter((name) => vault.items.get(name)?.deleted)
	await checker.during(async () => {
		for (const name of names) await vault.recover(name)
	})
	return `recover ${names.join(', ')}`
}

const HOUR_S = 3_600
const seconds = () => Math.floor(Date.now() / 1000)
/** Half of them pass during the run. */
const times = (random: () => number) =>
	pick(random, [
		{ expires: seconds() - HOUR_S },
		{ expires: seconds() + HOUR_S },
		{ expires: seconds() + 2 + integer(random, 4) },
		{ expires: seconds() + 2 + integer(random, 4) },
		{ notBefore: seconds() + HOUR_S },
		{ notBefore: seconds() + 2 + integer(random, 4) },
		{ notBefore: seconds() - HOUR_S, expires: seconds() + HOUR_S },
	])
/** Its time is over, or comes, when it is settled and nothing else makes anybody look at it. */
const passing: Step = async (context) => {
	const turn = seconds() + SETTLED_MS / 1000 + 1
	const describe = change('time that passes of', ({ vault, random }, name) =>
		vault.describe(name, pick(random, [{ expires: turn }, { notBefore: turn }])),
	)
	const what = await describe(context)
	await sleep(turn * 1000 - Date.now())
	return what
}
const tagged = { [TAG[0]]: TAG[1] }

/** Each with its weight. */
const STEPS: readonly (readonly [number, Step])[] = [
	...FAULTS,
	...EDITS,
	...NEIGHBOURS,
	[8, rotate],
	[6, rotateTwice],
	[1, rotateUnheard],
	[3, change('delete', ({ vault }, name) => vault.delete(name))],
	[3, deleteShortly],
	[2, many('delete', ({ vault }, name) => vault.delete(name))],
	[2, recoverAll],
	[3, change('enable', ({ vault }, name) => vault.describe(name, { enabled: true }))],
	[3, change('disable', ({ vault }, name) => vault.describe(name, { enabled: false }))],
	[1, change('disable the version before of', ({ vault }, name) => vault.describe(name, { enabled: false }, 1))],
	[2, passing],
	[4, change('times of', ({ vault, random }, name) => vault.describe(name, times(random)))],
	[2, change('tag', ({ vault }, name) => vault.tag(name, tagged))],
	[2, many('tag', ({ vault }, name) => vault.tag(name, tagged))],
	[1, change('untag', ({ vault }, name) => vault.tag(name, {}))],
	[2, many('untag', ({ vault }, name) => vault.tag(name, {}))],
]
const WEIGHT = STEPS.reduce((sum, [weight]) => sum + weight, 0)

export async function randomStep(context: RunContext): Promise<string> {
	let at = context.random() * WEIGHT
	for (const [weight, step] of STEPS) {
		at -= weight
		if (at < 0) return step(context)
	}
	return 'nothing'
}

/** Takes back what can be taken back. What was done to the vault and to the Secrets stays. */
export async function heal(context: RunContext): Promise<void> {
	await mend(context)
	await settle(context)
}
