import { afterEach, describe, expect, it } from 'vitest'
import { runLine } from './printed-line.ts'
import {
	condition,
	isTrue,
	kubectlLine,
	manifest,
	openStage,
	type RunningOperator,
	type Stage,
	type StageOptions,
	value,
} from './stage.ts'

// Secrets that come and go with the vault: what selectors bring, what leaves, and what holds a flood of removals.
describe('selectors', () => {
	let stage: Stage | undefined
	let operator: RunningOperator | undefined
	afterEach(async () => {
		await stage?.close()
		stage = undefined
	})
	const open = async (options: StageOptions, secrets: Record<string, Record<string, string>> = {}) => {
		stage = await openStage(options)
		for (const [name, tags] of Object.entries(secrets)) await set(stage, name, tags)
		operator = await stage.start()
		return stage
	}
	const set = (at: Stage, name: string, tags: Record<string, string> = {}, text = `value of ${name}`) =>
		at.emulator.control.setSecret({ vault: at.vault, name, value: text, tags })
	const fresh = (at: Stage, synced: string) =>
		at.wait('payments', `Fresh with ${synced}`, (b) => isTrue(b, 'Fresh') && b.status?.synced === synced)
	const keys = async (at: Stage) => Object.keys((await at.secret('payments-secrets'))?.data ?? {}).sort()

	it('bring what matches under its file name, and what is added later; the manifest names them', async () => {
		const at = await open({ name: 'select' }, { 'app-db-url': {}, 'app-key': { team: 'pay' }, other: {} })
		await at.apply('payments', {
			secrets: [{ name: 'other' }],
			select: [{ prefix: 'App-', stripPrefix: true, nameStyle: 'UpperSnake' }],
		})
		await fresh(at, '3/3')
		expect(await keys(at)).toEqual(['.binding.json', 'DB_URL', 'KEY', 'other'])
		const secret = await at.secret('payments-secrets')
		expect(value(secret, 'DB_URL')).toBe('value of app-db-url')
		expect(manifest(secret)).toMatchObject({
			selectors: [{ prefix: 'App-', stripPrefix: true, nameStyle: 'UpperSnake', managed: false }],
			secrets: { KEY: { objectName: 'app-key', tags: {} } },
		})
		await set(at, 'app-new')
		await fresh(at, '4/4')
		expect(value(await at.secret('payments-secrets'), 'NEW')).toBe('value of app-new')
		// And a rotation of what was selected.
		await set(at, 'app-key', {}, 'rotated')
		await at.wait(
			'payments',
			'the rotation',
			async () => value(await at.secret('payments-secrets'), 'KEY') === 'rotated',
		)
	})

	it('that match nothing: no Secret yet, and the binding says why', async () => {
		const at = await open({ name: 'nothing' })
		await at.apply('payments', { select: [{ tags: { team: 'pay' } }] })
		const none = await at.wait(
			'payments',
			'NothingSelected',
			(b) => condition(b, 'Ready')?.reason === 'NothingSelected',
		)
		expect(isTrue(none, 'Stalled')).toBe(true)
		expect(await at.secret('payments-secrets')).toBeUndefined()
		await set(at, 'first', { team: 'pay' })
		await fresh(at, '1/1')
		expect(manifest(await at.secret('payments-secrets'))).toMatchObject({
			secrets: { first: { tags: { team: 'pay' } } },
		})
	})

	it('a lost tag: kept and marked under Keep, gone under Remove', async () => {
		const at = await open({ name: 'tags' }, { a: { team: 'pay' }, b: { team: 'pay' } })
		const spec = { select: [{ tags: { team: 'pay' } }] }
		await at.apply('payments', spec)
		await fresh(at, '2/2')
		await at.emulator.control.updateSecret({ vault: at.vault, name: 'a', tags: { team: 'shop' } })
		const kept = await at.wait('payments', 'Deselected', (b) =>
			b.status?.secrets?.some(({ state }) => state === 'Deselected'),
		)
		expect(condition(kept, 'Ready')?.status).toBe('True')
		expect(value(await at.secret('payments-secrets'), 'a')).toBe('value of a')
		expect(manifest(await at.secret('payments-secrets'))).toMatchObject({ secrets: { a: { state: 'Deselected' } } })
		await at.apply('payments', { ...spec, policy: { deselected: 'Remove' } })
		await fresh(at, '1/1')
		expect(await keys(at)).toEqual(['.binding.json', 'b'])
		// And back with its tag.
		await at.emulator.control.updateSecret({ vault: at.vault, name: 'a', tags: { team: 'pay' } })
		await fresh(at, '2/2')
	})

	it('of the spec that want less: it leaves at once, and an entry of the spec with it', async () => {
		const at = await open({ name: 'narrow' }, { 'app-a': {}, 'app-b': {}, single: {} })
		await at.apply('payments', { secrets: [{ name: 'single' }], select: [{ prefix: 'app-' }] })
		await fresh(at, '3/3')
		await at.apply('payments', { secrets: [], select: [{ prefix: 'app-a' }] })
		await fresh(at, '1/1')
		expect(await keys(at)).toEqual(['.binding.json', 'app-a'])
	})

	it('two secrets with one file name: neither changes, and both go on once one is named', async () => {
		const at = await open({ name: 'collision' }, { 'a-x': {}, 'a-y': {} })
		const select = [
			{ prefix: 'a-', stripPrefix: true },
			{ prefix: 'b-', stripPrefix: true },
		]
		await at.apply('payments', { select })
		await fresh(at, '2/2')
		await set(at, 'b-x')
		const collided = await at.wait(
			'payments',
			'NameCollision',
			(b) => condition(b, 'Fresh')?.reason === 'NameCollision',
		)
		expect(condition(collided, 'Fresh')?.message).toContain('(x)')
		await set(at, 'a-y', {}, 'goes on')
		await at.wait('payments', 'y', async () => value(await at.secret('payments-secrets'), 'y') === 'goes on')
		expect(value(await at.secret('payments-secrets'), 'x')).toBe('value of a-x')
		await at.apply('payments', { secrets: [{ name: 'x', objectName: 'b-x' }], select })
		await at.wait(
			'payments',
			'the named one',
			async () => value(await at.secret('payments-secrets'), 'x') === 'value of b-x',
		)
	})

	it('a flood of removals is held until the printed line acknowledges exactly these', async () => {
		const names = ['a', 'b', 'c', 'd']
		const at = await open({ name: 'flood' }, Object.fromEntries(names.map((name) => [`app-${name}`, {}])))
		await at.apply('payments', { select: [{ prefix: 'app-' }], policy: { absent: 'Remove', maxRemovals: 2 } })
		await fresh(at, '4/4')
		// Away meanwhile: a poll in between would see one or two gone, and remove them.
		const { control } = at.emulator
		const { id } = await control.addFault({ match: { vault: at.vault }, action: 'status', status: 503 })
		for (const name of names.slice(0, 3)) await control.deleteSecret({ vault: at.vault, name: `app-${name}` })
		await control.removeFault(id)
		const held = await at.wait('payments', 'RemovalsHeld', (b) => condition(b, 'Fresh')?.reason === 'RemovalsHeld')
		expect(isTrue(held, 'Ready')).toBe(true)
		expect((await keys(at)).length).toBe(5)
		expect(manifest(await at.secret('payments-secrets'))).toMatchObject({ secrets: { 'app-a': { state: 'Absent' } } })
		await runLine(at, kubectlLine(condition(held, 'Fresh')?.message ?? ''))
		await fresh(at, '1/1')
		expect(await keys(at)).toEqual(['.binding.json', 'app-d'])
	})

	it('without permission to list: what was delivered stays, and the role is told', async () => {
		const at = await open({ name: 'listless' }, { 'app-a': {} })
		await at.apply('payments', { select: [{ prefix: 'app-' }] })
		await fresh(at, '1/1')
		const { control } = at.emulator
		await control.defineRole({ name: 'get', dataActions: ['Microsoft.KeyVault/vaults/secrets/getSecret/action'] })
		await control.grant({ clientId: at.clientId, role: 'get', vault: at.vault })
		await control.revoke({ clientId: at.clientId, role: 'Key Vault Secrets User', vault: at.vault })
		const denied = await at.wait(
			'payments',
			'ForbiddenByRbac',
			(b) => condition(b, 'Fresh')?.reason === 'ForbiddenByRbac',
		)
		expect(condition(denied, 'Fresh')?.message).toContain('az role assignment create')
		expect(await keys(at)).toEqual(['.binding.json', 'app-a'])
	})

	it('after a restart nothing is read again, and what leaves is still known', async () => {
		const at = await open({ name: 'again' }, { 'app-a': { t: '1' }, 'app-b': { t: '1' } })
		await at.apply('payments', { select: [{ prefix: 'app-', tags: { t: '1' } }], policy: { deselected: 'Remove' } })
		await fresh(at, '2/2')
		await at.wait('payments', 'settled', (b) => b.status?.secrets?.every(({ reason }) => reason === undefined))
		await operator?.stop()
		await at.emulator.control.updateSecret({ vault: at.vault, name: 'app-a', tags: {} })
		const since = Date.now()
		await at.start()
		await fresh(at, '1/1')
		const reads = (await at.emulator.control.requests({ since })).filter(({ route }) => route === 'getSecret')
		expect(reads).toEqual([])
		expect(await keys(at)).toEqual(['.binding.json', 'app-b'])
	})
})
