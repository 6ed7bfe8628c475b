// Sessions that all list one vault at once, in a process of its own, so that its memory can be limited. Told by one line of JSON on
// stdin; prints what it found as one line of JSON.
import { randomUUID } from 'node:crypto'
import { Agent } from 'node:https'
import { createInterface } from 'node:readline/promises'
import { connect } from 'node:tls'
import { VaultError } from '../../../operator/src/ports/vault.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { createVaults } from '../../../operator/src/vault/pool.ts'

interface Plan {
	port: number
	ca: string
	vaultUrl: string
	authorityHost: string
	tenantId: string
	sessions: number
	tags: string[]
}

const [line] = await createInterface({ input: process.stdin })
	[Symbol.asyncIterator]()
	.next()
	.then(({ value }) => [value as string])
const plan = JSON.parse(line ?? '') as Plan
const agent = new Agent({ keepAlive: true })
agent.createConnection = ((given: object) =>
	connect({ ...given, host: '127.0.0.1', port: plan.port, ca: plan.ca })) as unknown as typeof agent.createConnection
const vaults = createVaults({
	clock: systemClock,
	random: () => 0,
	tokens: { request: async () => ({ token: 'a.e30.c', expiresAt: Date.now() + 600_000 }) },
	authorityHost: plan.authorityHost,
	disableInstanceDiscovery: true,
	agent,
	clusterName: 'child',
	vaultSuffixes: [],
	callsPerSecond: 400,
})
const list = async (i: number) => {
	const session = vaults.session({
		vaultUrl: plan.vaultUrl,
		tenantId: plan.tenantId,
		clientId: randomUUID(),
		audience: 'api://AzureADTokenExchange',
		namespace: `team-${i}`,
		serviceAccount: 'app',
		serviceAccountUid: 'uid',
	})
	session.follow(`team-${i}/b`, { objects: new Set(), interval: 1, tags: new Set(plan.tags) })
	const ask = { since: systemClock.monotonic(), lane: 'refresh', signal: new AbortController().signal } as const
	try {
		const listing = await session.list({ pages: 1_000 }, ask)
		return listing.complete ? listing.items.size : 'broken off'
	} catch (error) {
		if (error instanceof VaultError) return error.fault.kind
		throw error
	}
}
const found = await Promise.all(Array.from({ length: plan.sessions }, (_, i) => list(i)))
process.stdout.write(`${JSON.stringify({ found, rss: process.memoryUsage.rss() })}\n`)
process.exit(0)
