import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import type { VolumeBinding } from '../api/parse.ts'
import { parseBinding } from '../api/parse.ts'
import { nothingKnown } from '../engine/knowledge.ts'
import type { SessionKey, VaultSession } from '../ports/vault.ts'
import { bytesToRead } from './reading.ts'
import { usePlugin, VALUE } from './testing/use-plugin.ts'
import type { PodTokens } from './tokens.ts'

const KIB = 1024
/** What a pass over two values may read at most. */
const PASS = 2 * 50 * KIB

describe('what passes hold of values while they are under way', { timeout: 60_000 }, () => {
	const world = usePlugin()
	const { tenant, publish, set } = world
	const value = (i: number) => `${i}`.padEnd(25_000, 'x')

	it('is bounded for all of them together, and a namespace whose reads hang keeps no other from starting', async () => {
		const read: string[] = []
		const hanging = Promise.withResolvers<void>()
		/** Sessions of which some reads do not end before the test says so. */
		const vaults = (tokens: PodTokens) => {
			const all = tenant.vaults({ tokens })
			const session = (key: SessionKey): VaultSession => {
				const own = all.session(key)
				return Object.assign(Object.create(own) as VaultSession, {
					async read(...args: Parameters<VaultSession['read']>) {
						read.push(args[0])
						if (args[0].startsWith('hangs-')) await hanging.promise
						return own.read(...args)
					},
				})
			}
			return { ...all, session }
		}
		const readsOf = (what: string) => read.filter((name) => name.startsWith(what)).length
		await world.restart({ roomForValues: 4 * PASS, vaults })
		const names = Array.from({ length: 8 }, (_, i) => `b${i}`)
		for (const [i, name] of names.entries()) {
			for (const what of ['large', 'hangs']) await set(value(i), `${what}-${i}`)
			world.bindings.apply(name, world.spec({ secrets: [{ name: `large-${i}` }, { name: `hangs-${i}` }] }))
		}
		const publishing = names.map((binding, i) => publish(`csi-${i}`, { binding }, 50_000))
		await until('reads that hang', async () => readsOf('hangs-') >= 2)
		await until('passes that wait for room', async () => world.plugin.room.waiting === 6)
		// Of four places the namespace leaves as many as it has.
		expect([readsOf('large-'), world.plugin.room.bytes]).toEqual([2, 2 * PASS])

		const { token } = await tenant.tokens.request('other', 'app', 'api://AzureADTokenExchange')
		const more = { 'csi.storage.k8s.io/pod.namespace': 'other' }
		expect(await readFile(join(await publish('csi-other', { token, more }), 'db'), 'utf8')).toBe(VALUE)
		expect([readsOf('large-'), world.plugin.volumes.waiting]).toEqual([2, 8])

		hanging.resolve()
		for (const [i, target] of (await Promise.all(publishing)).entries())
			expect(await readFile(join(target, `large-${i}`), 'utf8')).toBe(value(i))
		await until('no pass under way', async () => world.plugin.room.bytes === 0)
		expect(world.plugin.failures).toEqual([])
	})

	it('is none once a pod is gone whose pass waited, or was in the middle of it', async () => {
		await world.restart({ roomForValues: PASS })
		await tenant.emulator.control.addFault({ match: { vault: 'payments' }, action: 'hang' })
		const publishing = ['csi-1', 'csi-2'].map((id) => publish(id, {}, 50_000).catch(() => {}))
		await until('one under way and one that waits', async () => world.plugin.room.waiting === 1)
		for (const id of ['csi-1', 'csi-2']) await world.unpublish(id, await world.targetOf(id))
		await Promise.all(publishing)
		expect([world.plugin.room.bytes, world.plugin.room.waiting]).toEqual([0, 0])
	})
})

describe('how much a pass may read', () => {
	const bindingOf = (spec: object): VolumeBinding => {
		const parsed = parseBinding({
			metadata: { namespace: 'team', name: 'b', uid: 'u', generation: 1 },
			spec: { delivery: { type: 'Volume' }, identity: { serviceAccountName: 'app' }, ...spec },
		})
		if (parsed.kind !== 'active') throw new Error(JSON.stringify(parsed))
		return parsed.binding as VolumeBinding
	}
	const many = (count: number, more: object = {}) =>
		Array.from({ length: count }, (_, i) => ({ name: `s${i}`, ...more }))
	const at = { now: Date.UTC(2026, 0, 1), monotonic: 1_000_000 }
	const CHECKED = '2026-01-01T00:00:00Z'
	const vaultUrl = 'https://payments.vault.azure.net'
	/** What the operator writes that has just looked. */
	const statusOf = (count: number, more: object = {}) => ({
		...{ observedGeneration: 1, vault: vaultUrl, lastCheckTime: CHECKED, ...more },
		secrets: Array.from({ length: count }, (_, i) => ({
			name: `p${i}`,
			objectName: `p${i}`,
			state: 'Current' as const,
		})),
	})
	const select = [{ prefix: 'p' }]
	it.each<[string, object, object, number, number]>([
		['a value', { secrets: many(1) }, {}, 0, 50 * KIB],
		['older versions too', { secrets: many(1, { previous: 3 }) }, {}, 0, 200 * KIB],
		['what the volume has', { secrets: many(1) }, {}, 7, 50 * KIB + 7],
		['no more than a volume takes', { secrets: many(480) }, {}, 0, 8 * KIB * KIB],
		['no more of older versions either', { secrets: many(480, { previous: 10 }) }, {}, 0, 16 * KIB * KIB],
		['what selectors are told to bring', { select, secrets: many(1) }, statusOf(3), 0, 200 * KIB],
		['anything, where nobody has told what selectors bring', { select }, {}, 0, 8 * KIB * KIB],
		[
			'anything, where nobody has looked lately',
			{ select },
			statusOf(3, { lastCheckTime: '2025-12-31T00:00:00Z' }),
			0,
			8 * KIB * KIB,
		],
		['anything, where another spec is told of', { select }, statusOf(3, { observedGeneration: 0 }), 0, 8 * KIB * KIB],
	])('%s', (_, spec, status, volume, bytes) => {
		expect(bytesToRead(bindingOf(spec), { status, knowledge: nothingKnown('u'), vaultUrl, at }, volume)).toBe(bytes)
	})

	it('of a volume that was read what is in its files, and not what they take of the memory of the node', () => {
		const files = new Map([['s0', { bytes: 7, foreign: undefined }]])
		const holding = { id: 'id', files, manifest: undefined, revision: 0, token: undefined }
		const known = { status: {}, knowledge: { ...nothingKnown('u'), holding }, vaultUrl, at }
		expect(bytesToRead(bindingOf({ secrets: many(1) }), known, 6 * KIB)).toBe(50 * KIB + 7)
	})
})
