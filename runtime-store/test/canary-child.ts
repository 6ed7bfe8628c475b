// Uses everything of the store that may print, prints it all, then destroys the store and writes a heap snapshot. Started by a test that looks
// for the values in both. The values come from files, so that this text has none of them.
import dns from 'node:dns'
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { writeHeapSnapshot } from 'node:v8'
import { ClientSecretCredential } from '@azure/identity'
import { DefaultEventBridge, initLogger, ServiceBuilder } from '@purista/core'
import { z } from 'zod'
import { AzureMountedSecretStore } from '../src/index.ts'

interface Input {
	readonly mountPath: string
	readonly vaultUrl: string
	readonly authorityHost: string
	readonly tenantId: string
	readonly clientId: string
	readonly clientSecretFile: string
	readonly writtenFile: string
	/** Of a value that this process keeps, so that the test can tell that it would be found. */
	readonly plantedFile: string
	readonly snapshotFile: string
}

const input = JSON.parse(process.argv[2] ?? '') as Input
const lookup = dns.lookup
dns.lookup = ((_name: string, ...rest: [never, never]) => lookup('127.0.0.1', ...rest)) as typeof dns.lookup

const print = (...things: unknown[]) => {
	for (const thing of things)
		process.stdout.write(`${inspect(thing, { depth: 12, showHidden: true })}\n${JSON.stringify(thing)}\n`)
}
const failing = async (call: () => Promise<unknown>) => {
	try {
		await call()
		process.stdout.write('did not fail\n')
	} catch (error) {
		print(error)
		if (error instanceof Error) process.stdout.write(`${error.message}\n${error.stack}\n${String(error.cause)}\n`)
	}
}

async function run(): Promise<void> {
	const logger = initLogger('trace')
	const { vaultUrl, mountPath, authorityHost, tenantId, clientId } = input
	const clientSecret = readFileSync(input.clientSecretFile, 'utf8')
	const options = { authorityHost, disableInstanceDiscovery: true }
	const store = new AzureMountedSecretStore({
		mountPath,
		vaultUrl,
		credential: new ClientSecretCredential(tenantId, clientId, clientSecret, options),
		options: { retryOptions: { maxRetries: 0 } },
		enableSet: true,
		enableRemove: true,
		pollMs: 50,
		logger,
	})
	store.onChange((event) => {
		print(event)
		throw new Error(`a listener's own text`)
	})
	store.onExpiring(1e12, print)
	await store.ready()
	print(store, store.status(), await store.describe('mounted'), await store.describe('beyond'))

	const builder = new ServiceBuilder({
		serviceName: 'Canary',
		serviceVersion: '1',
		serviceDescription: 'reads secrets',
	})
	const read = builder
		.getCommandBuilder('read', 'reads')
		.addPayloadSchema(z.object({ name: z.string() }))
		.addOutputSchema(z.number())
		.setCommandFunction(async function read(context, { name }) {
			return (await context.secrets.getSecret(name))[name]?.length ?? 0
		})
	const bridge = new DefaultEventBridge({ logger })
	await bridge.start()
	const spans: unknown[] = []
	const span = (item: { name: string; attributes: object; events: object; status: object }) =>
		spans.push({ name: item.name, attributes: item.attributes, events: item.events, status: item.status })
	const spanProcessor = { onStart: () => {}, onEnd: span, shutdown: async () => {}, forceFlush: async () => {} }
	const service = await builder
		// @ts-expect-error the framework's types are not made for exactOptionalPropertyTypes (`schedules`)
		.addCommandDefinition(read.getDefinition())
		.getInstance(bridge, { secretStore: store, logger, spanProcessor })
	await service.start()
	for (const name of ['mounted', 'beyond', 'a/b', 'binary', 'disabled']) {
		const call = {
			contentType: 'application/json',
			contentEncoding: 'utf-8',
			receiver: { serviceName: 'Canary', serviceVersion: '1', serviceTarget: 'read' },
			sender: { serviceName: 'test', serviceVersion: '1', serviceTarget: 'main', instanceId: bridge.instanceId },
			payload: { payload: { name }, parameter: {} },
		} as const
		await bridge.invoke(call).then(print, print)
	}
	print(spans)

	await store.setSecret('mounted', readFileSync(input.writtenFile, 'utf8'))
	print(store, store.status(), await store.describe('mounted'))
	await store.removeSecret('beyond')
	await failing(() => store.setSecret('beyond', readFileSync(input.writtenFile, 'utf8')))
	await failing(() => store.setSecret('a/b', readFileSync(input.writtenFile, 'utf8')))
	await failing(() => store.setSecret('denied', readFileSync(input.writtenFile, 'utf8')))
	await failing(() => store.getSecret('disabled'))
	await failing(() => store.getSecretVersion('mounted', 'f'.repeat(32)))
	await failing(() => store.getSecret('binary'))
	await service.destroy()
	await bridge.destroy()
	await store.destroy()
	await failing(() => store.getSecret('mounted'))
	print(store)
}

const planted = { value: readFileSync(input.plantedFile, 'utf8') }
await run()
// Several turns, for what finalizers and sockets let go of late.
for (let i = 0; i < 5; i++) {
	await new Promise((resolve) => setTimeout(resolve, 20))
	globalThis.gc?.()
}
writeHeapSnapshot(input.snapshotFile)
process.stdout.write(planted.value === '' ? 'nothing planted\n' : 'done\n')
process.exit(0)
