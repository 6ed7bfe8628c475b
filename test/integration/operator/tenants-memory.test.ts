import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LIMIT_MIB, limitOf, MIB, startChild } from './memory-limit.ts'

/** Half as many as the operator has workers: what they ask for first has 450 MiB of text. */
const NAMESPACES = 16
const PODS = 48
// With so much in its annotation and in what others wrote into its status a page of 50 has 30 MiB.
const POD_BYTES = 600 * 1024

const server = createServer((request, response) => {
	const { searchParams } = new URL(request.url ?? '', 'http://server')
	const first = Number(searchParams.get('continue') ?? 0)
	const count = Math.min(Number(searchParams.get('limit')), PODS - first)
	const items = Array.from({ length: count }, (_, i) => ({
		metadata: { name: `p-${first + i}`, annotations: { 'tenant.example/large': 'x'.repeat(POD_BYTES) } },
		spec: { containers: [] },
		status: {},
	}))
	const next = first + count < PODS ? { continue: String(first + count) } : {}
	response.setHeader('content-type', 'application/json')
	response.end(JSON.stringify({ metadata: next, items }))
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => server.close())

it('lists of large pods for many namespaces at once stay within the memory of the pod', async () => {
	const limit = limitOf()
	try {
		const { child, ended } = startChild('pods-child.ts', limit)
		const { port } = server.address() as AddressInfo
		child.stdin.write(`${JSON.stringify({ server: `http://127.0.0.1:${port}`, namespaces: NAMESPACES })}\n`)
		const said = await text(child.stdout)
		expect(await ended).toBe(0)
		const { seen, rss } = JSON.parse(said) as { seen: number[]; rss: number }
		expect(seen).toEqual(Array.from({ length: NAMESPACES }, () => PODS))
		expect(rss).toBeLessThan(LIMIT_MIB * MIB)
	} finally {
		limit.remove()
	}
}, 240_000)
