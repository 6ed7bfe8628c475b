// The control API: in process and over HTTP, bulk, log, az lines, reset.
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ControlError, type EmulatorControl, emulatorControl } from '../src/index.ts'
import { API, type Bench, CLIENT, ISSUER, openBench, USER } from './kit.ts'

describe('the control API', () => {
	let bench: Bench
	let remote: EmulatorControl
	beforeAll(async () => {
		bench = await openBench({ vaults: ['payments', { name: 'legacy', access: 'policy' }] })
		remote = emulatorControl(bench.emulator.controlUrl)
	})
	afterAll(() => bench.close())

	it('does over HTTP what it does in process', async () => {
		const { id, version, updated } = await remote.setSecret({
			vault: 'payments',
			name: 'Api-Key',
			value: 'v',
			tags: { a: 'b' },
		})
		expect(id).toBe(`${bench.emulator.vaultUrl('payments')}/secrets/Api-Key/${version}`)
		const stored = await bench.emulator.control.getSecret({ vault: 'payments', name: 'api-key' })
		expect(stored).toEqual({
			name: 'Api-Key',
			id,
			version,
			value: 'v',
			enabled: true,
			created: updated,
			updated,
			tags: { a: 'b' },
			versions: [version],
		})
		expect(await remote.getSecret({ vault: 'payments', name: 'api-key' })).toEqual(stored)
		expect((await bench.raw(`/secrets/api-key?${API}`)).bundle.id).toBe(id)
	})

	it('rejects with the code and message of the emulator, both ways', async () => {
		for (const control of [bench.emulator.control, remote]) {
			const calls: ReadonlyArray<readonly [Promise<unknown>, string]> = [
				[control.getSecret({ vault: 'payments', name: 'none' }), 'SecretNotFound'],
				[control.setSecret({ vault: 'none', name: 'x', value: 'v' }), 'VaultNotFound'],
				[control.grant({ clientId: 'nobody', role: USER, vault: 'payments' }), 'ClientNotFound'],
				[control.grant({ clientId: CLIENT, role: 'Cook', vault: 'payments' }), 'RoleNotFound'],
				[control.createVault({ name: 'payments' }), 'VaultExists'],
				[control.createVault({ name: 'No_Vault' }), 'BadRequest'],
				[control.setSecret({ vault: 'payments', name: 'bad_name', value: 'v' }), 'BadParameter'],
			]
			for (const [call, code] of calls) {
				await expect(call).rejects.toThrow(ControlError)
				await expect(call).rejects.toMatchObject({ code })
			}
		}
	})

	it.each([
		['setSecret', { vault: 'payments', name: 'x' }, /value must be a string/],
		['setSecret', { vault: 'payments', name: 'x', value: 'v', colour: 'red' }, /unknown field colour/],
		['addFault', { action: 'explode' }, /action must be status \| delay/],
		['addFault', { action: 'status', probability: 2 }, /probability must be a number from 0 to 1/],
		['setSecrets', { vault: 'payments', secrets: [{ name: 'x' }] }, /secrets must be a list of secrets/],
		['advanceClock', { seconds: '1' }, /seconds must be a number/],
		['getSecret', [], /takes a JSON object/],
		['__proto__', {}, /there is no/],
		['constructor', {}, /there is no/],
	])('refuses %s %j over HTTP and says which field', async (operation, body, message) => {
		const answer = await fetch(`${bench.emulator.controlUrl}/emulator/v1/${operation}`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify(body),
		})
		expect(answer.status).toBeGreaterThanOrEqual(400)
		expect(answer.status).toBeLessThan(500)
		expect(((await answer.json()) as { error: { message: string } }).error.message).toMatch(message)
	})

	it('is not reachable by a page in a browser: JSON only, loopback names only', async () => {
		const url = `${bench.emulator.controlUrl}/emulator/v1/listVaults`
		expect((await fetch(url, { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } })).status).toBe(
			415,
		)
		const status = await new Promise((resolve, reject) => {
			const call = request(url, { headers: { host: 'evil.example' } }, (answer) => {
				answer.resume()
				resolve(answer.statusCode)
			})
			call.on('error', reject)
			call.end()
		})
		expect(status).toBe(403)
		expect((await fetch(url)).status).toBe(200)
		expect((await fetch(`${bench.emulator.controlUrl}/healthz`)).status).toBe(200)
	})

	it('adds 10,000 secrets in one call within seconds', async () => {
		await remote.createVault({ name: 'bulk' })
		const secrets = Array.from({ length: 10_000 }, (_, i) => ({ name: `s-${i}`, value: `value ${i}` }))
		expect(await remote.setSecrets({ vault: 'bulk', secrets })).toEqual({ written: 10_000 })
		expect((await remote.listVaults()).find((vault) => vault.name === 'bulk')?.secrets).toBe(10_000)
	}, 15_000)

	it('counts requests by route, client and status, from a moment on', async () => {
		await remote.setSecret({ vault: 'payments', name: 'counted', value: 'v' })
		const before = Date.now()
		await bench.raw(`/secrets/counted?${API}`)
		await bench.raw(`/secrets/counted?${API}`)
		await bench.raw(`/secrets/uncounted?${API}`)
		await bench.raw(`/secrets/counted?${API}`, { token: null })
		const counts = (await remote.requestCounts({ since: before })).filter((each) => each.route === 'getSecret')
		const base = { kind: 'vault', route: 'getSecret', vault: 'payments' }
		expect(counts).toEqual([
			{ ...base, clientId: CLIENT, status: 200, count: 2 },
			{ ...base, clientId: CLIENT, status: 404, count: 1 },
			{ ...base, status: 401, count: 1 },
		])
		const [first] = (await remote.requests({ since: before })).filter((each) => each.route === 'getSecret')
		expect(first).toEqual({
			at: expect.any(Number) as unknown,
			...base,
			method: 'GET',
			clientId: CLIENT,
			secret: 'counted',
			status: 200,
		})
		expect(await remote.requests({ since: Date.now() + 1000 })).toEqual([])
	})

	it('never logs values or tokens', async () => {
		const value = 'CANARY-value-5f0c'
		await bench.raw(`/secrets/canary?${API}`, { method: 'PUT', body: { value } })
		await bench.raw(`/secrets/canary?${API}&secret=${value}`)
		await bench.raw(`/secrets/${value}/x/y?${API}`)
		const token = await bench.token()
		await bench.askToken({
			client_id: value,
			client_secret: value,
			grant_type: 'client_credentials',
			scope: 'https://vault.emu.test/.default',
		})
		await bench.askToken({ client_id: CLIENT, client_assertion: value })
		const log = JSON.stringify([await remote.requests(), await remote.requestCounts()])
		expect(log).not.toContain(value)
		expect(log).not.toContain(token.slice(0, 30))
		expect(log).not.toContain('eyJ')
	})

	describe('az', () => {
		const clientId = '22222222-2222-4222-8222-222222222222'
		const subject = 'system:serviceaccount:shop:payments'
		const query = (field: string, of = clientId): string =>
			`"$(az identity list --query "[?clientId=='${of}'].${field}" -o tsv)"`
		const federate = `az identity federated-credential create --name shop --identity-name ${query('name')} --resource-group ${query('resourceGroup')} --issuer ${ISSUER} --subject ${subject} --audiences api://AzureADTokenExchange`
		const assign = `az role assignment create --role "Key Vault Secrets User" --assignee ${clientId} --scope "$(az keyvault show --name payments --query id -o tsv)"`
		const policy = `az keyvault set-policy --name legacy --spn ${clientId} --secret-permissions get list`
		beforeAll(() => bench.emulator.control.addClient({ clientId }))

		it('executes the three lines that our conditions print, after which the client can read', async () => {
			const denied = await bench.askToken(await bench.form({ client_id: clientId }))
			expect(denied.entra.error_codes).toEqual([70025])
			await remote.az({ command: federate })
			const token = await bench.token(clientId)
			await remote.setSecret({ vault: 'payments', name: 'az', value: 'v' })
			await remote.setSecret({ vault: 'legacy', name: 'az', value: 'v' })
			const read = async (vault: string): Promise<number> =>
				(await bench.raw(`/secrets/az?${API}`, { token, origin: bench.emulator.vaultUrl(vault) })).status
			expect([await read('payments'), await read('legacy')]).toEqual([403, 403])
			await remote.az({ command: assign })
			await remote.az({ command: policy })
			expect([await read('payments'), await read('legacy')]).toEqual([200, 200])
		})

		it('says what the real az says about set-policy on a role-based vault', async () => {
			await expect(remote.az({ command: policy.replace('legacy', 'payments') })).rejects.toThrow(
				"Cannot set policies to a vault with '--enable-rbac-authorization' specified",
			)
		})

		it.each([
			['another command', 'az account show'],
			['a shell behind it', `${assign}; rm -rf /`],
			['a pipe', `${assign} | tee x`],
			['another substitution', assign.replace('az keyvault show', 'az group show')],
			['an unquoted substitution', assign.replaceAll('"$(', '$(').replaceAll(')"', ')')],
			['a variable', assign.replace(clientId, '$CLIENT')],
			['backticks', assign.replace(clientId, '`id`')],
			['a missing option', assign.replace(`--assignee ${clientId} `, '')],
			['an option twice', `${assign} --assignee ${clientId}`],
			['an unknown option', `${assign} --subscription x`],
			['a value too many', assign.replace('--assignee ', '--assignee x ')],
			['an unquoted role', assign.replaceAll('"Key Vault Secrets User"', 'Key Vault Secrets User')],
			['a role there is not', assign.replace('Secrets User', 'Cook')],
			['a client there is not', assign.replaceAll(clientId, CLIENT.replaceAll('1', '9'))],
			['a vault there is not', assign.replace('payments', 'nowhere')],
			['two identities', federate.replace(query('resourceGroup'), query('resourceGroup', CLIENT))],
			['a quote that does not end', `${assign} "`],
			['a line break', assign.replace(' --scope', '\n--scope\u0000')],
			['an unknown permission', policy.replace('get list', 'get everything')],
			['an empty line', ' '],
		])('refuses %s', async (_what, command) => {
			await expect(remote.az({ command })).rejects.toThrow(ControlError)
		})
	})

	it('goes back to the state after start with reset', async () => {
		const fresh = await openBench()
		const { control } = fresh.emulator
		await control.setSecret({ vault: 'payments', name: 'x', value: 'v' })
		await control.createVault({ name: 'more' })
		await control.addFault({ action: 'status', status: 500 })
		await control.advanceClock({ seconds: 1000 })
		await control.reset()
		expect((await control.listVaults()).map(({ name, secrets }) => [name, secrets])).toEqual([['payments', 0]])
		expect([await control.requests(), await control.listFaults()]).toEqual([[], []])
		expect((await fresh.askToken(await fresh.form())).entra.error_codes).toEqual([700016])
		await fresh.close()
	})
})
