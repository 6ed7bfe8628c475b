import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { bundle, type Handler, json, TENANT, useHostile, VAULT, VERSION } from './testing/hostile.ts'
import { ask, faultOf } from './testing/tenant.ts'

const MIB = 1024 * 1024

describe('a vault that an attacker runs', () => {
	const hostile = useHostile()
	const read = (version?: string) => hostile.open().read('db', version, ask())

	/** Ends with the connection: the client has given up. */
	const drip: Handler = (_, response) => {
		response.writeHead(200, { 'content-type': 'application/json' })
		response.write('{')
		const timer = setInterval(() => response.write(' '), 500)
		response.on('close', () => clearInterval(timer))
	}
	const stalls: [string, Handler][] = [
		['its headers', () => {}],
		[
			'its body',
			(_, response) => {
				response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1_000 })
				response.write('{"value":')
			},
		],
		['each byte for half a second', drip],
		[
			'the body of an error',
			(_, response) => {
				response.writeHead(503, { 'content-length': 1_000 })
				response.write('{')
			},
		],
	]

	it.each(stalls)('that holds back %s ends at the deadline', async (_, handler) => {
		hostile.vault = handler
		expect(await faultOf(read())).toBe('timeout')
	})

	it.each(stalls)('and an Entra that holds back %s as well', async (_, handler) => {
		hostile.token = handler
		expect(await faultOf(read())).toBe('entraUnavailable')
	})

	it('a link to the next page on another host is not followed, and no token goes there', async () => {
		for (const nextLink of [
			'https://other.test/secrets?x',
			`https://${VAULT}:444/secrets`,
			'https://two.vault.test/',
		]) {
			hostile.vault = (_, response) => json(response, { value: [], nextLink })
			expect(await faultOf(hostile.open().list({ pages: 9 }, ask()))).toBe('garbage')
		}
		expect(hostile.elsewhere).toEqual([])
	})

	it('a redirect to another host is not followed', async () => {
		hostile.vault = (_, response) => json(response, {}, 307, { location: 'https://other.test/secrets/db' })
		expect(await faultOf(read())).toBe('garbage')
		expect(hostile.elsewhere).toEqual([])
	})

	it('a body without end is cut, and so is one that says how long it is', async () => {
		let sent = 0
		hostile.vault = (_, response) => {
			response.writeHead(200, { 'content-type': 'application/json' })
			const more = () => {
				while (!response.destroyed && sent < 900 * MIB) {
					sent += MIB
					if (!response.write(Buffer.alloc(MIB, 0x20))) {
						response.once('drain', more)
						return
					}
				}
			}
			more()
		}
		expect(await faultOf(read())).toBe('garbage')
		// What stands in the buffers of both ends was sent as well.
		expect(sent).toBeLessThan(64 * MIB)
		hostile.vault = (_, response) => {
			response.writeHead(200, { 'content-length': 900 * MIB })
			response.write('{')
		}
		expect(await faultOf(read())).toBe('garbage')
	})

	it('nothing packed is asked for, and none is unpacked', async () => {
		let accepted: string | undefined
		const bomb = gzipSync(Buffer.alloc(64 * MIB))
		hostile.vault = (request, response) => {
			accepted = String(request.headers['accept-encoding'])
			response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
			response.end(bomb)
		}
		expect(await faultOf(read())).toBe('garbage')
		expect(accepted).toBe('identity')
	})

	it('JSON that is nested deep is garbage, and with an error status the status counts', async () => {
		const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
		hostile.vault = (_, response) => json(response, deep)
		expect(await faultOf(read())).toBe('garbage')
		hostile.vault = (_, response) => json(response, deep, 429)
		expect(await faultOf(read())).toBe('throttled')
	})

	it.each<[string, object]>([
		['a value that is a number', { value: 5 }],
		['a value that is an object', { value: { a: 1 } }],
		['no value', { value: undefined }],
		['the id of another secret', { id: `https://${VAULT}/secrets/other/${VERSION}` }],
		['an id without a version', { id: `https://${VAULT}/secrets/db` }],
		['a version that is none', { id: `https://${VAULT}/secrets/db/latest` }],
		['a content type that is a number', { contentType: 5 }],
		['enabled as text', { attributes: { enabled: 'yes', updated: 1 } }],
		['a time that is text', { attributes: { enabled: true, updated: 'soon' } }],
		['tags that are a list', { tags: ['a'] }],
		['a tag that is a number', { tags: { a: 1 } }],
	])('%s is garbage', async (_, given) => {
		hostile.vault = (__, response) => json(response, bundle(given))
		expect(await faultOf(read())).toBe('garbage')
	})

	it('another version than the one that was asked for is garbage', async () => {
		expect(await faultOf(read('f'.repeat(32)))).toBe('garbage')
		expect((await read(VERSION)).version).toBe(VERSION)
	})

	it('versions of another secret are garbage', async () => {
		const item = { id: `https://${VAULT}/secrets/other/${VERSION}`, attributes: { enabled: true } }
		hostile.vault = (_, response) => json(response, { value: [item] })
		expect(await faultOf(hostile.open().versions('db', { pages: 2 }, ask()))).toBe('garbage')
	})

	it('tells that it belongs to another tenant, without a request to Entra', async () => {
		hostile.tenant = '33333333-3333-3333-3333-33333333333A'
		await expect(read()).rejects.toMatchObject({
			fault: { kind: 'otherTenant', tenant: '33333333-3333-3333-3333-33333333333a' },
		})
		hostile.tenant = 'common'
		expect(await faultOf(read())).toBe('garbage')
		expect(hostile.exchanges).toBe(0)
	})

	it('ids in capitals work', async () => {
		hostile.tenant = 'ABCDEF00-1111-1111-1111-111111111111'
		const key = { tenantId: 'ABCDEF00-1111-1111-1111-111111111111', vaultUrl: `https://${VAULT.toUpperCase()}` }
		expect((await hostile.open({}, key).read('db', undefined, ask())).value()).toBe('v')
	})

	it('what the library refuses by itself is no outage', async () => {
		hostile.tenant = TENANT
		expect(await faultOf(hostile.open({}, { clientId: '' }).read('db', undefined, ask()))).toBe('identityRefused')
		expect(hostile.exchanges).toBe(0)
	})

	it('a list keeps the tags that are named, and tells when another one changed', async () => {
		let other = 'x'.repeat(512)
		hostile.vault = (_, response) =>
			json(response, {
				value: [{ id: `https://${VAULT}/secrets/db`, attributes: { enabled: true }, tags: { team: 'a', other } }],
			})
		const session = hostile.open()
		session.follow('team/one', { objects: new Set(), interval: 1, tags: new Set(['team']) })
		const list = async () => {
			const listing = await session.list({ pages: 1 }, ask())
			return listing.complete ? listing.items.get('db') : undefined
		}
		const before = await list()
		expect(before?.tags).toEqual({ team: 'a' })
		other = 'y'
		expect((await list())?.tagsDigest).not.toBe(before?.tagsDigest)
		session.follow('team/two', { objects: new Set(), interval: 1, tags: new Set(['other']) })
		// Also for a question that the answer before would do for: it lacks a tag that somebody follows now.
		const listing = await session.list({ pages: 1 }, ask({ since: 0 }))
		expect(listing.complete && listing.items.get('db')?.tags).toEqual({ team: 'a', other: 'y' })
	})

	it('a list that is larger than there is room for is told as such', async () => {
		let page = 0
		hostile.vault = (_, response) => {
			const first = 25 * page++
			json(response, {
				value: Array.from({ length: 25 }, (__, i) => ({
					id: `https://${VAULT}/secrets/s${first + i}`,
					attributes: { enabled: true },
					tags: Object.fromEntries(Array.from({ length: 15 }, (___, n) => [`${n}`, 'x'.repeat(512)])),
				})),
				nextLink: `https://${VAULT}/secrets?page=${page}`,
			})
		}
		const session = hostile.open({ callsPerSecond: 400 })
		expect(await faultOf(session.list({ pages: Number.POSITIVE_INFINITY }, ask()))).toBe('listTooLarge')
		// 16 kB each: 8 MiB are 520 of them.
		expect(page).toBeLessThan(30)
	})
})
