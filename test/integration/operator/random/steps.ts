// What may happen in the random run, besides faults.
import { setTimeout as sleep } from 'node:timers/promises'
import { isKubeError } from '../../../../operator/src/adapters/kube/errors.ts'
import { condition, kubectlLine } from '../stage.ts'
import { integer, pick, type RunContext, type Step } from './context.ts'
import { FAULTS, mend } from './faults.ts'
import { OBJECTS, type Shape, specOf, TAG } from './specs.ts'
import type { Watching } from './wishes.ts'

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

/** Somebody changes our Secret. */
const intrude =
	(what: string, work: (context: RunContext, path: string, key: string) => Promise<unknown>): Step =>
	async (context) => {
		const { checker, stage, random } = context
		const secretName = pick(random, [...checker.bindings.keys()])
		const secret = await stage.secret(secretName)
		const keys = Object.keys(secret?.data ?? {}).filter((key) => key !== '.binding.json')
		if (!secret || keys.length === 0) return `${what}: ${secretName} has nothing`
		const key = pick(random, keys)
		const path = `/api/v1/namespaces/${stage.namespace}/secrets/${secretName}`
		try {
			await checker.during(() => work(context, path, key))
		} catch (error) {
			if (!isKubeError(error, 'conflict', 'notFound')) throw error
			return `${what} of ${secretName}: too late`
		}
		return `${what} ${key} of ${secretName}`
	}
const edit =
	(body: (key: string, random: () => number) => object) =>
	async ({ stage, checker, random }: RunContext, path: string, key: string) => {
		const query = { fieldManager: 'somebody' }
		const { metadata } = await stage.api.request<{ metadata: { resourceVersion: string } }>({
			method: 'PATCH',
			path,
			query,
			body: body(key, random),
		})
		checker.foreign(metadata.resourceVersion)
	}
const remove = async ({ stage, checker }: RunContext, path: string) => {
	const { metadata } = await stage.api.request<{ metadata: { uid: string } }>({ method: 'GET', path })
	checker.deletes(metadata.uid)
	await stage.api.request({ method: 'DELETE', path })
}

/** An edit of a spec. */
async function reshape({ checker, stage }: RunContext, watching: Watching, to: Partial<Shape>): Promise<void> {
	await checker.during(async () => {
		const shape = { ...watching.shape, ...to }
		await stage.apply(watching.spec.name, specOf(watching.spec, shape))
		watching.shape = shape
	})
}

const respec =
	(
		what: string,
		can: (watching: Watching) => boolean,
		to: (watching: Watching, random: () => number) => Partial<Shape>,
	): Step =>
	async (context) => {
		const watching = pick(context.random, [...context.checker.bindings.values()].filter(can))
		const shape = to(watching, context.random)
		await reshape(context, watching, shape)
		return `${watching.spec.name}: ${what} ${Object.values(shape)
			.map((value) => JSON.stringify(value))
			.join(', ')}`
	}

const HOLD = 'secrets.purista.dev/hold'
const HOUR_S = 3_600

/** An incident: one file of `keep` is pinned to one of its last versions. */
const hold: Step = async ({ checker, stage, vault, random }) => {
	const watching = checker.bindings.get('keep-secrets')
	const name = pick(random, ['alpha', 'beta'])
	const id = pick(random, vault.items.get(name)?.versions.slice(-3) ?? []).id
	const until = `${new Date(Date.now() + HOUR_S * 1_000).toISOString().slice(0, 19)}Z`
	await checker.during(async () => {
		await stage.annotate('keep', { [HOLD]: `${name}=${id}; until=${until}` })
		if (watching) watching.hold = { name, id }
	})
	return `hold ${name} at ${id}`
}

async function release({ checker, stage }: RunContext, watching: Watching): Promise<void> {
	await checker.during(async () => {
		await stage.annotate(watching.spec.name, { [HOLD]: null })
		watching.hold = undefined
	})
}

