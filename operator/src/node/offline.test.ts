import type { Manifest } from 'purista-azure-mounted-secret-store/manifest'
import { expect, it } from 'vitest'
import { createNodeMemory } from '../destinations/volume/memory.ts'
import type { Source } from '../engine/source.ts'
import { FakeClock } from '../process/testing/fake-clock.ts'
import { createOfflineValues, type OfflineKey } from './offline.ts'

const MIB = 1024 * 1024
const HOUR_MS = 3_600_000
const SOURCE: Source = {
	vaultUrl: 'https://payments.vault.azure.net',
	tenantId: 't',
	clientId: 'c',
	audience: 'api://AzureADTokenExchange',
	namespace: 'team',
	serviceAccount: 'app',
	serviceAccountUid: 'sa-1',
}
const MANIFEST: Manifest = {
	schema: 1,
	revision: 1,
	binding: { namespace: 'team', name: 'payments', uid: 'u' },
	vault: SOURCE.vaultUrl,
	selectors: [],
	secrets: {},
}
const keyOf = (uid: string, more: Partial<Source> = {}): OfflineKey => ({
	uid,
	variant: '1',
	source: { ...SOURCE, ...more },
})
const snapshotOf = (bytes: number) => ({ files: new Map([['db', 'x'.repeat(bytes)]]), manifest: MANIFEST })

function open(limit = 64 * MIB) {
	const clock = new FakeClock()
	const memory = createNodeMemory(limit)
	return { clock, memory, offline: createOfflineValues(clock, memory) }
}

it('values are given for as long as the binding says after the vault last confirmed them, and not a moment longer', async () => {
	const { clock, offline } = open()
	offline.keep(keyOf('a'), snapshotOf(1), HOUR_MS)
	await clock.advance(HOUR_MS - 1)
	expect(offline.get(keyOf('a'))).toBeDefined()
	// Whoever asks does not make them last.
	await clock.advance(1)
	expect(offline.get(keyOf('a'))).toBeUndefined()
	expect(offline.size).toBe(1)
	offline.sweep()
	expect([offline.size, offline.bytes]).toEqual([0, 0])
	offline.keep(keyOf('a'), snapshotOf(1), HOUR_MS)
	offline.keep(keyOf('a'), snapshotOf(1), 0)
	expect(offline.size).toBe(0)
})

it.each<[string, Partial<Source>]>([
	['vault', { vaultUrl: 'https://orders.vault.azure.net' }],
	['tenant', { tenantId: 'other' }],
	['client', { clientId: 'other' }],
	['audience', { audience: 'api://AKSIdentityBinding' }],
	['namespace', { namespace: 'other' }],
	['ServiceAccount', { serviceAccount: 'other' }],
	['ServiceAccount of the same name', { serviceAccountUid: 'sa-2' }],
])('another %s is given nothing', (_, more) => {
	const { offline } = open()
	offline.keep(keyOf('a'), snapshotOf(1), HOUR_MS)
	expect(offline.get(keyOf('a', more))).toBeUndefined()
	expect(offline.get({ ...keyOf('a'), variant: '2' })).toBeUndefined()
	expect(offline.get(keyOf('b'))).toBeUndefined()
	expect(offline.get(keyOf('a'))).toBeDefined()
})

it('an identity that is denied loses what it read in every vault, and no other one does', () => {
	const { offline } = open()
	offline.keep(keyOf('a'), snapshotOf(1), HOUR_MS)
	offline.keep(keyOf('b', { vaultUrl: 'https://orders.vault.azure.net' }), snapshotOf(1), HOUR_MS)
	offline.keep(keyOf('c', { clientId: 'other' }), snapshotOf(1), HOUR_MS)
	offline.denyIdentity(SOURCE)
	expect(['a', 'b'].map((uid) => offline.get(keyOf(uid)))).toEqual([undefined, undefined])
	expect(offline.get(keyOf('c', { clientId: 'other' }))).toBeDefined()
	offline.forget('c')
	expect(offline.size).toBe(0)
})

it('of two volumes of a binding the one counts whose values were confirmed later, and what was read before a denial counts no more', async () => {
	const { clock, offline } = open()
	const [old, young] = [snapshotOf(1), snapshotOf(2)]
	await clock.advance(1_000)
	offline.keep(keyOf('a'), young, HOUR_MS, { at: 1_000, readAt: 1_000 })
	offline.keep(keyOf('a'), old, HOUR_MS, { at: 500, readAt: 0 })
	expect(offline.get(keyOf('a'))).toBe(young)
	for (const deny of [() => offline.deny('a'), () => offline.denyIdentity(SOURCE)]) {
		deny()
		// Whoever polls for the node says that nothing has changed.
		await clock.advance(1_000)
		offline.keep(keyOf('a'), old, HOUR_MS, { at: clock.monotonic(), readAt: 0 })
		expect(offline.get(keyOf('a'))).toBeUndefined()
		offline.keep(keyOf('a'), young, HOUR_MS)
		expect(offline.get(keyOf('a'))).toBe(young)
	}
	offline.keep(keyOf('b'), old, HOUR_MS, { at: clock.monotonic(), readAt: 0 })
	offline.keep(keyOf('b', { clientId: 'other' }), old, HOUR_MS, { at: clock.monotonic(), readAt: 0 })
	expect(offline.get(keyOf('b'))).toBeUndefined()
	expect(offline.get(keyOf('b', { clientId: 'other' }))).toBe(old)
})

it('all together have 8 MiB, or what volumes leave: the oldest go first', () => {
	const { offline, memory } = open(12 * MIB)
	for (const uid of ['a', 'b', 'c']) offline.keep(keyOf(uid), snapshotOf(4 * MIB), HOUR_MS)
	expect([offline.bytes, offline.get(keyOf('a'))]).toEqual([8 * MIB, undefined])
	memory.set('csi-1', 8 * MIB)
	expect([offline.bytes, offline.get(keyOf('b'))]).toEqual([4 * MIB, undefined])
	expect(offline.get(keyOf('c'))).toBeDefined()
})

it('a namespace with large volumes takes nothing from others: whoever has most loses its oldest', () => {
	const { offline } = open()
	offline.keep(keyOf('mine', { namespace: 'mine' }), snapshotOf(1), HOUR_MS)
	for (const uid of ['a', 'b', 'c', 'a']) offline.keep(keyOf(uid), snapshotOf(4 * MIB), HOUR_MS)
	expect(offline.get(keyOf('mine', { namespace: 'mine' }))).toBeDefined()
	expect([offline.size, offline.bytes]).toEqual([2, 4 * MIB + 1])
})
