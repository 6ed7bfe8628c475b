// The process around the service: wiring, probes, and a small HTTP surface for the demo and the tests.
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { DefaultEventBridge, gracefulShutdown, initLogger } from '@purista/core'
import { AzureMountedSecretStore } from 'purista-azure-mounted-secret-store'
import { z } from 'zod'
import { mountedFiles } from './files.ts'
import { jsonServer } from './http.ts'
import { paymentsService } from './service.ts'

const environment = z.object({ MOUNT_PATH: z.string(), VAULT_URL: z.url(), PORT: z.coerce.number().default(8080) })
const { MOUNT_PATH: mountPath, VAULT_URL: vaultUrl, PORT: port } = environment.parse(process.env)
const logger = initLogger('info')

const store = new AzureMountedSecretStore({ mountPath, vaultUrl, enableSet: true, enableRemove: true, logger })

/** The newest changes, oldest first; a test that rotates more often than this asks in between. */
const MAX_CHANGES = 1_000
const changes: object[] = []
store.onChange((change) => {
	const at = Date.now()
	// When the kubelet swapped the generation in: the link's own change time.
	const swappedAt = lstatSync(join(mountPath, '..data'), { throwIfNoEntry: false })?.ctimeMs
	changes.push({ at, swappedAt, ...change })
	if (changes.length > MAX_CHANGES) changes.shift()
})

const eventBridge = new DefaultEventBridge({ logger })
await eventBridge.start()
const service = await paymentsService.getInstance(eventBridge, { secretStore: store, logger })
await service.start()

/** Calls a command of the service through the event bridge, as another service would. */
const invoke = (command: string, payload: unknown) =>
	eventBridge.invoke<unknown>({
		sender: { serviceName: 'http', serviceVersion: '1', serviceTarget: command, instanceId: 'http' },
		receiver: { serviceName: 'Payments', serviceVersion: '1', serviceTarget: command },
		contentType: 'application/json',
		contentEncoding: 'utf-8',
		payload: { parameter: {}, payload },
	})
const ok = (body: unknown) => ({ status: 200, body })

const server = jsonServer({
	'GET /healthz': async () => ok({ healthy: await eventBridge.isHealthy() }),
	'GET /readyz': async () => {
		const ready = await store.isReady()
		return { status: ready ? 200 : 503, body: { ready } }
	},
	'GET /files': async () => ok(await mountedFiles(mountPath)),
	'GET /changes': async () => ok(changes),
	'GET /status': async () => ok(store.status()),
	'POST /fingerprint': async (body) => ok(await invoke('fingerprint', body)),
	'POST /renew': async (body) => ok(await invoke('renew', body)),
	'POST /remove': async (body) => ok(await invoke('remove', body)),
})
server.listen(port, () => logger.info({ port }, 'listening'))

gracefulShutdown(logger, [{ name: 'http', destroy: async () => void server.close() }, eventBridge, service, store])
