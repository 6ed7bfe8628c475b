import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, it } from 'vitest'
import { PlainHeaders, usePlainHeaders } from './headers.ts'

const ofNode = globalThis.Headers
afterEach(() => {
	Object.defineProperty(globalThis, 'Headers', { value: ofNode, configurable: true, writable: true })
})

/** What a caller sees of headers. */
function seen(headers: Headers | PlainHeaders) {
	const visited: [string, string][] = []
	headers.forEach((value, name) => {
		visited.push([name, value])
	})
	const lists = [[...headers], [...headers.entries()], visited].map((each) => each.toSorted())
	return { lists, keys: [...headers.keys()].toSorted(), values: [...headers.values()].toSorted() }
}

it.each([
	['nothing', undefined],
	['names and values', { 'Content-Type': 'application/grpc', te: 'trailers' }],
	[
		'pairs, one name twice',
		[
			['Grpc-Accept-Encoding', 'gzip'],
			['grpc-accept-encoding', 'br'],
		] as [string, string][],
	],
])('made of %s they are what those of node are', (_, from) => {
	expect(seen(new PlainHeaders(from))).toEqual(seen(new ofNode(from)))
	expect(seen(new PlainHeaders(new PlainHeaders(from)))).toEqual(seen(new ofNode(from)))
})

it('each change does what it does to those of node', () => {
	const [plain, reference] = [new PlainHeaders(), new ofNode()]
	for (const headers of [plain, reference]) {
		headers.append('Grpc-Status', '0')
		headers.append('grpc-status', '14')
		headers.set('Grpc-Message', 'waits')
		headers.set('grpc-message', 'is there')
		headers.set('gone', 'x')
		headers.delete('GONE')
	}
	expect(seen(plain)).toEqual(seen(reference))
	for (const name of ['GRPC-STATUS', 'grpc-message', 'gone', 'never'])
		expect([plain.get(name), plain.has(name)]).toEqual([reference.get(name), reference.has(name)])
})

it('stand in the place of those of node', () => {
	usePlainHeaders()
	expect(new Headers()).toBeInstanceOf(PlainHeaders)
})

it('keep node from loading its fetch', async () => {
	const program = `
		const { usePlainHeaders } = await import(${JSON.stringify(join(import.meta.dirname, 'headers.ts'))})
		usePlainHeaders()
		new Headers({ te: 'trailers' })
		process.stdout.write(process.moduleLoadList.filter((name) => name.includes('undici')).join())
	`
	const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
	expect(stdout).toBe('')
})
