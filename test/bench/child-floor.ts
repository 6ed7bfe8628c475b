// What no operator can go below: the same values read by the SDK in a plain loop, the same Secrets posted, nothing decided. The SDK is
// the operator's, not one of our own: the floor is that of its version.
import { ClientAssertionCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { createTokens } from '../../operator/src/cluster/serviceaccounts.ts'
import { createKubeTransport } from '../../operator/src/cluster/transport.ts'
import { systemClock } from '../../operator/src/process/clock.ts'
import { accessOf, agentOf, linesOfParent, type Reach, tell, usageOfThis } from './reach.ts'

export interface FloorTenant {
	readonly namespace: string
	readonly serviceAccount: string
	readonly audience: string
	readonly clientId: string
	readonly vaultUrl: string
	readonly bindings: ReadonlyArray<{ readonly name: string; readonly secrets: readonly string[] }>
}

export interface FloorChild extends Reach {
	readonly tenantId: string
	readonly tenants: readonly FloorTenant[]
	/** reads at once, all vaults together */
	readonly reads: number
	/** Secrets posted at once */
	readonly posts: number
}

export interface FloorResult {
	readonly reads: number
	readonly readSeconds: number
	/** answers of 429, after which a read was tried again a second later */
	readonly throttled: number
	readonly posts: number
	readonly postSeconds: number
	readonly cpu: number
}

const RETRY_MS = 1_000

/** Works on all items, so many at once. */
async function pool<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
	const queue = [...items]
	const worker = async () => {
		for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
	}
	await Promise.all(Array.from({ length: width }, worker))
}

const lines = linesOfParent()
const first = await lines.next()
const options = JSON.parse(first.done ? '' : first.value) as FloorChild
const agent = agentOf(options)
const transport = createKubeTransport({ kubeConfig: accessOf(options), userAgent: 'azure-secret-binding-bench' })
const tokens = createTokens(transport)
const clients = new Map(
	options.tenants.map(({ namespace, serviceAccount, audience, clientId, vaultUrl }) => {
		const assertion = async () => (await tokens.request(namespace, serviceAccount, audience)).token
		const retryOptions = { maxRetries: 0 }
		const credential = new ClientAssertionCredential(options.tenantId, clientId, assertion, { agent, retryOptions })
		return [namespace, new SecretClient(vaultUrl, credential, { agent, retryOptions })] as const
	}),
)
const values = new Map<string, string>()
let throttled = 0

async function read(namespace: string, name: string): Promise<void> {
	for (;;) {
		try {
			const { value = '' } = (await clients.get(namespace)?.getSecret(name)) ?? {}
			values.set(`${namespace}/${name}`, value)
			return
		} catch (error) {
			if ((error as { statusCode?: number }).statusCode !== 429) throw error
			throttled += 1
			await systemClock.sleep(RETRY_MS)
		}
	}
}

const bindings = options.tenants.flatMap(({ namespace, bindings }) => bindings.map((each) => ({ namespace, ...each })))
// Without its start: it is run from source, which the operator is not.
const cpuBefore = usageOfThis().cpu
const began = performance.now()
const reads = bindings.flatMap(({ namespace, secrets }) => secrets.map((name) => ({ namespace, name })))
await pool(reads, options.reads, ({ namespace, name }) => read(namespace, name))
const readAt = performance.now()
await pool(bindings, options.posts, async ({ namespace, name, secrets }) => {
	const stringData = Object.fromEntries(secrets.map((of) => [of, values.get(`${namespace}/${of}`) ?? '']))
	const metadata = { name: `floor-${name}` }
	await transport.request({
		method: 'POST',
		path: `/api/v1/namespaces/${namespace}/secrets`,
		body: { metadata, stringData },
	})
})
const postedAt = performance.now()
tell({
	reads: reads.length,
	readSeconds: (readAt - began) / 1000,
	throttled,
	posts: bindings.length,
	postSeconds: (postedAt - readAt) / 1000,
	cpu: usageOfThis().cpu - cpuBefore,
} satisfies FloorResult)
await transport.close()
agent.destroy()
process.stdin.destroy()
