// Soft delete, recover, purge, backup.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, API, type Bench, itemsOf, openBench } from './kit.ts'

const DAY = 86_400

describe('deletion', () => {
	let bench: Bench
	const call = (method: string, path: string, body?: object): Promise<Answer> =>
		bench.raw(`${path}?${API}`, { method, ...(body === undefined ? {} : { body }) })
	const items = (path: string) => itemsOf(bench.raw, `${path}?${API}`)
	/** Past every visibility delay, which is 3 s unless configured. */
	const settle = (): Promise<unknown> => bench.emulator.control.advanceClock({ seconds: 4 })
	beforeAll(async () => {
		bench = await openBench()
	})
	afterAll(() => bench.close())

	it('answers DELETE with recoveryId, deletedDate, scheduledPurgeDate (+ recoverableDays x 86400) and no value', async () => {
		await call('PUT', '/secrets/gone', { value: 'v', contentType: 'c', tags: { a: 'b' } })
		const answer = await call('DELETE', '/secrets/gone')
		expect(answer.status).toBe(200)
		expect(Object.keys(answer.bundle)).toEqual([
			'recoveryId',
			'deletedDate',
			'scheduledPurgeDate',
			'contentType',
			'id',
			'attributes',
			'tags',
		])
		expect(answer.bundle.recoveryId).toBe(`${bench.emulator.vaultUrl('payments')}/deletedsecrets/gone`)
		expect(answer.bundle.scheduledPurgeDate - answer.bundle.deletedDate).toBe(90 * DAY)
		expect(Number.isInteger(answer.bundle.deletedDate)).toBe(true)
	})

	it('makes a deleted secret 404 at once, its deleted form 404 for some seconds and then 200, and PUT of the name 409', async () => {
		await call('PUT', '/secrets/slow', { value: 'v' })
		await call('DELETE', '/secrets/slow')
		expect((await call('GET', '/secrets/slow')).status).toBe(404)
		const early = await call('GET', '/deletedsecrets/slow')
		expect([early.status, early.error]).toEqual([
			404,
			{ code: 'SecretNotFound', message: 'Deleted Secret not found: slow' },
		])
		const during = await call('PUT', '/secrets/slow', { value: 'w' })
		expect([during.status, during.error]).toEqual([
			409,
			{ code: 'Conflict', message: 'Secret is currently being deleted.', innererror: { code: 'ObjectIsBeingDeleted' } },
		])
		await settle()
		const late = await call('GET', '/deletedsecrets/slow')
		expect([late.status, late.bundle.value]).toEqual([200, undefined])
		const after = await call('PUT', '/secrets/slow', { value: 'w' })
		expect([after.status, after.error]).toEqual([
			409,
			{
				code: 'Conflict',
				message:
					'Secret slow is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.',
				innererror: { code: 'ObjectIsDeletedButRecoverable' },
			},
		])
	})

	it('does not list deleted secrets among the others, and lists them among the deleted once they show', async () => {
		await call('PUT', '/secrets/listgone', { value: 'v' })
		await call('DELETE', '/secrets/listgone')
		const names = async (path: string): Promise<string[]> =>
			(await items(path)).map((item) => item.id.split('/').at(-1) ?? '')
		expect(await names('/secrets')).not.toContain('listgone')
		expect(await names('/deletedsecrets')).not.toContain('listgone')
		await settle()
		expect(await names('/deletedsecrets')).toContain('listgone')
		const item = (await items('/deletedsecrets')).find((each) => each.id.endsWith('/listgone'))
		expect(Object.keys(item ?? {})).toEqual(['recoveryId', 'deletedDate', 'scheduledPurgeDate', 'id', 'attributes'])
	})

	it('brings back the same versions with recover, after GET answered 404 for some seconds', async () => {
		const first = await call('PUT', '/secrets/back', { value: '1' })
		const second = await call('PUT', '/secrets/back', { value: '2' })
		await call('DELETE', '/secrets/back')
		await settle()
		const recovered = await call('POST', '/deletedsecrets/back/recover')
		expect([recovered.status, recovered.bundle.id, recovered.bundle.value]).toEqual([200, second.bundle.id, undefined])
		expect((await call('GET', '/secrets/back')).status).toBe(404)
		const during = await call('PUT', '/secrets/back', { value: '3' })
		expect([during.status, during.error]).toEqual([
			409,
			{
				code: 'Conflict',
				message: 'Secret back is currently being recovered and cannot be re-created; retry later.',
				innererror: { code: 'ObjectIsBeingRecovered' },
			},
		])
		await settle()
		expect((await call('GET', '/secrets/back')).bundle.value).toBe('2')
		const versions = await items('/secrets/back/versions')
		expect(versions.map((item) => item.id)).toEqual([first.bundle.id, second.bundle.id].sort())
	})

	it('answers purge with 204 and frees the name after some seconds', async () => {
		await call('PUT', '/secrets/purged', { value: 'v' })
		await call('DELETE', '/secrets/purged')
		await settle()
		const purged = await call('DELETE', '/deletedsecrets/purged')
		expect([purged.status, purged.text]).toEqual([204, ''])
		expect((await call('GET', '/deletedsecrets/purged')).status).toBe(404)
		expect((await call('PUT', '/secrets/purged', { value: 'w' })).status).toBe(409)
		await settle()
		expect((await call('PUT', '/secrets/purged', { value: 'w' })).status).toBe(200)
		expect(await items('/secrets/purged/versions')).toHaveLength(1)
	})

	it('purges by itself at the scheduled purge date', async () => {
		await call('PUT', '/secrets/expired', { value: 'v' })
		await call('DELETE', '/secrets/expired')
		await bench.emulator.control.configure({ tokenLifetimeSeconds: 200 * DAY })
		const token = await bench.token()
		await bench.emulator.control.advanceClock({ seconds: 89 * DAY })
		expect((await bench.raw(`/deletedsecrets/expired?${API}`, { token })).status).toBe(200)
		await bench.emulator.control.advanceClock({ seconds: DAY })
		const listed = await bench.raw(`/deletedsecrets?${API}`, { token })
		expect(listed.page.value.filter(({ id }) => id.includes('/expired/') || id.endsWith('/expired'))).toEqual([])
		expect((await bench.raw(`/deletedsecrets/expired?${API}`, { token })).status).toBe(404)
		expect((await bench.raw(`/secrets/expired?${API}`, { method: 'PUT', body: { value: 'v' }, token })).status).toBe(
			200,
		)
		await bench.emulator.control.advanceClock({ seconds: -90 * DAY })
	})

	it.each([
		['DELETE', '/secrets/unknown'],
		['GET', '/deletedsecrets/unknown'],
		['DELETE', '/deletedsecrets/unknown'],
		['POST', '/deletedsecrets/unknown/recover'],
		['POST', '/secrets/unknown/backup'],
	])('answers %s %s with 404 SecretNotFound', async (method, path) => {
		const answer = await call(method, path)
		expect([answer.status, answer.error.code]).toEqual([404, 'SecretNotFound'])
	})

	it('answers a recover of an unknown name with the text of a secret, and other questions with that of a deleted one', async () => {
		const text = async (method: string, path: string) => (await call(method, path)).error.message
		expect(await text('POST', '/deletedsecrets/nobody/recover')).toMatch(
			/^A secret with \(name\/id\) nobody was not found in this key vault\./,
		)
		expect(await text('GET', '/deletedsecrets/nobody')).toBe('Deleted Secret not found: nobody')
		expect(await text('DELETE', '/deletedsecrets/nobody')).toBe('Deleted Secret not found: nobody')
	})

	it('deletes whole secrets only: a single version cannot be deleted', async () => {
		const { bundle: json } = await call('PUT', '/secrets/whole', { value: 'v' })
		const version = (json.id as string).split('/').at(-1)
		expect((await call('DELETE', `/secrets/whole/${version}`)).status).toBe(405)
	})

	it('has the customised recovery level and fewer days for a retention of 7 to 89 days', async () => {
		await bench.emulator.control.createVault({ name: 'short', recoverableDays: 7 })
		await bench.emulator.control.grant({
			clientId: '11111111-1111-4111-8111-111111111111',
			role: 'Key Vault Administrator',
			vault: 'short',
		})
		const origin = bench.emulator.vaultUrl('short')
		const set = await bench.raw(`/secrets/s?${API}`, { origin, method: 'PUT', body: { value: 'v' } })
		expect(set.bundle.attributes).toMatchObject({
			recoveryLevel: 'CustomizedRecoverable+Purgeable',
			recoverableDays: 7,
		})
		const gone = await bench.raw(`/secrets/s?${API}`, { origin, method: 'DELETE' })
		expect(gone.bundle.scheduledPurgeDate - gone.bundle.deletedDate).toBe(7 * DAY)
	})

	it('backs a secret up with all versions as base64url and restores it when the name is free', async () => {
		const made = [
			await call('PUT', '/secrets/saved', { value: '1' }),
			await call('PUT', '/secrets/saved', { value: 'CANARY' }),
		]
		const backup = await call('POST', '/secrets/saved/backup')
		expect(Object.keys(backup.bundle)).toEqual(['value'])
		expect(backup.bundle.value).toMatch(/^[A-Za-z0-9_-]+$/)
		expect(Buffer.from(backup.bundle.value as string, 'base64url').toString('latin1')).not.toContain('CANARY')
		const live = await call('POST', '/secrets/restore', { value: backup.bundle.value })
		expect([live.status, live.error]).toEqual([
			409,
			{ code: 'Conflict', message: 'A secret named saved already exists in this vault and cannot be restored over.' },
		])
		await call('DELETE', '/secrets/saved')
		await settle()
		await call('DELETE', '/deletedsecrets/saved')
		const purging = await call('POST', '/secrets/restore', { value: backup.bundle.value })
		expect([purging.status, purging.error.code, purging.error.innererror]).toEqual([409, 'Conflict', undefined])
		expect(purging.error.message).toMatch(
			/^There was a conflict restoring the secret '[^']+'\. This can happen if either: /,
		)
		expect(purging.error.message).toContain(`'${made[1]?.bundle.id}'`)
		await settle()
		const restored = await call('POST', '/secrets/restore', { value: backup.bundle.value })
		expect([restored.status, restored.bundle.id, restored.bundle.value]).toEqual([200, made[1]?.bundle.id, undefined])
		expect(await items('/secrets/saved/versions')).toHaveLength(2)
		expect((await call('GET', '/secrets/saved')).bundle.value).toBe('CANARY')
	})

	it('refuses a backup that was tampered with, and one that is none', async () => {
		await call('PUT', '/secrets/tampered', { value: 'v' })
		const { bundle: json } = await call('POST', '/secrets/tampered/backup')
		const blob = Buffer.from(json.value as string, 'base64url')
		blob[blob.length - 1] = (blob.at(-1) ?? 0) ^ 1
		for (const value of [blob.toString('base64url'), 'AAAA', '', 7]) {
			const refused = await call('POST', '/secrets/restore', { value })
			expect([refused.status, refused.error]).toEqual([
				400,
				{ code: 'Malformed backup blob', message: 'Backup blob is corrupt.' },
			])
		}
	})

	it('does not back up more than 500 versions', async () => {
		const secrets = Array.from({ length: 501 }, (_, i) => ({ name: 'history', value: String(i) }))
		await bench.emulator.control.setSecrets({ vault: 'payments', secrets })
		expect((await call('POST', '/secrets/history/backup')).status).toBe(400)
	})
})
