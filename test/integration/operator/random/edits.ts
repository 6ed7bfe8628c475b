// Steps of the random run that people take in the cluster: edits of specs, of annotations, and of our Secrets.
import { isKubeError } from '../../../../operator/src/ports/kube-error.ts'
import { type Asked, edited } from '../../../oracle/wishes.ts'
import { condition, kubectlLine } from '../stage.ts'
import { integer, pick, type RunContext, type Step } from './context.ts'
import { askedOf, type RunBinding, type Shape, specOf } from './specs.ts'

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
async function reshape({ checker, stage }: RunContext, binding: RunBinding, to: Partial<Shape>): Promise<void> {
	await checker.during(async () => {
		const { spec, watching } = binding
		const shape = { ...binding.shape, ...to }
		await stage.apply(spec.name, specOf(spec, shape))
		const { metadata } = await stage.binding(spec.name)
		binding.shape = shape
		edited(watching, askedOf(spec, shape, metadata.generation, watching.asked.hold))
	})
}

/** The annotation hold is another one. */
function heldAnew({ watching }: RunBinding, hold: Asked['hold']): void {
	edited(watching, { hold })
}

const respec =
	(
		what: string,
		can: (binding: RunBinding) => boolean,
		to: (binding: RunBinding, random: () => number) => Partial<Shape>,
	): Step =>
	async (context) => {
		const binding = pick(context.random, [...context.checker.bindings.values()].filter(can))
		const shape = to(binding, context.random)
		await reshape(context, binding, shape)
		return `${binding.spec.name}: ${what} ${Object.values(shape)
			.map((value) => JSON.stringify(value))
			.join(', ')}`
	}

const HOLD = 'secrets.purista.dev/hold'
const HOUR_MS = 3_600_000

/** An incident: one file of `keep` is pinned to one of its last versions. */
const hold: Step = async ({ checker, stage, vault, random }) => {
	const binding = checker.bindings.get('keep-secrets')
	const name = pick(random, ['alpha', 'beta'])
	const id = pick(random, vault.items.get(name)?.versions.slice(-3) ?? []).id
	const until = `${new Date(Date.now() + HOUR_MS).toISOString().slice(0, 19)}Z`
	await checker.during(async () => {
		await stage.annotate('keep', { [HOLD]: `${name}=${id}; until=${until}` })
		if (binding) heldAnew(binding, { name, id })
	})
	return `hold ${name} at ${id}`
}

async function release({ checker, stage }: RunContext, binding: RunBinding): Promise<void> {
	await checker.during(async () => {
		await stage.annotate(binding.spec.name, { [HOLD]: null })
		heldAnew(binding, undefined)
	})
}

/** Somebody runs the printed line that lets held removals go. */
const acknowledge: Step = async ({ checker, stage }) => {
	const watching = checker.bindings.get('braked-secrets')?.watching
	const fresh = condition(await stage.binding('braked'), 'Fresh')
	if (!watching || fresh?.reason !== 'RemovalsHeld') return 'no removals are held'
	const digest = kubectlLine(fresh.message).split('=').at(-1) ?? ''
	const names = /none of them was: ([^.]*)\./.exec(fresh.message)?.[1]?.split(', ') ?? []
	watching.acknowledged = new Set([...watching.acknowledged, ...names])
	await stage.annotate('braked', { 'secrets.purista.dev/allow-removals': digest })
	return `allow removals of ${names.join(', ')}`
}

const someExtra = respec(
	'extra entries',
	({ spec }) => spec.entries.some(({ extra }) => extra),
	({ shape }) => ({ extras: !shape.extras }),
)
const policy = respec(
	'policy',
	({ spec }) => spec.policies.length > 1,
	({ spec }, random) => ({ policy: pick(random, spec.policies) }),
)
const olderVersions = respec(
	'older versions',
	({ spec }) => spec.entries.some(({ older }) => older),
	(_, random) => ({ previous: integer(random, 4) }),
)
const selector = respec(
	'selector',
	// A spec must ask for something.
	({ spec }) => spec.select !== undefined && spec.entries.length > 0,
	({ shape }) => ({ select: !shape.select }),
)
const suspend = respec(
	'suspend',
	() => true,
	({ shape }) => ({ suspend: !shape.suspend }),
)
const deleteKey = edit((key) => ({ data: { [key]: null } }))
const editKey = edit((key, random) => ({ stringData: { [key]: `edited ${random()}` } }))

/** Each with its weight. */
export const EDITS: readonly (readonly [number, Step])[] = [
	[2, someExtra],
	[2, policy],
	[1, olderVersions],
	[1, selector],
	[2, suspend],
	[1, hold],
	[1, acknowledge],
	[1, intrude('delete key', deleteKey)],
	[3, intrude('edit', editKey)],
	[1, intrude('delete Secret, not only', remove)],
]

/** Ends suspensions. @returns whether there were any */
export async function resume(context: RunContext): Promise<boolean> {
	const suspended = [...context.checker.bindings.values()].filter(({ shape }) => shape.suspend)
	for (const binding of suspended) await reshape(context, binding, { suspend: false })
	return suspended.length > 0
}

/** Ends holds, and asks for a look. */
export async function settle(context: RunContext): Promise<void> {
	for (const binding of context.checker.bindings.values()) {
		if (binding.watching.asked.hold) await release(context, binding)
		await context.stage.annotate(binding.spec.name, { 'secrets.purista.dev/requested-at': `${performance.now()}` })
	}
}