/** Somebody runs the printed line that lets held removals go. */
const acknowledge: Step = async ({ checker, stage }) => {
	const watching = checker.bindings.get('braked-secrets')
	const fresh = condition(await stage.binding('braked'), 'Fresh')
	if (!watching || fresh?.reason !== 'RemovalsHeld') return 'no removals are held'
	const digest = kubectlLine(fresh.message).split('=').at(-1) ?? ''
	const names = /none of them was: ([^.]*)\./.exec(fresh.message)?.[1]?.split(', ') ?? []
	watching.acknowledged = new Set([...watching.acknowledged, ...names])
	await stage.annotate('braked', { 'secrets.purista.dev/allow-removals': digest })
	return `allow removals of ${names.join(', ')}`
}

const seconds = () => Math.floor(Date.now() / 1000)
/** Some of them pass during the run. */
const times = (random: () => number) =>
	pick(random, [
		{ expires: seconds() - HOUR_S },
		{ expires: seconds() + HOUR_S },
		{ expires: seconds() + 1 + integer(random, 4) },
		{ notBefore: seconds() + HOUR_S },
		{ notBefore: seconds() + 1 + integer(random, 4) },
		{ notBefore: seconds() - HOUR_S, expires: seconds() + HOUR_S },
	])
const tagged = { [TAG[0]]: TAG[1] }

/** Each with its weight. */
const STEPS: readonly (readonly [number, Step])[] = [
	...FAULTS,
	[8, rotate],
	[6, rotateTwice],
	[3, change('delete', ({ vault }, name) => vault.delete(name))],
	[3, deleteShortly],
	[2, many('delete', ({ vault }, name) => vault.delete(name))],
	[2, recoverAll],
	[3, change('enable', ({ vault }, name) => vault.describe(name, { enabled: true }))],
	[3, change('disable', ({ vault }, name) => vault.describe(name, { enabled: false }))],
	[1, change('disable the version before of', ({ vault }, name) => vault.describe(name, { enabled: false }, 1))],
	[4, change('times of', ({ vault, random }, name) => vault.describe(name, times(random)))],
	[2, change('tag', ({ vault }, name) => vault.tag(name, tagged))],
	[2, many('tag', ({ vault }, name) => vault.tag(name, tagged))],
	[1, change('untag', ({ vault }, name) => vault.tag(name, {}))],
	[2, many('untag', ({ vault }, name) => vault.tag(name, {}))],
	[
		2,
		respec(
			'extra entries',
			({ spec }) => spec.entries.some(({ extra }) => extra),
			({ shape }) => ({ extras: !shape.extras }),
		),
	],
	[
		2,
		respec(
			'policy',
			({ spec }) => spec.policies.length > 1,
			({ spec }, random) => ({ policy: pick(random, spec.policies) }),
		),
	],
	[
		1,
		respec(
			'older versions',
			({ spec }) => spec.entries.some(({ older }) => older),
			(_, random) => ({ previous: integer(random, 4) }),
		),
	],
	[
		1,
		respec(
			'selector',
			({ spec }) => spec.select !== undefined && spec.entries.length > 0,
			({ shape }) => ({ select: !shape.select }),
		),
	],
	[
		1,
		respec(
			'suspend',
			() => true,
			({ shape }) => ({ suspend: !shape.suspend }),
		),
	],
	[1, hold],
	[1, acknowledge],
	[
		1,
		intrude(
			'delete key',
			edit((key) => ({ data: { [key]: null } })),
		),
	],
	[
		1,
		intrude(
			'edit',
			edit((key, random) => ({ stringData: { [key]: `edited ${random()}` } })),
		),
	],
	[1, intrude('delete Secret, not only', remove)],
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

/** Ends faults, suspensions and holds, and asks for a look. What was done to the vault and to the Secrets stays. */
export async function heal(context: RunContext): Promise<void> {
	await mend(context)
	for (const watching of context.checker.bindings.values()) {
		if (watching.shape.suspend) await reshape(context, watching, { suspend: false })
		if (watching.hold) await release(context, watching)
		await context.stage.annotate(watching.spec.name, { 'secrets.purista.dev/requested-at': `${performance.now()}` })
	}
}
