import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fault } from '../../emulator/src/control/types.ts'
import { flaps } from '../../kit/kstatus.ts'
import { until } from '../../kit/until.ts'
import {
	events,
	eventsAbout,
	expectDelivered,
	expectEvents,
	openRow,
	QUIET,
	type Row,
	wentAndCame,
} from './fault-case.ts'
import { condition, isTrue, openStage, type Stage, value } from './stage.ts'

// Rows of the table of faults that pass by themselves, each of a binding that was delivered: nothing is said for five minutes,
// then Fresh turns, once; the data stay, and the binding catches up.

// Five minutes are five seconds.
const TIMES = 60
const GRACE_MS = 300_000 / TIMES

interface Case {
	name: string
	fault: Fault
	/** the fault is Entra's: tokens that were got before it are made worthless */
	token?: true
	reason: string
}

const CASES: Case[] = [
	{ name: '429', fault: { action: 'status', status: 429 }, reason: 'VaultThrottled' },
	// Two minutes, which are two seconds on this clock.
	{ name: '429-wait', fault: { action: 'status', status: 429, retryAfter: 120 }, reason: 'VaultThrottled' },
	{ name: '500', fault: { action: 'status', status: 500 }, reason: 'VaultError' },
	{ name: '503', fault: { action: 'status', status: 503, retryAfter: 1 }, reason: 'VaultError' },
	{ name: 'html-502', fault: { action: 'html', status: 502 }, reason: 'VaultError' },
	{ name: '408', fault: { action: 'status', status: 408 }, reason: 'VaultTimeout' },
	{ name: 'hang', fault: { action: 'hang' }, reason: 'VaultTimeout' },
	{ name: 'reset', fault: { action: 'reset' }, reason: 'VaultUnreachable' },
	{ name: 'garbage-200', fault: { action: 'garbage' }, reason: 'VaultGarbage' },
	{ name: 'html-200', fault: { action: 'html', status: 200 }, reason: 'VaultGarbage' },
	{ name: 'html-403', fault: { action: 'html', status: 403 }, reason: 'VaultGarbage' },
	{ name: 'html-404', fault: { action: 'html', status: 404 }, reason: 'VaultGarbage' },
	{ name: 'token-90033', fault: { action: 'status', code: 'AADSTS90033' }, token: true, reason: 'EntraUnavailable' },
	{ name: 'token-429', fault: { action: 'status', status: 429 }, token: true, reason: 'EntraUnavailable' },
	{ name: 'token-500', fault: { action: 'html', status: 500 }, token: true, reason: 'EntraUnavailable' },
	{ name: 'token-hang', fault: { action: 'hang' }, token: true, reason: 'EntraUnavailable' },
	{ name: 'token-reset', fault: { action: 'reset' }, token: true, reason: 'EntraUnavailable' },
	{ name: 'token-garbage', fault: { action: 'garbage' }, token: true, reason: 'EntraUnavailable' },
]

/** @returns what ends it */
async function breakRow({ vault, clientId, stage }: Row, { fault, token }: Case): Promise<() => Promise<void>> {
	const { control } = stage.emulator
	const { id } = await control.addFault({ ...fault, match: token ? { route: 'token', clientId } : { vault } })
	if (token) await control.revokeTokens({ clientId })
	return () => control.removeFault(id)
}

