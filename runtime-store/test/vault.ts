import { randomBytes, randomUUID } from 'node:crypto'
import { ClientSecretCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { type Emulator, type EmulatorOptions, startEmulator } from 'azure-key-vault-emulator'

/** An emulator in this process with one vault, and a client that may do everything in it. */
export interface TestVault extends AsyncDisposable {
	readonly emulator: Emulator
	readonly url: string
	readonly clientId: string
	readonly credential: ClientSecretCredential
	/** A new client of the unmodified SDK; it retries little, so that a test of an outage does not wait for it. */
	client(): SecretClient
	/** Where the log of calls ends now. A number and not a time: two calls may be of one millisecond. */
	mark(): Promise<number>
	/** Calls that reached the vault after the mark, as `route secret`. */
	calls(mark?: number): Promise<string[]>
}

export async function startTestVault(options: EmulatorOptions = {}): Promise<TestVault> {
	const emulator = await startEmulator({ vaults: ['payments'], visibilityDelayMs: 50, ...options })
	const { control, tenantId, authorityHost } = emulator
	const agent = emulator.agent()
	const [clientId, clientSecret] = [randomUUID(), randomBytes(16).toString('hex')]
	await control.addClient({ clientId, clientSecret })
	await control.grant({ clientId, role: 'Key Vault Secrets Officer', vault: 'payments' })
	const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, {
		authorityHost,
		disableInstanceDiscovery: true,
		agent,
	})
	const url = emulator.vaultUrl('payments')
	return {
		emulator,
		url,
		clientId,
		credential,
		client: () => new SecretClient(url, credential, { agent, retryOptions: { maxRetries: 1, retryDelayInMs: 5 } }),
		mark: async () => (await control.requests()).length,
		async calls(mark = 0) {
			const requests = await control.requests()
			// The challenge that begins each client's life is no call of ours.
			return requests
				.slice(mark)
				.filter(({ kind, status }) => kind === 'vault' && status !== 401)
				.map(({ route, secret }) => `${route} ${secret ?? ''}`)
		},
		[Symbol.asyncDispose]: () => emulator.close(),
	}
}
