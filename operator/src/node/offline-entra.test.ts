import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from 'purista-azure-mounted-secret-store/manifest'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import { ROLE } from '../vault/testing/tenant.ts'
import type { PluginOptions } from './testing/plugin.ts'
import { usePlugin, VALUE } from './testing/use-plugin.ts'

const MINUTE_MS = 60_000
const OFFLINE = { refresh: { interval: '24h' }, delivery: { type: 'Volume', volume: { offlineFor: '1h' } } }

describe('offline starts while Entra is away', { timeout: 60_000 }, () => {
	const world = usePlugin()
	const { tenant, spec, publish, unpublish, statusOf, token, targetOf } = world
	const news = (kind: string) => world.plugin.news.filter((each) => each.kind === kind)
	const toVaults = { match: { vault: 'payments' } }
	const toEntra = { match: { route: 'token' } }
	type Fault = Parameters<typeof tenant.emulator.control.addFault>[0]
	const addFault = (fault: Fault) => tenant.emulator.control.addFault(fault)

	/** Sessions that nobody used for a minute are gone, and their tokens with them; and nothing says any more what was before. */
	let forgetSessions = () => {}
	/** A node that keeps what a pod had that is gone. */
	const keep = async (more: Partial<PluginOptions> = {}) => {
		await world.restart({
			vaults(tokens) {
				let current = tenant.vaults({ tokens })
				forgetSessions = () => {
					current = tenant.vaults({ tokens })
					world.bindings.writeStatus('payments', statusOf(new Date(Date.now() + 1_000)))
				}
				return { ...current, session: (key: never) => current.session(key), leave: (key) => current.leave(key) }
			},
			...more,
		})
		world.bindings.apply('payments', spec(OFFLINE))
		await unpublish('csi-1', await publish('csi-1'))
		await until('something kept', async () => world.plugin.offline.size === 1)
		forgetSessions()
	}
	/** Why a pod waits. */
	const whyWaits = async (...given: Parameters<typeof publish>) => {
		const before = news('waits').length
		publish(...given).catch(() => {})
		await until('the news', async () => news('waits').length > before)
		return news('waits').at(-1)
	}

	it.each<[string, Fault]>([
		['ends connections', { action: 'reset' }],
		['is not well', { action: 'status', status: 503 }],
		['is not well, whatever number it says', { action: 'status', status: 500, code: 'AADSTS50027' }],
		['is asked too much', { action: 'status', status: 429 }],
		['is the page of a proxy', { action: 'html' }],
		['answers what is no JSON', { action: 'garbage' }],
	])('a pod starts from memory where Entra %s, and the vault is not asked', async (_, fault) => {
		await keep()
		await addFault({ ...toEntra, ...fault })
		const asked = await tenant.count('getSecret')
		const target = await publish('csi-2')
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
		expect(news('offline')).toHaveLength(1)
		expect(await tenant.count('getSecret')).toBe(asked)
	})

	it('a pod of another ServiceAccount, and one whose ServiceAccount was made anew, do not', async () => {
		let uid = 'sa-1'
		await keep({ serviceAccountUid: () => uid })
		await addFault({ ...toEntra, action: 'reset' })
		expect(await whyWaits('csi-2', { serviceAccount: 'other' })).toMatchObject({ reason: 'VolumeRefused' })
		uid = 'sa-2'
		expect(await whyWaits('csi-3', { token: await token('app', uid) })).toMatchObject({ reason: 'EntraUnavailable' })
		expect(news('offline')).toEqual([])
	})

	it('a vault that does not take the token denies nothing: when Entra then is away, a pod starts', async () => {
		await keep()
		await addFault({ ...toVaults, action: 'unauthorized' })
		expect(await whyWaits('csi-2', {}, 30_000)).toMatchObject({ reason: 'Unauthorized' })
		expect(world.plugin.offline.size).toBe(1)
		await addFault({ ...toEntra, action: 'reset' })
		await until('the start', async () => news('offline').length > 0)
		expect(await readFile(join(await targetOf('csi-2'), 'db'), 'utf8')).toBe(VALUE)
	})

	it('so does one that wants another token than the one that was revoked', async () => {
		await keep()
		await unpublish('csi-2', await publish('csi-2'))
		await tenant.emulator.control.revokeTokens({ clientId: tenant.key.clientId })
		await addFault({ ...toEntra, action: 'reset' })
		world.bindings.writeStatus('payments', statusOf(new Date(Date.now() + 2_000)))
		const target = await publish('csi-3')
		expect(await readFile(join(target, 'db'), 'utf8')).toBe(VALUE)
		expect(news('offline')).toHaveLength(1)
	})

	it.each([
		['the token of a pod, for its time', 'AADSTS700024', 1],
		['the token of a pod, as it does not know its key', 'AADSTS7000272', 1],
		['what it cannot check, as the issuer is away', 'AADSTS501661', 1],
		['an identity that it does not know', 'AADSTS700016', 0],
	])('Entra refuses %s: no pod starts, and only what an identity is denied is forgotten', async (_, code, size) => {
		await keep()
		await addFault({ ...toEntra, action: 'status', code })
		expect(await whyWaits('csi-2')).toMatchObject({ kind: 'waits' })
		expect([news('offline'), world.plugin.offline.size]).toEqual([[], size])
	})

	it.each<[string, (of: { clientId: string }) => Promise<unknown>]>([
		['federated credential', (of) => tenant.emulator.control.removeFederatedCredential({ ...of, name: 'cluster' })],
		['role', (of) => tenant.emulator.control.revoke({ ...of, role: ROLE, vault: 'payments' })],
	])('what is kept is forgotten with the %s of its identity, and nothing brings it back', async (_, revoke) => {
		await keep()
		await revoke({ clientId: tenant.key.clientId })
		expect(await whyWaits('csi-2')).toMatchObject({ kind: 'waits' })
		expect(world.plugin.offline.size).toBe(0)
		await addFault({ ...toEntra, action: 'reset' })
		forgetSessions()
		expect(await whyWaits('csi-3')).toMatchObject({ reason: 'EntraUnavailable' })
		expect(news('offline')).toEqual([])
	})

	it('nor does a pod that runs, and has nothing to ask: what the identity was denied by then stays forgotten', async () => {
		let passes = 0
		await keep({ onServiceAccount: () => passes++ })
		// By then no second write of the same second can hide, so nothing is read again.
		const begun = Date.now()
		await until('the next seconds', async () => Date.now() - begun > 3_000)
		const target = await publish('csi-2')
		const manifest = JSON.parse(await readFile(join(target, '.binding.json'), 'utf8')) as Manifest
		const status = { ...statusOf(new Date(manifest.secrets['db']?.updated ?? '')), observedGeneration: 2 }
		const tell = async (reason: string) => {
			const before = passes
			const secrets = status.secrets.map((each) => ({ ...each, reason }))
			world.bindings.writeStatus('payments', { ...status, secrets })
			await until('a pass', async () => passes > before)
		}
		// One after the other: when the second one begins, the first one has ended.
		await tell('Unsettled')
		await tell('VaultUnreachable')
		expect(world.plugin.offline.size).toBe(1)
		await tenant.emulator.control.revoke({ clientId: tenant.key.clientId, role: ROLE, vault: 'payments' })
		expect(await whyWaits('csi-3')).toMatchObject({ kind: 'waits' })
		await unpublish('csi-3', await targetOf('csi-3'))
		expect(world.plugin.offline.size).toBe(0)
		await tell('Unsettled')
		await tell('VaultUnreachable')
		await tell('Unsettled')
		expect(world.plugin.offline.size).toBe(0)
	})

	it('a pod that runs does not make it last: a status that tells of no later poll confirms nothing', async () => {
		let later = 0
		let passes = 0
		await keep({ later: () => later, onServiceAccount: () => passes++ })
		// By then no second write of the same second can hide, so nothing is read again.
		const begun = Date.now()
		await until('the next seconds', async () => Date.now() - begun > 3_000)
		const target = await publish('csi-2')
		const manifest = JSON.parse(await readFile(join(target, '.binding.json'), 'utf8')) as Manifest
		const { updated = '' } = manifest.secrets['db'] ?? {}
		for (const fault of [toEntra, toVaults]) await addFault({ ...fault, action: 'reset' })
		later = 50 * MINUTE_MS
		const status = { ...statusOf(new Date(updated)), observedGeneration: 2 }
		const tell = async (reason: string) => {
			const before = passes
			const secrets = status.secrets.map((each) => ({ ...each, updated, reason }))
			world.bindings.writeStatus('payments', { ...status, secrets })
			await until('a pass', async () => passes > before)
		}
		// One after the other: when the second one begins, the first one has ended.
		await tell('Unsettled')
		await tell('VaultUnreachable')
		await tell('Unsettled')
		expect(world.plugin.offline.size).toBe(1)
		later = 61 * MINUTE_MS
		world.plugin.offline.sweep()
		expect(world.plugin.offline.size).toBe(0)
	})
})
