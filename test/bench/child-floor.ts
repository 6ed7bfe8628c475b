// What no operator can go below, in plain loops, nothing decided: the same values read by the SDK; of each Secret the GET that comes before a
// write, so that nothing of others is overwritten, and its POST; and the status of each binding, for without it none is Ready. The SDK is the
// operator's, not one of our own: the floor is that of its version.
//
// Left out of what every operator does as well: the list and the watch of the bindings, with an event for each status, and the manifest.
import { ClientAssertionCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { bindingsPath } from '../../operator/src/cluster/bindings.ts'
import { createTokens } from '../../operator/src/cluster/serviceaccounts.ts'
import { createKubeTransport } from '../../operator/src/cluster/transport.ts'
import { isKubeError } from '../../operator/src/ports/kube-error.ts'
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
	/** requests to the API server at once */
	readonly calls: number
}

export interface FloorResult {
	readonly reads: number
	/** answers of 429, after which a read was tried again a second later */
	readonly throttled: number
	/** of each there are as many GETs, POSTs and status writes */
	readonly bindings: number
	readonly seconds: number
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

/** One of each list in turn, so that what runs at once is of many vaults, and one connection to each is enough. */
function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
	const longest = Math.max(0, ...lists.map(({ length }) => length))
	return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat()
}

const lines = linesOfParent()
const first = await lines.next()
const options = JSON.parse(first.done ? '' : first.value) as FloorChild
const agent = agentOf(options)
const transport = createKubeTransport({ kubeConfig: accessOf(options), userAgent: 'azure-secret-binding-bench' })
const tokens = createTokens(transport)
const clients = new Map(
	options.tenants.map(({ namespace, serviceAccount, audience, clientId, vaultUrl }) => {
		let token: Promise<string> | undefined
		const request = async () => (await tokens.request(namespace, serviceAccount, audience)).token
		// The library asks twice for one exchange.
		const assertion = () => {
			token ??= request()
			return token
		}
		const retryOptions = { maxRetries: 0 }
		const credential = new ClientAssertionCredential(options.tenantId, clientId, assertion, { agent, retryOptions })
		return [namespace, new SecretClient(vaultUrl, credential, { agent, retryOptions })] as const
	}),
)
interface Value {
	readonly value: string
	readonly version: string
	readonly updated: string
}
interface FloorBinding {
	readonly namespace: string
	readonly name: string
	readonly secrets: readonly string[]
}
const values = new Map<string, Value>()
let throttled = 0

async function read(namespace: string, name: string): Promise<void> {
	for (;;) {
		try {
			const secret = await clients.get(namespace)?.getSecret(name)
			const { version = '', updatedOn = new Date(0) } = secret?.properties ?? {}
			values.set(`${namespace}/${name}`, { value: secret?.value ?? '', version, updated: timeOf(updatedOn) })
			return
		} catch (error) {
			if ((error as { statusCode?: number }).statusCode !== 429) throw error
			throttled += 1
			await systemClock.sleep(RETRY_MS)
		}
	}
}

const timeOf = (date: Date) => date.toISOString().replace(/\.\d+Z$/, 'Z')
const secretOf = ({ namespace }: FloorBinding, secret: string): Value => {
	const value = values.get(`${namespace}/${secret}`)
	if (!value) throw new Error(`${secret} was not read`)
	return value
}
const secretsPath = ({ namespace }: FloorBinding) => `/api/v1/namespaces/${namespace}/secrets`
const secretName = ({ name }: FloorBinding) => `floor-${name}`

async function get(binding: FloorBinding): Promise<void> {
	try {
		await transport.request({ method: 'GET', path: `${secretsPath(binding)}/${secretName(binding)}` })
	} catch (error) {
		if (!isKubeError(error, 'notFound')) throw error
	}
}

async function post(binding: FloorBinding): Promise<void> {
	const stringData = Object.fromEntries(binding.secrets.map((of) => [of, secretOf(binding, of).value]))
	const body = { metadata: { name: secretName(binding) }, stringData }
	await transport.request({ method: 'POST', path: secretsPath(binding), body })
}

const statusPath = ({ namespace, name }: FloorBinding) => `${bindingsPath(namespace)}/${name}/status`

/** What the operator left, so that the floor writes the first status of each binding as well. */
const clear = (binding: FloorBinding) =>
	transport.request<void>({ method: 'PATCH', path: statusPath(binding), body: { status: null } })

/** With as many fields as the operator's. */
async function report(binding: FloorBinding): Promise<void> {
	const now = timeOf(new Date())
	const is = (type: string) => ({
		type,
		status: 'True',
		reason: 'Floor',
		lastTransitionTime: now,
		observedGeneration: 1,
	})
	const status = {
		observedGeneration: 1,
		conditions: [
			{ ...is('Ready'), message: 'All secrets that the spec asks for are in the Secret.' },
			{ ...is('Fresh'), message: 'What is delivered is what the vault says.' },
		],
		secrets: binding.secrets.map((name) => {
			const { version, updated } = secretOf(binding, name)
			return { name, objectName: name, version, updated, state: 'Current' }
		}),
		synced: `${binding.secrets.length}/${binding.secrets.length}`,
		secretName: secretName(binding),
		lastChangeTime: now,
		lastCheckTime: now,
	}
	await transport.request({ method: 'PATCH', path: statusPath(binding), body: { status } })
}

const bindings = inTurn(
	options.tenants.map(({ namespace, bindings }) => bindings.map((each) => ({ namespace, ...each }))),
)
// No part of the floor.
await pool(bindings, options.calls, clear)
// Without its start: it is run from source, which the operator is not.
const cpuBefore = usageOfThis().cpu
const began = performance.now()
// Each binding by itself, not one kind of request after the other: what one waits for the others use.
await pool(bindings, options.reads, async (binding) => {
	for (const name of binding.secrets) await read(binding.namespace, name)
	await get(binding)
	await post(binding)
	await report(binding)
})
tell({
	reads: values.size,
	throttled,
	bindings: bindings.length,
	seconds: (performance.now() - began) / 1000,
	cpu: usageOfThis().cpu - cpuBefore,
} satisfies FloorResult)
await transport.close()
agent.destroy()
process.stdin.destroy()
