import { describe, expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

// Silent stale values: each of these was delivered, or kept, under Fresh=True before the engine of today.

const B = { vault: { url: 'https://b.vault.azure.net' } }

describe('another vault in the spec', () => {
	/** Both vaults were filled in the same second, and their versions have the same ids. */
	const moved = async (spec: Record<string, unknown>) => {
		const one = openBinding(spec)
		for (const name of ['a', 'b']) {
			one.vault(name).set('app-db', `first of ${name}`)
			one.vault(name).set('app-db', `value of ${name}`)
		}
		await one.clock.advance(5_000)
		await one.reconcile()
		await one.pass(10_000)
		expect(Object.values(one.files())).toContain('value of a')
		return one
	}
	const VERSION = '2'.padStart(32, '0')
	const kinds: [string, Record<string, unknown>][] = [
		['an entry', { secrets: [{ name: 'db', objectName: 'app-db' }] }],
		['a pin', { secrets: [{ name: 'db', objectName: 'app-db', version: VERSION }] }],
		['a selector', { select: [{ prefix: 'app-', stripPrefix: true }] }],
		['older versions', { secrets: [{ name: 'db', objectName: 'app-db', previous: 1 }] }],
	]
	test.each(kinds)('is read anew, though all that it tells is the same: %s', async (_, spec) => {
		const one = await moved(spec)
		one.edit(B)
		await one.reconcile()
		await one.pass(120_000)
		expect(one.files()['db']).toBe('value of b')
		expect(one.files()['db.previous']).toBe(JSON.stringify(spec).includes('previous') ? 'first of b' : undefined)
		expect(one.condition('Ready')).toMatchObject({ status: 'True', observedGeneration: 2 })
		expect(one.manifest()).toMatchObject({ vault: 'https://b.vault.azure.net' })
	})

	test.each(kinds)('that was written while no operator ran: %s', async (_, spec) => {
		const one = await moved(spec)
		one.edit(B)
		one.restart()
		await one.reconcile()
		expect(one.files()['db']).toBe('value of b')
	})

	test('at the ServiceAccount, without any change of the spec, is read anew', async () => {
		const one = openBinding({ vault: undefined, secrets: [{ name: 'db' }] })
		one.account.annotations['secrets.purista.dev/vault-url'] = 'https://a.vault.azure.net'
		for (const name of ['a', 'b']) one.vault(name).set('db', `value of ${name}`)
		await one.clock.advance(5_000)
		await one.reconcile()
		expect(one.files()).toEqual({ db: 'value of a' })
		one.account.annotations['secrets.purista.dev/vault-url'] = 'https://b.vault.azure.net'
		await one.pass(60_000)
		expect(one.files()).toEqual({ db: 'value of b' })
	})

	test.each([
		['away', { kind: 'unreachable' }],
		['not open to the identity', { kind: 'forbiddenRbac' }],
	] as const)(
		'that is %s: the old bytes stay, are told as those of the old vault, and nothing is Ready',
		async (_, fault) => {
			const one = await moved({ secrets: [{ name: 'db', objectName: 'app-db' }] })
			one.vault('b').break(fault.kind === 'unreachable' ? '*' : 'app-db', fault)
			one.edit(B)
			await one.reconcile()
			const kept = () => {
				expect(one.files()).toEqual({ db: 'value of a' })
				expect(one.condition('Ready')).toMatchObject({ status: 'False', observedGeneration: 2 })
				expect(one.condition('Ready')?.message).not.toContain('Not delivered: db')
				expect(one.shown('db')).toMatchObject({ vault: 'https://a.vault.azure.net', version: VERSION })
				expect(one.status.synced).toBe('0/1')
			}
			kept()
			one.restart()
			await one.reconcile()
			kept()
			await one.pass(60_000)
			kept()
			one.vault('b').break('*', undefined)
			one.vault('b').break('app-db', undefined)
			await one.pass(600_000)
			expect(one.files()).toEqual({ db: 'value of b' })
			expect(one.condition('Ready')).toMatchObject({ status: 'True' })
			expect(one.shown('db')?.vault).toBeUndefined()
		},
	)

	test('the manifest says of which vault bytes are that were not read anew, with the next write of data', async () => {
		const one = openBinding({ secrets: [{ name: 'one' }, { name: 'two' }] })
		for (const vault of ['a', 'b']) for (const name of ['one', 'two']) one.vault(vault).set(name, `${name} of ${vault}`)
		await one.clock.advance(5_000)
		await one.reconcile()
		one.vault('b').break('two', { kind: 'forbiddenRbac' })
		one.edit(B)
		await one.reconcile()
		expect(one.files()).toEqual({ one: 'one of b', two: 'two of a' })
		expect(one.manifest()).toMatchObject({
			vault: 'https://b.vault.azure.net',
			secrets: { two: { vault: 'https://a.vault.azure.net' } },
			wanted: { two: { objectName: 'two' } },
		})
		expect(one.manifest().secrets['one']?.vault).toBeUndefined()
	})
})

describe('a write that is dropped or refused teaches nothing', () => {
	const TLS = {
		delivery: { secret: { name: 'mine', type: 'kubernetes.io/tls' } },
		secrets: [{ name: 'tls.crt', objectName: 'crt' }, { name: 'tls.key', objectName: 'key' }, { name: 'db' }],
		policy: { absent: 'Remove' },
	}
	const tls = async () => {
		const one = openBinding(TLS)
		for (const name of ['crt', 'key', 'db']) one.vault('a').set(name, `first ${name}`)
		await one.clock.advance(5_000)
		await one.reconcile()
		expect(one.files()).toEqual({ 'tls.crt': 'first crt', 'tls.key': 'first key', db: 'first db' })
		return one
	}

	test('a policy that removes a key that the type needs does not lose the rotation of a neighbour', async () => {
		const one = await tls()
		one.vault('a').remove('crt')
		await one.pass(60_000)
		one.vault('a').set('db', 'second db')
		await one.pass(180_000)
		expect(one.files()).toEqual({ 'tls.crt': 'first crt', 'tls.key': 'first key', db: 'second db' })
		expect(one.condition('Fresh')).toMatchObject({ status: 'False', reason: 'RequiredKeyMissing' })
		expect(one.condition('Fresh')?.message).toContain('tls.crt')
		one.vault('a').set('crt', 'second crt')
		await one.pass(120_000)
		expect(one.files()['tls.crt']).toBe('second crt')
		expect(one.condition('Fresh')).toMatchObject({ status: 'True' })
	})

	test('a required key that was never there: what waits for it is not called delivered, and arrives with it', async () => {
		const one = openBinding(TLS)
		for (const name of ['key', 'db']) one.vault('a').set(name, `first ${name}`)
		await one.clock.advance(5_000)
		await one.reconcile()
		await one.pass(60_000)
		expect(one.secrets.text('mine')).toBeUndefined()
		expect(one.status.synced).toBe('0/3')
		expect(one.shown('db')?.version).toBeUndefined()
		expect(one.condition('Ready')?.message).toContain('tls.crt')
		one.vault('a').set('db', 'second db')
		await one.pass(60_000)
		one.vault('a').set('crt', 'first crt')
		await one.pass(120_000)
		expect(one.files()).toEqual({ 'tls.crt': 'first crt', 'tls.key': 'first key', db: 'second db' })
	})

	test('a value that the API server refuses stays out, its neighbours do not wait, and it arrives when it is mended', async () => {
		const one = openBinding({
			delivery: { secret: { name: 'mine', type: 'kubernetes.io/dockerconfigjson' } },
			secrets: [{ name: '.dockerconfigjson', objectName: 'docker' }, { name: 'db' }],
		})
		one.vault('a').set('docker', '{"auths":{}}')
		one.vault('a').set('db', 'first')
		await one.clock.advance(5_000)
		await one.reconcile()
		one.vault('a').set('docker', 'no JSON')
		one.vault('a').set('db', 'second')
		await one.pass(120_000)
		expect(one.files()).toEqual({ '.dockerconfigjson': '{"auths":{}}', db: 'second' })
		expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretWriteRefused' })
		expect(one.condition('Ready')?.message).toContain('.dockerconfigjson')
		expect(one.shown('.dockerconfigjson')).toMatchObject({ version: '1'.padStart(32, '0') })
		one.vault('a').set('docker', '{"auths":{"b":{}}}')
		await one.pass(120_000)
		expect(one.files()).toEqual({ '.dockerconfigjson': '{"auths":{"b":{}}}', db: 'second' })
		expect(one.condition('Ready')).toMatchObject({ status: 'True' })
	})

	test('a write whose answer got lost is looked at again, and nothing is told of it', async () => {
		const one = openBinding({ secrets: [{ name: 'db' }] })
		one.vault('a').set('db', 'first')
		await one.clock.advance(5_000)
		one.secrets.lose.add('create')
		await one.reconcile()
		one.vault('a').set('db', 'second')
		one.secrets.lose.add('patch')
		await one.pass(120_000)
		expect(one.files()).toEqual({ db: 'second' })
		expect(one.condition('Fresh')).toMatchObject({ status: 'True' })
	})
})

test('bytes of another object stay until there are better ones, and are called neither delivered nor missing', async () => {
	const one = openBinding({ secrets: [{ name: 'db' }], policy: { absent: 'Remove' } })
	one.vault('a').set('db', 'of db')
	await one.clock.advance(5_000)
	await one.reconcile()
	one.edit({ secrets: [{ name: 'db', objectName: 'other' }] })
	await one.reconcile()
	await one.pass(120_000)
	expect(one.files()).toEqual({ db: 'of db' })
	expect(one.shown('db')?.version).toBeUndefined()
	expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretAbsent' })
	expect(one.condition('Ready')?.message).not.toContain('Not delivered: db')
	expect(one.condition('Ready')?.message).toContain('Still as it was before: db')
})

describe('what must not be forgotten', () => {
	test('a former name, while the new Secret does not hold all that the spec names', async () => {
		const one = openBinding({ secrets: [{ name: 'db' }, { name: 'key' }] })
		for (const name of ['db', 'key']) one.vault('a').set(name, name)
		await one.clock.advance(5_000)
		await one.reconcile()
		one.vault('a').break('key', { kind: 'forbiddenRbac' })
		one.edit({ delivery: { secret: { name: 'new' } } })
		await one.reconcile()
		expect(one.secrets.text('new')).toMatchObject({ db: 'db' })
		expect(one.secrets.text('mine')).toMatchObject({ db: 'db', key: 'key' })
		one.restart()
		await one.reconcile()
		one.vault('a').break('key', undefined)
		await one.pass(120_000)
		expect(one.secrets.text('new')).toMatchObject({ db: 'db', key: 'key' })
		expect(one.secrets.text('mine')).toBeUndefined()
		expect(one.status.secretName).toBe('new')
	})

	test('a revision that a stranger overwrote while no operator ran: the next one is above any that it can have had', async () => {
		const one = openBinding({ secrets: [{ name: 'db' }] })
		one.vault('a').set('db', 'value')
		await one.clock.advance(5_000)
		await one.reconcile()
		one.secrets.edit('mine', '.binding.json', 'nonsense')
		one.restart()
		await one.reconcile()
		expect(one.manifest()).toMatchObject({ revision: Math.floor(one.clock.now() / 1000) + 2 })
	})

	test('what was delivered, by a race with somebody who edits the manifest', async () => {
		const one = openBinding({ secrets: [{ name: 'db' }, { name: 'key' }] })
		for (const name of ['db', 'key']) one.vault('a').set(name, name)
		await one.clock.advance(5_000)
		await one.reconcile()
		await one.pass(10_000)
		one.vault('a').set('key', 'next')
		one.vault('a').remove('db')
		one.secrets.beforeWrite = () => {
			one.secrets.beforeWrite = undefined
			one.secrets.edit('mine', '.binding.json', 'nonsense')
		}
		await one.pass(60_000)
		expect(one.files()).toEqual({ db: 'db', key: 'next' })
		expect(Object.keys(one.manifest().secrets)).toEqual(['db', 'key'])
	})
})

describe('what selectors brought', () => {
	const select = [{ prefix: 'app-', stripPrefix: true, tags: { team: 'x' } }]
	test('and was kept stays, when the manifest that told of it was lost with the process', async () => {
		const one = openBinding({ select })
		for (const name of ['app-a', 'app-b']) one.vault('a').set(name, name, { tags: { team: 'x' } })
		await one.clock.advance(5_000)
		await one.reconcile()
		one.vault('a').remove('app-b')
		one.secrets.edit('mine', '.binding.json', 'nonsense')
		one.restart()
		await one.reconcile()
		await one.pass(180_000)
		expect(one.files()).toEqual({ a: 'app-a', b: 'app-b' })
	})

	test('is not what an entry named that is kept and was taken out of the spec', async () => {
		const one = openBinding({ select, secrets: [{ name: 'b', objectName: 'app-b' }] })
		one.vault('a').set('app-a', 'a', { tags: { team: 'x' } })
		one.vault('a').set('app-b', 'b')
		await one.clock.advance(5_000)
		await one.reconcile()
		one.vault('a').set('app-b', 'b', { enabled: false })
		await one.pass(60_000)
		expect(one.manifest().secrets['b']).toMatchObject({ state: 'Disabled' })
		one.edit({ secrets: [] })
		await one.reconcile()
		expect(one.files()).toEqual({ a: 'a' })
	})
})

describe('what was known of one place, or of a file that is another by now,', () => {
	const rotated = async (name: string) => {
		const one = openBinding({ secrets: [{ name: 'db' }], delivery: { secret: { name, onDelete: 'Retain' } } })
		one.vault('a').set('db', 'first')
		await one.clock.advance(5_000)
		await one.reconcile()
		await one.pass(10_000)
		return one
	}
	test('is not used at another one: a name of before holds what it held then', async () => {
		const one = await rotated('mine')
		one.edit({ delivery: { secret: { name: 'two', onDelete: 'Retain' } } })
		await one.reconcile()
		one.vault('a').set('db', 'second')
		await one.pass(120_000)
		expect(one.secrets.text('two')).toMatchObject({ db: 'second' })
		expect(one.secrets.text('mine')).toMatchObject({ db: 'first' })
		one.edit({ delivery: { secret: { name: 'mine', onDelete: 'Retain' } } })
		await one.pass(60_000)
		expect(one.secrets.text('mine')).toMatchObject({ db: 'second' })
	})

	test('is not used after a write whose answer got lost', async () => {
		const one = await rotated('mine')
		one.vault('a').set('db', 'second')
		one.secrets.lose.add('patch')
		await one.pass(60_000)
		one.vault('a').set('db', 'third')
		one.secrets.lose.add('patch')
		await one.pass(120_000)
		expect(one.files()).toEqual({ db: 'third' })
		expect(one.condition('Fresh')).toMatchObject({ status: 'True' })
	})

	test('counts for the next revision, though the answer to the last write got lost and the Secret with it', async () => {
		const one = await rotated('mine')
		const { revision } = one.manifest()
		one.vault('a').set('db', 'second')
		one.secrets.lose.add('patch')
		one.secrets.afterLost = () => void one.secrets.remove('ns', 'mine', '', '')
		await one.pass(120_000)
		expect(one.files()).toEqual({ db: 'second' })
		expect(one.manifest().revision).toBeGreaterThan(revision + 1)
	})
})

test('a poll that fails does not tell of files that are not there, though the status of before was not written', async () => {
	const one = openBinding({ secrets: [{ name: 'db' }, { name: 'key' }], policy: { absent: 'Remove' } })
	for (const name of ['db', 'key']) one.vault('a').set(name, name)
	await one.clock.advance(5_000)
	await one.reconcile()
	await one.pass(10_000)
	one.vault('a').remove('key')
	await one.pass(60_000)
	one.secrets.beforeWrite = undefined
	one.loseStatus(1)
	await one.pass(15_000)
	one.vault('a').break('*', { kind: 'identityNotFound', code: '700016' })
	one.edit({ refresh: { interval: '61s' } })
	await one.pass(60_000)
	expect(one.files()).toEqual({ db: 'db' })
	expect(one.shown('key')?.version).toBeUndefined()
	expect(one.condition('Ready')).toMatchObject({ status: 'False', observedGeneration: 2 })
})
