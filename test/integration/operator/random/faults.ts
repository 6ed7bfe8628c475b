// Steps of the random run that break what is between: vault, Entra, API server, the operator itself.
import type { Fault } from 'azure-key-vault-emulator'
import { ROLE } from '../stage.ts'
import { integer, pick, type RunContext, type Step } from './context.ts'

/** For some requests. */
const fault =
	(what: string, most: number, make: (random: () => number) => Fault): Step =>
	async ({ stage, random }) => {
		const times = 1 + integer(random, most)
		await stage.emulator.control.addFault({ ...make(random), times })
		return `${what} (${times} times)`
	}
const answer = (status: number, rest: Partial<Fault> = {}) => ({ action: 'status' as const, status, ...rest })
const onVault =
	(make: (random: () => number) => Fault) =>
	(random: () => number): Fault => {
		const route = pick(random, ['getSecret', 'listSecrets', undefined])
		return { match: { vault: 'v-random', ...(route ? { route } : {}) }, ...make(random) }
	}

const entraDown: Step = async (context) => {
	await context.stage.emulator.control.revokeTokens({ clientId: context.stage.clientId })
	const make = (random: () => number) => ({
		match: { route: 'token' },
		...pick(random, [answer(503), { action: 'reset' as const }]),
	})
	return fault('Entra down', 8, make)(context)
}

/** The vault answers nothing for longer than a pass lasts, with all its places open. */
const stall: Step = async ({ stage, random, timers }) => {
	// Other steps may have taken it back by then. A pass of a minute lasts three seconds here, by the clock of the run.
	const ms = 3_000 + integer(random, 5_000)
	const { id } = await stage.emulator.control.addFault({ match: { vault: 'v-random' }, action: 'hang' })
	timers.push(setTimeout(() => void stage.emulator.control.removeFault(id).catch(() => {}), ms))
	return `the vault stalls for ${ms} ms`
}

const noFaults: Step = async ({ stage }) => {
	await stage.emulator.control.clearFaults()
	return 'no faults'
}

export const role: Step = async (context) => {
	const { control } = context.stage.emulator
	const grant = { clientId: context.stage.clientId, role: ROLE, vault: context.stage.vault }
	context.role = !context.role
	await (context.role ? control.grant(grant) : control.revoke(grant))
	return `role ${context.role ? 'on' : 'off'}`
}

const kill: Step = async (context) => {
	const { operators, random } = context
	const [old] = operators
	const how = pick(random, ['killed', 'killed, its successor was there', 'stopped', 'stopped, not waited for'] as const)
	if (how === 'killed, its successor was there') context.start()
	if (how.startsWith('killed')) await old?.kill()
	else {
		const stopped = old?.stop()
		if (how === 'stopped') await stopped
	}
	context.operators = context.operators.filter((each) => each !== old)
	if (how !== 'killed, its successor was there') context.start()
	return `operator ${how}`
}

const cut: Step = async ({ proxy, random, timers }) => {
	// Shorter and longer than the lease lasts without being renewed. The steps go on meanwhile.
	const ms = integer(random, 5_000)
	proxy.cut()
	timers.push(setTimeout(() => proxy.restore(), ms))
	return `API server away for ${ms} ms`
}

const restart: Step = async ({ proxy }) => {
	proxy.reset()
	return 'API server restarted'
}

const silence: Step = async ({ proxy, random, timers }) => {
	const ms = integer(random, 5_000)
	proxy.freeze()
	timers.push(setTimeout(() => proxy.reset(), ms))
	return `connections to the API server silent for ${ms} ms`
}

/** Some requests do not get to the API server, or their answers do not get back. */
const lose: Step = async ({ gateway, random, timers }) => {
	const what = pick(random, ['request', 'answer'] as const)
	const kind = pick(random, ['/secrets', '/secrets', '/azuresecretbindings', '/token', ''])
	// Longer than a version is unsettled, too: until then its value is read and written again anyway.
	const ms = integer(random, 8_000)
	const writes = (method: string) => method === 'PATCH' || method === 'POST'
	gateway.drop(what, ({ method, path }) => writes(method) && path.includes(kind))
	timers.push(setTimeout(() => gateway.restore(), ms))
	return `${what} of writes of ${kind || 'anything'} lost for ${ms} ms`
}

/** Each with its weight. */
export const FAULTS: readonly (readonly [number, Step])[] = [
	[
		1,
		fault(
			'bare 429',
			8,
			onVault(() => answer(429)),
		),
	],
	[
		1,
		fault(
			'429 with Retry-After',
			4,
			onVault(() => answer(429, { retryAfter: 1 })),
		),
	],
	[
		1,
		fault(
			'5xx',
			8,
			onVault((random) => answer(pick(random, [500, 502, 503]))),
		),
	],
	[
		1,
		fault(
			'hang',
			1,
			onVault(() => ({ action: 'hang' })),
		),
	],
	[1, stall],
	[
		1,
		fault(
			'reset',
			8,
			onVault(() => ({ action: 'reset' })),
		),
	],
	[
		2,
		fault(
			'garbage',
			8,
			onVault((random) => ({ action: pick(random, ['garbage', 'truncate', 'html']) })),
		),
	],
	[
		1,
		fault(
			'404 of a proxy',
			8,
			onVault(() => ({ action: 'html', status: 404 })),
		),
	],
	[
		1,
		fault(
			'slow',
			8,
			onVault((random) => ({ action: 'delay', delayMs: integer(random, 2_000) })),
		),
	],
	[
		1,
		fault(
			'transient 401',
			2,
			onVault((random) => ({ action: pick(random, ['unauthorized', 'challenge']) })),
		),
	],
	[1, entraDown],
	[2, noFaults],
	[3, role],
	[1, cut],
	[1, restart],
	[1, silence],
	[5, lose],
	[3, kill],
]

/** Takes every fault back. What was done to the vault and to the Secrets stays. */
export async function mend(context: RunContext): Promise<void> {
	const { stage, gateway, proxy, operators, timers } = context
	for (const timer of timers.splice(0)) clearTimeout(timer)
	await stage.emulator.control.clearFaults()
	if (!context.role) await role(context)
	gateway.restore()
	proxy.restore()
	// What was silent would be so for minutes, until its deadlines.
	proxy.reset()
	if (!operators.some(({ running }) => running)) context.start()
}
