// Who may do what, and each 403 by its cause.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, API, addFederatedClient, type Bench, openBench, USER } from './kit.ts'

describe('access', () => {
	let bench: Bench
	beforeAll(async () => {
		bench = await openBench({ vaults: ['payments', { name: 'legacy', access: 'policy' }] })
		for (const vault of ['payments', 'legacy']) {
			await bench.emulator.control.setSecrets({
				vault,
				secrets: [
					{ name: 'one', value: '1' },
					{ name: 'two', value: '2' },
				],
			})
		}
	})
	afterAll(() => bench.close())

	const newClient = async (): Promise<{
		clientId: string
		call: (method: string, path: string, body?: object, vault?: string) => Promise<Answer>
	}> => {
		const clientId = randomUUID()
		await addFederatedClient(bench.emulator, clientId)
		const token = await bench.token(clientId)
		return {
			clientId,
			call: (method, path, body, vault = 'payments') =>
				bench.raw(`${path}?${API}`, {
					method,
					token,
					origin: bench.emulator.vaultUrl(vault),
					...(body === undefined ? {} : { body }),
				}),
		}
	}
	const inner = (answer: Answer): unknown => answer.error.innererror?.code

	it('refuses a caller without a role with 403 ForbiddenByRbac and its text', async () => {
		const { clientId, call } = await newClient()
		const answer = await call('GET', '/secrets/One')
		expect(answer.status).toBe(403)
		const { code, message, innererror } = answer.error
		expect([code, innererror]).toEqual(['Forbidden', { code: 'ForbiddenByRbac' }])
		const lines = (message as string).split('\r\n')
		expect(lines[0]).toBe('Caller is not authorized to perform action on resource.')
		expect(lines[1]).toBe(
			'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
		)
		expect(lines[2]).toMatch(
			new RegExp(
				`^Caller: appid=${clientId};oid=[0-9a-f-]{36};iss=https://sts\\.windows\\.net/${bench.emulator.tenantId}/$`,
			),
		)
		expect(lines[3]).toBe("Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'")
		expect(lines[4]).toMatch(/^Resource: '\/subscriptions\/.*\/vaults\/payments\/secrets\/one'$/)
		expect(lines.slice(5)).toEqual([
			'Assignment: (not found)',
			'DenyAssignmentId: null',
			'DecisionReason: null ',
			'Vault: payments;location=westeurope',
			'',
		])
	})

	it('lets Key Vault Secrets User read values and metadata, and nothing else', async () => {
		const { clientId, call } = await newClient()
		await bench.emulator.control.grant({ clientId, role: USER, vault: 'payments' })
		expect((await call('GET', '/secrets/one')).status).toBe(200)
		expect((await call('GET', '/secrets')).status).toBe(200)
		expect((await call('GET', '/secrets/one/versions')).status).toBe(200)
		for (const [method, path, body] of [
			['PUT', '/secrets/one', { value: 'x' }],
			['PATCH', '/secrets/one', {}],
			['DELETE', '/secrets/one', undefined],
			['POST', '/secrets/one/backup', undefined],
			['POST', '/secrets/restore', { value: 'x' }],
			['POST', '/deletedsecrets/one/recover', undefined],
			['DELETE', '/deletedsecrets/one', undefined],
		] as const) {
			const answer = await call(method, path, body)
			expect([method, path, inner(answer)]).toEqual([method, path, 'ForbiddenByRbac'])
		}
	})

	it('lets Key Vault Reader see metadata only, no values', async () => {
		const { clientId, call } = await newClient()
		await bench.emulator.control.grant({ clientId, role: '21090545-7ca7-4776-b22c-e363652d74d2', vault: 'payments' })
		expect((await call('GET', '/secrets')).status).toBe(200)
		expect(inner(await call('GET', '/secrets/one'))).toBe('ForbiddenByRbac')
	})

	it('keeps the two read actions apart in custom roles', async () => {
		const { clientId, call } = await newClient()
		await bench.emulator.control.defineRole({
			name: 'Get only',
			dataActions: ['Microsoft.KeyVault/vaults/secrets/getSecret/action'],
		})
		await bench.emulator.control.grant({ clientId, role: 'get only', vault: 'payments' })
		expect((await call('GET', '/secrets/one')).status).toBe(200)
		expect(inner(await call('GET', '/secrets'))).toBe('ForbiddenByRbac')
		expect(inner(await call('GET', '/secrets/one/versions'))).toBe('ForbiddenByRbac')
	})

	it('can be per secret; then vault-level list is denied while get works', async () => {
		const { clientId, call } = await newClient()
		await bench.emulator.control.grant({ clientId, role: USER, vault: 'payments', secret: 'ONE' })
		expect((await call('GET', '/secrets/one')).status).toBe(200)
		expect((await call('GET', '/secrets/one/versions')).status).toBe(200)
		expect(inner(await call('GET', '/secrets'))).toBe('ForbiddenByRbac')
		expect(inner(await call('GET', '/secrets/two'))).toBe('ForbiddenByRbac')
	})

	it('takes a role away again, and does not know one client by the rights of another', async () => {
		const { clientId, call } = await newClient()
		const other = await newClient()
		const grant = { clientId, role: USER, vault: 'payments' }
		await bench.emulator.control.grant(grant)
		expect((await call('GET', '/secrets/one')).status).toBe(200)
		expect(inner(await other.call('GET', '/secrets/one'))).toBe('ForbiddenByRbac')
		await bench.emulator.control.revoke(grant)
		expect(inner(await call('GET', '/secrets/one'))).toBe('ForbiddenByRbac')
		await expect(bench.emulator.control.revoke(grant)).rejects.toThrow(/no such role assignment/)
	})

	it('applies role changes after the propagation delay, in both directions', async () => {
		const { clientId, call } = await newClient()
		const { control } = bench.emulator
		await control.configure({ propagationDelayMs: 60_000 })
		await control.grant({ clientId, role: USER, vault: 'payments' })
		expect(inner(await call('GET', '/secrets/one'))).toBe('ForbiddenByRbac')
		await control.advanceClock({ seconds: 61 })
		expect((await call('GET', '/secrets/one')).status).toBe(200)
		await control.revoke({ clientId, role: USER, vault: 'payments' })
		expect((await call('GET', '/secrets/one')).status).toBe(200)
		await control.advanceClock({ seconds: 61 })
		expect(inner(await call('GET', '/secrets/one'))).toBe('ForbiddenByRbac')
		await control.configure({ propagationDelayMs: 0 })
	})

	it('refuses in an access-policy vault with 403 AccessDenied naming the permission, and follows set-policy', async () => {
		const { clientId, call } = await newClient()
		const answer = await call('GET', '/secrets/one', undefined, 'legacy')
		expect(answer.status).toBe(403)
		expect(inner(answer)).toBe('AccessDenied')
		expect(answer.error.message).toMatch(
			new RegExp(
				`^The user, group or application 'appid=${clientId};oid=.*;iss=.*' does not have secrets get permission on key vault 'legacy;location=westeurope'\\. For help .*linkid=2125287$`,
			),
		)
		await bench.emulator.control.setPolicy({ vault: 'legacy', clientId, secretPermissions: ['get', 'list'] })
		expect((await call('GET', '/secrets/one', undefined, 'legacy')).status).toBe(200)
		expect((await call('GET', '/secrets', undefined, 'legacy')).status).toBe(200)
		expect((await call('PUT', '/secrets/one', { value: 'x' }, 'legacy')).error.message).toContain(
			'does not have secrets set permission',
		)
	})

	it('does not look at role assignments in an access-policy vault', async () => {
		const { clientId, call } = await newClient()
		await bench.emulator.control.grant({ clientId, role: 'Key Vault Administrator', vault: 'legacy' })
		expect(inner(await call('GET', '/secrets/one', undefined, 'legacy'))).toBe('AccessDenied')
	})

	it('refuses by firewall and by connection with the 403 of that cause, whatever the caller may do', async () => {
		const { control } = bench.emulator
		await control.setNetwork({ vault: 'payments', network: 'firewall' })
		const firewall = await bench.raw(`/secrets/one?${API}`)
		expect([firewall.status, inner(firewall)]).toEqual([403, 'ForbiddenByFirewall'])
		expect(firewall.error.message).toMatch(
			/^Client address is not authorized and caller is not a trusted service\.\r\nClient address: 127\.0\.0\.1\r\nCaller: appid=/,
		)
		await control.setNetwork({ vault: 'payments', network: 'private' })
		const connection = await bench.raw(`/secrets/one?${API}`)
		expect([connection.status, inner(connection)]).toEqual([403, 'ForbiddenByConnection'])
		expect(connection.error.message).toMatch(
			/^Public network access is disabled and request is not from a trusted service nor via an approved private link\./,
		)
		await control.setNetwork({ vault: 'payments', network: 'open' })
		expect((await bench.raw(`/secrets/one?${API}`)).status).toBe(200)
	})

	it('has ForbiddenByPolicy on demand', async () => {
		await bench.emulator.control.addFault({
			match: { vault: 'payments' },
			action: 'status',
			status: 403,
			innerCode: 'ForbiddenByPolicy',
			times: 1,
		})
		const answer = await bench.raw(`/secrets/one?${API}`)
		expect([answer.status, inner(answer)]).toEqual([403, 'ForbiddenByPolicy'])
		expect(answer.error.message).toContain('to use on-behalf-of (OBO) flow')
	})

	it('checks permission before existence: an unknown name is 403 without a role', async () => {
		const { call } = await newClient()
		expect((await call('GET', '/secrets/unknown')).status).toBe(403)
	})
})
