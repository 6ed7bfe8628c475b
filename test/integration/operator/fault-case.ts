// One row of the table of faults: a vault, an identity and a binding of its own, so that many rows share one stage.
import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { flaps } from '../../kit/kstatus.ts'
import { until } from '../../kit/until.ts'
import { AUDIENCE, type BindingObject, condition, isTrue, ROLE, type SecretView, type Stage, value } from './stage.ts'

export interface Row {
	/** of the binding */
	name: string
	vault: string
	clientId: string
	stage: Stage
	/** The binding with one secret `db`, delivered and settled. */
	deliver(spec?: Record<string, unknown>): Promise<void>
	apply(spec?: Record<string, unknown>): Promise<void>
	binding(): Promise<BindingObject>
	secret(): Promise<SecretView | undefined>
	fresh(): Promise<BindingObject>
	stale(reason: string): Promise<BindingObject>
	/** Takes the federated credential away, and the token that was got with it. */
	unfederate(): Promise<void>
	/** Expects that what was delivered is there as it was, to the last version of the object. */
	untouched(): Promise<void>
	/** Expects exactly these events about the binding, and that no condition went the same way twice. */
	told(expected: Record<string, number>): Promise<void>
}

/** What a binding is told that was delivered and met nothing. */
export const QUIET = { 'Normal Deliver Delivered': 1 }

/** What a delivered binding is told that turned stale once and came back. */
export const wentAndCame = (reason: string) => ({
	'Normal Deliver Delivered': 1,
	'Normal Look Current': 1,
	[`Warning Look ${reason}`]: 1,
})

/** What a binding is told that was refused at first sight and then mended: one event each, though Ready and Fresh turn. */
export const refusedFirst = (reason: string) => ({
	[`Warning Deliver ${reason}`]: 1,
	'Normal Deliver Delivered': 1,
})
/** The same of one that was delivered before. */
export const refusedLater = (reason: string) => ({
	...refusedFirst(reason),
	'Normal Deliver Delivered': 2,
})

/** Expects the binding to be Stalled, nothing delivered by it counting as Ready. @returns the message */
export const stalled = async (row: Row, reason: string, ...says: string[]): Promise<string> => {
	const binding = await row.stale(reason)
	expect(condition(binding, 'Ready')).toMatchObject({ status: 'False', reason })
	expect(condition(binding, 'Stalled')).toMatchObject({ status: 'True', reason })
	expect(condition(binding, 'Reconciling')).toBeUndefined()
	const { message } = condition(binding, 'Fresh') ?? { message: '' }
	for (const part of says) expect(message).toContain(part)
	return message
}

interface EventObject {
	type: string
	reason: string
	action: string
	regarding: { kind: string; name: string; uid?: string }
	note?: string
	eventTime: string
	series?: { count: number }
}

/** All events of the stage's namespace, oldest first. */
export async function events(stage: Stage): Promise<EventObject[]> {
	const { items } = await stage.api.request<{ items: EventObject[] }>({
		method: 'GET',
		path: `/apis/events.k8s.io/v1/namespaces/${stage.namespace}/events`,
	})
	return items.toSorted((a, b) => (a.eventTime < b.eventTime ? -1 : 1))
}

/** How often each event was told about an object, by `type action reason`. */
export async function eventsAbout(stage: Stage, name: string): Promise<Record<string, number>> {
	const told: Record<string, number> = {}
	for (const { type, reason, action, regarding, series } of await events(stage)) {
		if (regarding.name !== name) continue
		const key = `${type} ${action} ${reason}`
		told[key] = (told[key] ?? 0) + (series?.count ?? 1)
	}
	return told
}

export async function expectEvents(stage: Stage, name: string, expected: Record<string, number>): Promise<void> {
	const sum = (told: Record<string, number>) => Object.values(told).reduce((all, count) => all + count, 0)
	// Events are sent after the status, and nobody waits for them.
	const all = async () => sum(await eventsAbout(stage, name)) >= sum(expected)
	await until('the events', all, { timeoutMs: 30_000, everyMs: 50 }).catch(() => {})
	expect(await eventsAbout(stage, name)).toEqual(expected)
}

export async function openRow(stage: Stage, name: string, { access }: { access?: 'policy' } = {}): Promise<Row> {
	const { control } = stage.emulator
	const [vault, clientId] = [`r-${name}`, randomUUID()]
	await control.createVault({ name: vault, ...(access ? { access } : {}) })
	await control.addClient({ clientId, name: `${stage.namespace}-${name}` })
	const { issuer, subject } = stage
	await control.addFederatedCredential({ clientId, name: 'first', issuer, subject, audience: AUDIENCE })
	if (access) await control.setPolicy({ vault, clientId, secretPermissions: ['get', 'list'] })
	else await control.grant({ clientId, role: ROLE, vault })
	await control.setSecret({ vault, name: 'db', value: `value of ${name}` })
	// Settled at first sight: the row's later requests are those of its fault.
	await control.advanceClock({ seconds: 3 })
	let before: SecretView | undefined
	const row: Row = {
		name,
		vault,
		clientId,
		stage,
		apply: (spec = {}) =>
			stage.apply(name, {
				vault: { url: `https://${vault}.vault.azure.net` },
				identity: { serviceAccountName: 'payments', clientId },
				secrets: [{ name: 'db' }],
				...spec,
			}),
		async deliver(spec) {
			await row.apply(spec)
			await row.fresh()
			before = await row.secret()
			expect(value(before, 'db')).toBe(`value of ${name}`)
		},
		binding: () => stage.binding(name),
		secret: () => stage.secret(`${name}-secrets`),
		fresh: () => stage.wait(name, 'Ready and Fresh', (b) => isTrue(b, 'Ready') && isTrue(b, 'Fresh')),
		stale: (reason) =>
			stage.wait(name, reason, (b) => {
				const fresh = condition(b, 'Fresh')
				return fresh?.status === 'False' && fresh.reason === reason
			}),
		async unfederate() {
			await control.removeFederatedCredential({ clientId, name: 'first' })
			await control.revokeTokens({ clientId })
		},
		async untouched() {
			expect(await row.secret()).toEqual(before)
		},
		async told(expected) {
			await expectEvents(stage, name, expected)
			expect(flaps(stage.versions(name))).toEqual([])
		},
	}
	return row
}

/** Expects what every fault of a delivered binding leaves: Ready, nothing to wait for, the data as they were. */
export async function expectDelivered(row: Row, binding: BindingObject): Promise<void> {
	expect(condition(binding, 'Ready')).toMatchObject({ status: 'True', reason: 'Delivered' })
	expect(condition(binding, 'Reconciling')).toBeUndefined()
	expect(condition(binding, 'Stalled')).toBeUndefined()
	await row.untouched()
}
