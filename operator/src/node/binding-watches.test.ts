import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import { type ScriptedServer, startScriptedServer } from '../cluster/testing/api-server.ts'
import { createKubeTransport, type KubeTransport } from '../cluster/transport.ts'
import { systemClock } from '../process/clock.ts'
import { type BindingWatches, createBindingWatches } from './binding-watches.ts'

let server: ScriptedServer
let transport: KubeTransport
let watches: BindingWatches
let stop: AbortController

beforeEach(async () => {
	server = await startScriptedServer()
	transport = createKubeTransport({ kubeConfig: server.kubeConfig() })
	stop = new AbortController()
	watches = createBindingWatches({ transport, clock: systemClock, random: () => 0, signal: stop.signal })
})
afterEach(async () => {
	stop.abort()
	await transport.close()
	await server.close()
})

const binding = (uid: string) => ({
	apiVersion: 'secrets.purista.dev/v1alpha1',
	kind: 'AzureSecretBinding',
	metadata: { namespace: 'team', name: 'payments', uid, generation: 1, resourceVersion: '2' },
	spec: { identity: { serviceAccountName: 'app' }, secrets: [{ name: 'db' }], delivery: { type: 'Volume' } },
})

it('pods of one namespace that name bindings without end leave others as many watches as they have', () => {
	const followAll = (namespace: string) => {
		let followed = 0
		while (watches.whyNot(namespace, `b${followed}`) === undefined) watches.follow(namespace, `b${followed++}`)
		return followed
	}
	// More than there are pods on a node.
	expect(followAll('greedy')).toBe(128)
	expect(watches.whyNot('greedy', 'one-more')).toContain('of the namespace greedy')
	// One that is followed already costs nothing.
	expect(watches.whyNot('greedy', 'b0')).toBeUndefined()
	// A name that begins alike is another namespace.
	expect(['greedy-too', 'other', 'third'].map(followAll)).toEqual([64, 32, 16])
	expect(watches.whyNot('fourth', 'a')).toBeUndefined()
})

it('a binding that was made anew under its name is another one, also where nobody saw it go', async () => {
	const followed = watches.follow('team', 'payments')
	server.answer({ json: { metadata: { resourceVersion: '1' }, items: [binding('one')] } })
	await until('the binding', async () => followed.synced)
	const { changedAt } = followed
	const event = `${JSON.stringify({ type: 'MODIFIED', object: binding('two') })}\n`
	server.answer({ chunks: [event], after: 'hold' })
	await until('the other one', async () => JSON.stringify(followed.object).includes('"two"'))
	expect(followed.changedAt).toBeGreaterThan(changedAt)
	followed.release()
	expect(watches.size).toBe(0)
})
