// The Python SDK is a client that is not ours: it works unchanged against the emulator.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startEmulator } from 'azure-key-vault-emulator'
import { describe, expect, it } from 'vitest'
import { cacheFolder } from '../../cluster/index.ts'
import { preparePython } from '../../emulator/conformance/python/setup.ts'

const SCRIPT = join(import.meta.dirname, '../../emulator/conformance/python/sdk.py')

describe('the unmodified Python SDK', () => {
	it('sets, gets, lists over three pages, updates, deletes, recovers, purges, meets a wrong role and a throttle', {
		timeout: 300_000,
	}, async (context) => {
		const python = await preparePython(cacheFolder())
		if (python.kind === 'missing') return context.skip(`the Python SDK was not tried: ${python.reason}`)
		const folder = mkdtempSync(join(tmpdir(), 'emulator-python-'))
		const emulator = await startEmulator({ names: 'production', vaults: ['payments'], visibilityDelayMs: 200 })
		try {
			const { control } = emulator
			const writer = { clientId: '33333333-3333-4333-8333-333333333333', clientSecret: 'writer-secret' }
			const reader = { clientId: '44444444-4444-4444-8444-444444444444', clientSecret: 'reader-secret' }
			for (const client of [writer, reader]) await control.addClient(client)
			await control.grant({ clientId: writer.clientId, role: 'Key Vault Secrets Officer', vault: 'payments' })
			await control.grant({ clientId: reader.clientId, role: 'Key Vault Reader', vault: 'payments' })
			const caFile = join(folder, 'ca.crt')
			writeFileSync(caFile, emulator.caPem)
			const { stdout } = await promisify(execFile)(python.python, [SCRIPT], {
				timeout: 120_000,
				env: {
					PATH: process.env['PATH'],
					PYTHONPATH: python.path,
					AZURE_TENANT_ID: emulator.tenantId,
					AZURE_CLIENT_ID: writer.clientId,
					AZURE_CLIENT_SECRET: writer.clientSecret,
					AZURE_KEYVAULT_URL: 'https://payments.vault.azure.net',
					READER_ID: reader.clientId,
					READER_SECRET: reader.clientSecret,
					CONTROL: emulator.controlUrl,
					HTTPS_PROXY: emulator.controlUrl,
					REQUESTS_CA_BUNDLE: caFile,
				},
			})
			expect(JSON.parse(stdout)).toEqual({
				get: ['two', 'one'],
				list: true,
				pages: 3,
				versions: 2,
				update: [{ team: 'shop' }, 'text/plain'],
				delete: ['py', 90],
				deleted: 'py',
				recover: 'two',
				purge: [404, 'SecretNotFound', null],
				restore: 'many-00',
				role: [403, 'Forbidden', 'ForbiddenByRbac'],
				throttled: [429, 'Throttled', null],
				absent: 'SecretNotFound',
			})
			const statuses = new Set((await control.requests()).map(({ status }) => status))
			expect(statuses).toEqual(new Set([200, 204, 401, 403, 404, 429]))
		} finally {
			await emulator.close()
			rmSync(folder, { recursive: true, force: true })
		}
	})
})
