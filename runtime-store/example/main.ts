// A PURISTA service with the mounted store, on this machine: the emulator is the vault, a few lines of this file are the operator and the
// kubelet. Run it with `npm run example` in the root of the repository.
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClientSecretCredential } from '@azure/identity'
import { DefaultEventBridge, initLogger, ServiceBuilder } from '@purista/core'
import { startEmulator } from 'azure-key-vault-emulator'
import { AzureMountedSecretStore, rotating } from 'purista-azure-mounted-secret-store'
import { MANIFEST_FILE, type Manifest, serializeManifest } from 'purista-azure-mounted-secret-store/manifest'
import { AtomicWriter } from 'purista-azure-mounted-secret-store/testing'
import { z } from 'zod'

const say = (text: string) => void process.stdout.write(`${text}\n`)
/** Shows that two values differ without showing them. */
const fingerprint = (value: string) => createHash('sha256').update(value).digest('hex').slice(0, 12)

// --- the vault -------------------------------------------------------------------------------------------------------------------
const emulator = await startEmulator({ vaults: ['payments'] })
const vaultUrl = emulator.vaultUrl('payments')
const agent = emulator.agent()
const [clientId, clientSecret] = [randomUUID(), randomBytes(16).toString('hex')]
await emulator.control.addClient({ clientId, clientSecret })
await emulator.control.grant({ clientId, role: 'Key Vault Secrets Officer', vault: 'payments' })
await emulator.control.setSecret({
	vault: 'payments',
	name: 'payments-db',
	value: randomBytes(16).toString('base64url'),
})
say(`vault: ${vaultUrl} (emulated)`)

// --- the operator and the kubelet ------------------------------------------------------------------------------------------------
const folder = await mkdtemp(join(tmpdir(), 'secret-store-example-'))
const mountPath = join(folder, 'mount')
const writer = new AtomicWriter(mountPath)
let revision = 0

/** What the operator and the kubelet do on a cluster: look into the vault and swap the files of the mount. */
async function deliver(): Promise<void> {
	const secret = await emulator.control.getSecret({ vault: 'payments', name: 'payments-db' })
	revision += 1
	const manifest: Manifest = {
		schema: 1,
		revision,
		binding: { namespace: 'payments', name: 'payments', uid: 'example' },
		vault: vaultUrl,
		selectors: [],
		secrets: {
			dbPassword: {
				objectName: 'payments-db',
				version: secret.version,
				state: 'Current',
				pinned: false,
				tags: {},
				previous: [],
			},
		},
	}
	await writer.write({ dbPassword: secret.value, [MANIFEST_FILE]: serializeManifest(manifest) })
}
await deliver()
say(`mount: ${mountPath}`)

// --- the service -----------------------------------------------------------------------------------------------------------------
const logger = initLogger('error')
const store = new AzureMountedSecretStore({
	mountPath,
	// The emulator has another host than Key Vault: in a cluster the mount says which vault to write to.
	vaultUrl,
	enableSet: true,
	logger,
	// In a pod neither is needed: the workload identity comes from the environment.
	credential: new ClientSecretCredential(emulator.tenantId, clientId, clientSecret, {
		authorityHost: emulator.authorityHost,
		disableInstanceDiscovery: true,
		agent,
	}),
	options: { agent },
})
await store.ready()

const builder = new ServiceBuilder({
	serviceName: 'Payments',
	serviceVersion: '1',
	serviceDescription: 'Shows that it has a secret',
})
const show = builder
	.getCommandBuilder('show', 'Answers with the fingerprint of the password')
	.addPayloadSchema(z.object({ name: z.string() }))
	.addOutputSchema(z.string())
	.setCommandFunction(async function show(context, { name }) {
		const { [name]: value } = await context.secrets.getSecret(name)
		return value === undefined ? 'none' : fingerprint(value)
	})
const bridge = new DefaultEventBridge({ logger })
await bridge.start()
const service = await builder
	// @ts-expect-error the framework's types are not made for exactOptionalPropertyTypes (`schedules`)
	.addCommandDefinition(show.getDefinition())
	.getInstance(bridge, { secretStore: store, logger })
await service.start()
const ask = () =>
	bridge.invoke<string>({
		contentType: 'application/json',
		contentEncoding: 'utf-8',
		receiver: { serviceName: 'Payments', serviceVersion: '1', serviceTarget: 'show' },
		sender: { serviceName: 'example', serviceVersion: '1', serviceTarget: 'main', instanceId: bridge.instanceId },
		payload: { payload: { name: 'dbPassword' }, parameter: {} },
	})

// --- what happens ----------------------------------------------------------------------------------------------------------------
const pool = rotating(
	store,
	['dbPassword'],
	({ dbPassword }) => ({ connectedWith: fingerprint(dbPassword) }),
	() => {},
)
say(`the command sees   ${await ask()}`)
say(`the pool connects  ${await pool.use(({ connectedWith }) => connectedWith)}`)

const changed = (): Promise<{ version: string | undefined; at: number }> =>
	new Promise((resolve) => {
		const end = store.onChange(({ changes }) => {
			end()
			resolve({ version: changes[0]?.version, at: performance.now() })
		})
	})

say('\nsomebody rotates the secret in the vault')
await emulator.control.setSecret({
	vault: 'payments',
	name: 'payments-db',
	value: randomBytes(16).toString('base64url'),
})
let change = changed()
const delivered = performance.now()
await deliver()
const { version, at } = await change
say(`onChange: version ${version}, ${(at - delivered).toFixed(1)} ms after the files began to change`)
say(`the command sees   ${await ask()}`)
say(`the pool connects  ${await pool.use(({ connectedWith }) => connectedWith)}`)

say('\nthe service writes a new one')
const written = randomBytes(16).toString('base64url')
change = changed()
await store.setSecret('dbPassword', written)
await change
say(`the command sees   ${await ask()}, expected ${fingerprint(written)}, while the mount still has the old one`)
say(`pending writes:    ${store.status().pendingWrites}`)
await deliver()
for (let waited = 0; store.status().pendingWrites > 0 && waited < 10_000; waited += 10)
	await new Promise((r) => setTimeout(r, 10))
say(
	`pending writes:    ${store.status().pendingWrites}, the mount has caught up (revision ${store.status().mounts[0]?.revision})`,
)
const ok = (await ask()) === fingerprint(written)

await service.destroy()
await bridge.destroy()
await pool.destroy()
await store.destroy()
await emulator.close()
await rm(folder, { recursive: true, force: true })
say(ok ? '\nexample: ok' : '\nexample: the service does not see what it wrote')
process.exitCode = ok ? 0 : 1