describe.concurrent('an outage', () => {
	let stage: Stage
	beforeAll(async () => {
		stage = await openStage({ name: 'outage', times: TIMES })
		await stage.start()
	})
	afterAll(() => stage?.close())

	it.each(CASES)('$name is $reason, but only after a while, and passes', async (each) => {
		const row = await openRow(stage, each.name)
		const { control } = stage.emulator
		// What a 404 may not do is done under the policy that would let the vault's own do it.
		await row.deliver({ policy: { absent: 'Remove' } })
		const since = Date.now()
		const end = await breakRow(row, each)
		const stale = await row.stale(each.reason)
		expect(Date.now() - since).toBeGreaterThanOrEqual(GRACE_MS)
		await expectDelivered(row, stale)
		// One look after the other, however often, is one outage.
		const met = async () => (await control.requests({ since })).filter((request) => isOf(row, each, request))
		const before = (await met()).length
		await until('one more look', async () => (await met()).length > before, { timeoutMs: 30_000, everyMs: 50 })
		const { retryAfter } = each.fault
		if (retryAfter !== undefined) {
			const times = (await met()).map(({ at }) => at)
			const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0))
			// A millisecond for what timers round off.
			expect(Math.min(...gaps)).toBeGreaterThanOrEqual((retryAfter * 1000) / TIMES - 1)
		}
		await control.setSecret({ vault: row.vault, name: 'db', value: 'meanwhile' })
		expect((await row.binding()).status).toEqual(stale.status)
		await end()
		await row.fresh()
		await until('the value', async () => value(await row.secret(), 'db') === 'meanwhile', { timeoutMs: 30_000 })
		await row.told(wentAndCame(each.reason))
	})

	// An outage in which a gateway's 503 and resets take turns is one outage.
	it('that shows itself in several ways is told once', async () => {
		const row = await openRow(stage, 'mixed')
		const { control } = stage.emulator
		await row.deliver()
		const match = { vault: row.vault }
		await control.addFault({ match, action: 'status', status: 503, probability: 0.5 })
		await control.addFault({ match, action: 'reset' })
		await until('Fresh to turn', async () => condition(await row.binding(), 'Fresh')?.status === 'False')
		const since = Date.now()
		await until('five more looks', async () => {
			const met = (await control.requests({ since })).filter(({ vault }) => vault === row.vault)
			return met.length >= 5
		})
		const warnings = Object.keys(await eventsAbout(stage, row.name)).filter((key) => key.startsWith('Warning'))
		expect(warnings).toHaveLength(1)
		expect(flaps(stage.versions(row.name))).toEqual([])
	})

	it('of less than five minutes says nothing and writes nothing', async () => {
		const row = await openRow(stage, 'hiccup')
		await row.deliver()
		const before = await row.binding()
		const { control } = stage.emulator
		await control.addFault({ match: { vault: row.vault }, action: 'status', status: 503, times: 3 })
		await until('the end of the fault', async () => {
			const hits = (await control.requests()).filter(({ vault, status }) => vault === row.vault && status === 503)
			return hits.length === 3
		})
		const since = Date.now()
		await until('a poll that works', async () =>
			(await control.requests({ since })).some(({ vault, status }) => vault === row.vault && status === 200),
		)
		expect(await row.binding()).toEqual(before)
		await row.told(QUIET)
	})

	it('of a vault that many bindings read is one event about the vault, and one for each of them', async () => {
		const { control } = stage.emulator
		const row = await openRow(stage, 'shared')
		await row.deliver()
		const names = ['shared-b', 'shared-c']
		for (const name of names) {
			await stage.apply(name, {
				vault: { url: `https://${row.vault}.vault.azure.net` },
				identity: { serviceAccountName: 'payments', clientId: row.clientId },
				secrets: [{ name: 'db' }],
			})
			await stage.wait(name, 'Fresh', (b) => isTrue(b, 'Fresh'))
		}
		const { id } = await control.addFault({ match: { vault: row.vault }, action: 'status', status: 503 })
		await row.stale('VaultError')
		for (const name of names) await stage.wait(name, 'not Fresh', (b) => condition(b, 'Fresh')?.status === 'False')
		// A further five minutes of it.
		const since = Date.now()
		await until('five minutes', async () => Date.now() - since > GRACE_MS)
		await control.removeFault(id)
		await row.fresh()
		for (const name of names) {
			await stage.wait(name, 'Fresh', (b) => isTrue(b, 'Fresh'))
			await expectEvents(stage, name, wentAndCame('VaultError'))
		}
		await row.told(wentAndCame('VaultError'))
		const ofVault = await until('both events of the vault', async () => {
			const found = (await events(stage)).filter(({ note }) => note?.includes(`${row.vault}.vault.azure.net`))
			return found.length >= 2 && found
		})
		const { metadata } = await stage.api.request<{ metadata: { uid: string } }>({
			method: 'GET',
			path: `/apis/coordination.k8s.io/v1/namespaces/${stage.namespace}/leases/azure-secret-binding-operator`,
		})
		expect(ofVault).toMatchObject([
			{ type: 'Warning', reason: 'VaultUnreachable', regarding: { kind: 'Lease', uid: metadata.uid } },
			{ type: 'Normal', reason: 'VaultReachable', regarding: { kind: 'Lease', uid: metadata.uid } },
		])
		expect(ofVault[0]?.note).toContain('(VaultError): 3 of 3 bindings')
		expect(ofVault.map(({ series }) => series)).toEqual([undefined, undefined])
	})
})

function isOf(row: Row, { token }: Case, request: { kind: string; vault?: string; clientId?: string }): boolean {
	return token ? request.kind !== 'vault' && request.clientId === row.clientId : request.vault === row.vault
}
