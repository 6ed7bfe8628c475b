import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Versioned } from '../../kit/kstatus.ts'
import { until } from '../../kit/until.ts'
import { openRow, type Row, wentAndCame } from './fault-case.ts'
import { refuseByPolicy } from './policy.ts'
import { azLine, condition, openStage, type Stage, value } from './stage.ts'

// Rows of the table of faults that show only while older versions are looked for: the current one is delivered by then.

describe.concurrent('older versions', () => {
	let stage: Stage
	beforeAll(async () => {
		stage = await openStage({ name: 'history', times: 20 })
		await stage.start()
	})
	afterAll(() => stage?.close())
	const keeping = { secrets: [{ name: 'db', previous: 1 }] }
	const rotate = ({ vault }: Row) => stage.emulator.control.setSecret({ vault, name: 'db', value: 'rotated' })
	/** Until then a rotation may be seen by a poll of only this secret, and older versions wait for a whole one. */
	const settled = ({ name }: Row) =>
		stage.wait(name, 'settled', ({ status }) => status?.secrets?.[0]?.reason === undefined)
	const isOf =
		(version: string) =>
		({ status }: Versioned) =>
			status?.secrets?.[0]?.version === version
	const both = async (row: Row) => {
		const secret = await row.secret()
		return [value(secret, 'db'), value(secret, 'db.previous')]
	}

	it('that a firewall keeps from being listed: told, the rotation delivered, and they follow', async () => {
		const row = await openRow(stage, 'wall')
		const { control } = stage.emulator
		await row.deliver(keeping)
		await settled(row)
		const match = { vault: row.vault, route: 'listVersions' }
		const fault = { match, action: 'status', status: 403, code: 'Forbidden', innerCode: 'ForbiddenByFirewall' } as const
		const { id } = await control.addFault(fault)
		const { version } = await rotate(row)
		await stage.wait(row.name, 'the rotation', isOf(version))
		const stale = await row.stale('ForbiddenByFirewall')
		expect(condition(stale, 'Ready')).toMatchObject({ status: 'True', reason: 'Delivered' })
		expect(await both(row)).toEqual(['rotated', undefined])
		// The very look that delivered the rotation tells it.
		const first = await until('that look', async () => stage.versions(row.name).find(isOf(version)))
		expect(first.status?.conditions?.find(({ type }) => type === 'Fresh')?.status).toBe('False')
		await control.removeFault(id)
		await row.fresh()
		expect(await both(row)).toEqual(['rotated', 'value of wall'])
		await row.told(wentAndCame('ForbiddenByFirewall'))
	})

	it('that an outage keeps from being listed: asked for again at once, and told when it goes on', async () => {
		const row = await openRow(stage, 'away')
		const { control } = stage.emulator
		await row.deliver(keeping)
		await settled(row)
		const { id } = await control.addFault({
			match: { vault: row.vault, route: 'listVersions' },
			action: 'status',
			status: 503,
		})
		const since = Date.now()
		await rotate(row)
		await row.stale('VaultError')
		// Five minutes, on this clock.
		expect(Date.now() - since).toBeGreaterThanOrEqual(300_000 / 20)
		await control.removeFault(id)
		await row.fresh()
		expect(await both(row)).toEqual(['rotated', 'value of away'])
		await row.told(wentAndCame('VaultError'))
	})

	it('that an access policy without list hides: told with the line that lets them be listed', async () => {
		const row = await openRow(stage, 'nolist', { access: 'policy' })
		const { control } = stage.emulator
		await row.deliver(keeping)
		await settled(row)
		await control.setPolicy({ vault: row.vault, clientId: row.clientId, secretPermissions: ['get'] })
		const { version } = await rotate(row)
		// A poll between the two is denied as well.
		await stage.wait(row.name, 'the rotation', isOf(version))
		const stale = await row.stale('AccessDenied')
		expect(await both(row)).toEqual(['rotated', undefined])
		await control.az({ command: azLine(condition(stale, 'Fresh')?.message ?? '') })
		await row.fresh()
		expect(await both(row)).toEqual(['rotated', 'value of nolist'])
	})

	it('whose write was refused are not forgotten by it', async () => {
		const row = await openRow(stage, 'refused')
		await row.deliver(keeping)
		const end = await refuseByPolicy(stage, {
			operation: 'UPDATE',
			name: 'refused-secrets',
			// But for the dry run by which the test asks whether the policy is in force, what leaves the data alone is let through.
			expression: 'object.data == oldObject.data && !(has(request.dryRun) && request.dryRun)',
			message: 'no new values today',
		})
		await rotate(row)
		await row.stale('SecretWriteRefused')
		expect(await both(row)).toEqual(['value of refused', undefined])
		await end()
		await row.fresh()
		expect(await both(row)).toEqual(['rotated', 'value of refused'])
	})

	it('of one second: told once for as long as it is so, not only when they are looked for', async () => {
		const row = await openRow(stage, 'tie')
		const { control } = stage.emulator
		// Two more of one second, between the first one and the current one.
		for (const value of ['b', 'c']) await control.setSecret({ vault: row.vault, name: 'db', value })
		await control.advanceClock({ seconds: 5 })
		await control.setSecret({ vault: row.vault, name: 'db', value: 'd' })
		await control.advanceClock({ seconds: 3 })
		await row.apply(keeping)
		await row.stale('VersionTie')
		const since = Date.now()
		const lists = async () =>
			(await control.requests({ since })).filter(({ vault, route }) => vault === row.vault && route === 'listVersions')
		await until('two tenth looks', async () => (await lists()).length >= 2)
		await row.stale('VersionTie')
		expect(await both(row)).toEqual(['d', undefined])
		await row.told({
			'Normal Deliver Delivered': 1,
			'Warning Look VersionTie': 1,
		})
	})
})
