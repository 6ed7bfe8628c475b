import { afterEach, describe, expect, it } from 'vitest'
import { condition, isTrue, manifest, openStage, type Stage, value } from './stage.ts'

// What becomes of a version that is disabled, has expired or is not valid yet; older versions beside the current one; holds.
describe('versions', () => {
	let stage: Stage | undefined
	afterEach(async () => {
		await stage?.close()
		stage = undefined
	})
	/** Sets values one after the other, a second apart by the vault's clock. */
	const open = async (name: string, ...values: string[]) => {
		stage = await openStage({ name })
		const { control } = stage.emulator
		const versions: string[] = []
		for (const [i, text] of values.entries()) {
			if (i > 0) await control.advanceClock({ seconds: 1 })
			versions.push((await control.setSecret({ vault: stage.vault, name: 'db', value: text })).version)
		}
		await stage.start()
		return { at: stage, versions, control }
	}
	const fresh = (at: Stage) => at.wait('payments', 'Ready and Fresh', (b) => isTrue(b, 'Ready') && isTrue(b, 'Fresh'))
	const now = (at: Stage, key: string, expected: string | undefined) =>
		at.wait(
			'payments',
			`${key} is ${expected}`,
			async () => value(await at.secret('payments-secrets'), key) === expected,
		)
	const because = (at: Stage, expected: string, why: string) =>
		at.wait(
			'payments',
			`${expected} for ${why}`,
			(b) => b.status?.secrets?.[0]?.state === expected && b.status.secrets[0].reason === why,
		)
	const state = (at: Stage, expected: string) =>
		at.wait('payments', expected, (b) => b.status?.secrets?.[0]?.state === expected)

	it('disabled under Previous: the newest enabled older one stands in, and the current one comes back', async () => {
		const { at, versions, control } = await open('standin', 'one', 'two', 'three')
		await at.apply('payments', { secrets: [{ name: 'db' }], policy: { disabled: 'Previous' } })
		await fresh(at)
		await control.updateSecret({ vault: at.vault, name: 'db', enabled: false })
		const stands = await because(at, 'Previous', 'SecretDisabled')
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('two')
		expect(stands.status?.secrets?.[0]).toMatchObject({ version: versions[1] })
		expect(condition(stands, 'Fresh')?.message).toContain('An older version stands in')
		expect(isTrue(stands, 'Fresh')).toBe(true)
		expect(manifest(await at.secret('payments-secrets'))).toMatchObject({ secrets: { db: { state: 'Previous' } } })
		await control.updateSecret({ vault: at.vault, name: 'db', enabled: true })
		await now(at, 'db', 'three')
		await state(at, 'Current')
	})

	it('disabled under Remove: gone, not Ready, and back when it is enabled', async () => {
		const { at, control } = await open('gone', 'one')
		await control.setSecret({ vault: at.vault, name: 'other', value: 'stays' })
		await at.apply('payments', { secrets: [{ name: 'db' }, { name: 'other' }], policy: { disabled: 'Remove' } })
		await fresh(at)
		await control.updateSecret({ vault: at.vault, name: 'db', enabled: false })
		await now(at, 'db', undefined)
		const gone = await at.wait('payments', 'not Ready', (b) => condition(b, 'Ready')?.reason === 'SecretDisabled')
		expect(isTrue(gone, 'Fresh')).toBe(true)
		expect(value(await at.secret('payments-secrets'), 'other')).toBe('stays')
		await control.updateSecret({ vault: at.vault, name: 'db', enabled: true })
		await now(at, 'db', 'one')
		await fresh(at)
	})

	it('expired: delivered all the same under Keep, replaced at that moment under Previous, gone under Remove', async () => {
		const { at, control } = await open('expiry', 'one', 'two')
		const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
		await control.updateSecret({ vault: at.vault, name: 'db', expires: inSeconds(-5) })
		await at.apply('payments', { secrets: [{ name: 'db' }] })
		const kept = await because(at, 'Current', 'SecretExpired')
		expect(isTrue(kept, 'Fresh')).toBe(true)
		await at.apply('payments', { secrets: [{ name: 'db' }], policy: { expired: 'Previous' } })
		await now(at, 'db', 'one')
		await at.apply('payments', { secrets: [{ name: 'db' }], policy: { expired: 'Remove' } })
		await now(at, 'db', undefined)
		// By time alone: nothing changes in the vault at the moment it expires.
		await control.updateSecret({ vault: at.vault, name: 'db', expires: inSeconds(4) })
		await now(at, 'db', 'two')
		await now(at, 'db', undefined)
	})

	it('not valid yet: the older one until its time comes', async () => {
		const { at, control } = await open('early', 'one', 'two')
		await control.updateSecret({ vault: at.vault, name: 'db', notBefore: Math.floor(Date.now() / 1000) + 5 })
		await at.apply('payments', { secrets: [{ name: 'db' }], policy: { notYetValid: 'Previous' } })
		await now(at, 'db', 'one')
		await now(at, 'db', 'two')
		await state(at, 'Current')
	})

	it('older ones are kept beside it: moved at a rotation, read only once, gone with the entry', async () => {
		const { at, versions, control } = await open('older', 'one', 'two', 'three')
		await at.apply('payments', { secrets: [{ name: 'db', previous: 2 }] })
		await fresh(at)
		await now(at, 'db.previous', 'two')
		await now(at, 'db.previous-2', 'one')
		expect(manifest(await at.secret('payments-secrets'))).toMatchObject({
			secrets: { db: { version: versions[2], previous: [{ version: versions[1] }, { version: versions[0] }] } },
		})
		await at.wait('payments', 'settled', (b) => b.status?.secrets?.every(({ reason }) => reason === undefined))
		await control.advanceClock({ seconds: 1 })
		const since = Date.now()
		await control.setSecret({ vault: at.vault, name: 'db', value: 'four' })
		await now(at, 'db', 'four')
		await now(at, 'db.previous', 'three')
		await now(at, 'db.previous-2', 'two')
		const reads = (await control.requests({ since })).filter(
			({ route, version }) => route === 'getSecret' && version !== undefined,
		)
		expect(reads).toEqual([])
		// One of them is disabled: the next older one moves up, at the tenth poll at the latest.
		await control.updateSecret({ vault: at.vault, name: 'db', version: versions[2] ?? '', enabled: false })
		await now(at, 'db.previous', 'two')
		await now(at, 'db.previous-2', 'one')
		await at.apply('payments', { secrets: [{ name: 'db' }] })
		await now(at, 'db.previous', undefined)
		expect(Object.keys((await at.secret('payments-secrets'))?.data ?? {}).sort()).toEqual(['.binding.json', 'db'])
	})

	it('of one second cannot be ordered: none of them is kept, and it is said', async () => {
		const { at, control } = await open('tie', 'a')
		await control.setSecret({ vault: at.vault, name: 'db', value: 'b' })
		await control.setSecret({ vault: at.vault, name: 'db', value: 'c' })
		await control.advanceClock({ seconds: 5 })
		await control.setSecret({ vault: at.vault, name: 'db', value: 'current' })
		await at.apply('payments', { secrets: [{ name: 'db', previous: 1 }] })
		const tied = await at.wait('payments', 'VersionTie', (b) => b.status?.secrets?.[0]?.reason === 'VersionTie')
		expect(isTrue(tied, 'Ready')).toBe(true)
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('current')
		expect(value(await at.secret('payments-secrets'), 'db.previous')).toBeUndefined()
	})

	it('a hold pins one until its time, and says so; a broken one is not followed', async () => {
		const { at, versions } = await open('hold', 'one', 'two')
		await at.apply('payments', { secrets: [{ name: 'db' }] })
		await fresh(at)
		const hold = 'secrets.purista.dev/hold'
		await at.annotate('payments', { [hold]: `db=${versions[0]}` })
		const broken = await at.wait('payments', 'HoldInvalid', (b) => condition(b, 'Fresh')?.reason === 'HoldInvalid')
		expect(condition(broken, 'Fresh')?.message).toContain('until=<time>')
		const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 5_000).toISOString().replace('.000Z', 'Z')
		await at.annotate('payments', { [hold]: `db=${versions[0]}; until=${until}` })
		const held = await at.wait('payments', 'Held', (b) => condition(b, 'Fresh')?.reason === 'Held')
		expect(condition(held, 'Fresh')?.message).toContain(`Until ${until}`)
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('one')
		// It ends by itself.
		await now(at, 'db', 'two')
		await at.wait('payments', 'Current', (b) => condition(b, 'Fresh')?.reason === 'Current')
		expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(until))
	})
})
