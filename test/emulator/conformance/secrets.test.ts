// Bodies, key order, paging, limits and semantics.
import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Answer, API, type Bench, itemsOf, openBench } from './kit.ts'

const keys = (value: object): string[] => Object.keys(value)

describe('secrets', () => {
	let bench: Bench
	const put = (name: string, body: object): Promise<Answer> =>
		bench.raw(`/secrets/${name}?${API}`, { method: 'PUT', body })
	beforeAll(async () => {
		bench = await openBench()
	})
	afterAll(() => bench.close())

	describe('bodies', () => {
		it('answers a set with value, contentType, id, attributes, tags in this order and enabled, nbf, exp, created, updated, recoveryLevel, recoverableDays inside', async () => {
			const answer = await put('Full', {
				value: 'v',
				contentType: 'text/plain',
				tags: { a: 'b' },
				attributes: { enabled: true, nbf: 1559081980, exp: 1798761600 },
			})
			expect(answer.status).toBe(200)
			expect(keys(answer.bundle)).toEqual(['value', 'contentType', 'id', 'attributes', 'tags'])
			expect(keys(answer.bundle.attributes)).toEqual([
				'enabled',
				'nbf',
				'exp',
				'created',
				'updated',
				'recoveryLevel',
				'recoverableDays',
			])
			expect(answer.body).toMatchObject({
				value: 'v',
				contentType: 'text/plain',
				tags: { a: 'b' },
				attributes: {
					enabled: true,
					nbf: 1559081980,
					exp: 1798761600,
					recoveryLevel: 'Recoverable+Purgeable',
					recoverableDays: 90,
				},
			})
			expect((await bench.raw(`/secrets/full?${API}`)).text).toBe(answer.text)
		})

		it('omits absent things: no tags, contentType, nbf, exp, managed or kid keys when unset; enabled default true', async () => {
			const { bundle: json } = await put('bare', { value: 'v', attributes: {} })
			expect(keys(json)).toEqual(['value', 'id', 'attributes'])
			expect(keys(json.attributes)).toEqual(['enabled', 'created', 'updated', 'recoveryLevel', 'recoverableDays'])
			expect(json.attributes.enabled).toBe(true)
		})

		it('gives versions of 32 lower-case hex characters and ids https://host/secrets/{name}/{version}', async () => {
			const { bundle: json } = await put('shape', { value: 'v' })
			const origin = bench.emulator.vaultUrl('payments')
			expect(json.id).toMatch(new RegExp(`^${origin}/secrets/shape/[0-9a-f]{32}$`))
		})

		it('makes a new version each time, also when the value is equal', async () => {
			const [one, two] = [await put('twice', { value: 'v' }), await put('twice', { value: 'v' })]
			expect(one.bundle.id).not.toBe(two.bundle.id)
		})

		it('compares names and ids case-insensitively and keeps the case of the first write', async () => {
			const first = await put('CamelCase', { value: 'one' })
			const second = await put('camelcase', { value: 'two' })
			expect(second.bundle.id).toContain('/secrets/CamelCase/')
			const version = (first.bundle.id as string).split('/').at(-1) ?? ''
			expect((await bench.raw(`/secrets/CAMELCASE/${version.toUpperCase()}?${API}`)).bundle.value).toBe('one')
		})

		it('counts times in whole seconds of the emulator clock', async () => {
			const { bundle: json } = await put('seconds', { value: 'v' })
			expect(Number.isInteger(json.attributes.created)).toBe(true)
			const { now } = await bench.emulator.control.advanceClock({ seconds: 3_600 })
			const later = await put('seconds', { value: 'v' })
			expect(later.bundle.attributes.created).toBeGreaterThanOrEqual(Math.floor(now / 1000))
			expect(later.bundle.attributes.created - json.attributes.created).toBeGreaterThanOrEqual(3_600)
			const date = Date.parse(later.headers.date ?? '') / 1000
			expect(date - later.bundle.attributes.created).toBeGreaterThanOrEqual(0)
			expect(date - later.bundle.attributes.created).toBeLessThan(60)
			await bench.emulator.control.advanceClock({ seconds: -3_600 })
		})

		it('stores an empty string as an empty value', async () => {
			await put('empty', { value: '' })
			expect((await bench.raw(`/secrets/empty?${API}`)).bundle.value).toBe('')
		})

		it('passes every character through, byte-exact', async () => {
			const value = '\r\n\t"\\\u0000é漢😀\u2028 trailing \n'
			await put('bytes', { value })
			expect((await bench.raw(`/secrets/bytes?${API}`)).bundle.value).toBe(value)
		})

		it('answers PATCH without the value, bumps updated, and leaves what is missing unchanged', async () => {
			const set = await put('patched', { value: 'v', contentType: 'a', tags: { t: '1' } })
			await bench.emulator.control.advanceClock({ seconds: 5 })
			const answer = await bench.raw(`/secrets/patched?${API}`, {
				method: 'PATCH',
				body: { attributes: { exp: 1798761600 } },
			})
			expect(answer.status).toBe(200)
			expect(keys(answer.bundle)).toEqual(['contentType', 'id', 'attributes', 'tags'])
			expect(answer.body).toMatchObject({ id: set.bundle.id, contentType: 'a', tags: { t: '1' } })
			expect(answer.bundle.attributes.exp).toBe(1798761600)
			expect(answer.bundle.attributes.created).toBe(set.bundle.attributes.created)
			expect(answer.bundle.attributes.updated - set.bundle.attributes.updated).toBeGreaterThanOrEqual(5)
			expect((await bench.raw(`/secrets/patched?${API}`)).bundle.value).toBe('v')
		})

		// 2208992461, in 2040, is recorded; the last is 9999-12-31T23:59:59Z.
		it.each([2 ** 31 - 1, 2 ** 31, 2_208_992_461, 253_402_300_799])('takes %d for nbf and exp', async (time) => {
			const dates = { nbf: time, exp: time }
			expect((await put('far', { value: 'v', attributes: dates })).bundle.attributes).toMatchObject(dates)
			const patched = await bench.raw(`/secrets/far?${API}`, { method: 'PATCH', body: { attributes: dates } })
			expect(patched.bundle.attributes).toMatchObject(dates)
			expect((await bench.sdk().getSecret('far')).properties.expiresOn?.getTime()).toBe(time * 1000)
		})

		it('lets PATCH replace tags, and with {} remove them', async () => {
			await put('tags', { value: 'v', tags: { a: '1', b: '2' } })
			const answer = await bench.raw(`/secrets/tags?${API}`, { method: 'PATCH', body: { tags: {} } })
			expect(answer.bundle.tags).toEqual({})
		})
	})

	describe('limits', () => {
		it.each([
			['a value over 25 KB', { value: 'v'.repeat(25 * 1024 + 1) }],
			['a content type over 255', { value: 'v', contentType: 'c'.repeat(256) }],
			[
				'more than 15 tags',
				{ value: 'v', tags: Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`t${i}`, ''])) },
			],
			['a tag value over 512', { value: 'v', tags: { t: 'x'.repeat(513) } }],
			['a tag name over 512', { value: 'v', tags: { ['x'.repeat(513)]: '' } }],
			['no value', { attributes: {} }],
			['a value that is no string', { value: 1 }],
			['a time beyond the year 9999', { value: 'v', attributes: { exp: 253_402_300_800 } }],
			['a negative time', { value: 'v', attributes: { nbf: -1 } }],
			['a time with a fraction', { value: 'v', attributes: { nbf: 1.5 } }],
			['tags that are no strings', { value: 'v', tags: { a: 1 } }],
			['attributes that are a list', { value: 'v', attributes: [] }],
			['enabled that is a string', { value: 'v', attributes: { enabled: 'true' } }],
		])('refuses %s with 400 BadParameter', async (_what, body) => {
			const answer = await put('limits', body)
			expect([answer.status, answer.error.code]).toEqual([400, 'BadParameter'])
			expect((await bench.raw(`/secrets/limits?${API}`)).status).toBe(404)
		})

		it('accepts exactly 25 KB, 15 tags, 512 characters of a tag and 255 of a content type', async () => {
			const tags = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`t${i}`.padEnd(512, 'x'), 'v'.repeat(512)]))
			const answer = await put('atthelimit', { value: 'v'.repeat(25 * 1024), contentType: 'c'.repeat(255), tags })
			expect(answer.status).toBe(200)
		})

		it.each(['', '{', 'null', '[]', '"x"', '{"value":"\\ud800'])('refuses the body %j with 400', async (body) => {
			const answer = await bench.raw(`/secrets/x?${API}`, { method: 'PUT', body })
			expect([answer.status, answer.error.code]).toEqual([400, 'BadParameter'])
		})
	})

	describe('reading', () => {
		it('answers 404 SecretNotFound with its text for an unknown name, and {name}/{version} for an unknown version', async () => {
			const text = (id: string): string =>
				`A secret with (name/id) ${id} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`
			const unknown = await bench.raw(`/secrets/Nope?${API}`)
			expect([unknown.status, unknown.body]).toEqual([
				404,
				{ error: { code: 'SecretNotFound', message: text('Nope') } },
			])
			await put('known', { value: 'v' })
			const version = 'f'.repeat(32)
			const noVersion = await bench.raw(`/secrets/known/${version}?${API}`)
			expect([noVersion.status, noVersion.error.message]).toEqual([404, text(`known/${version}`)])
		})

		it('treats nbf and exp as informational: GET works before nbf and after exp', async () => {
			await put('dated', { value: 'v', attributes: { nbf: 2147483647, exp: 1 } })
			expect((await bench.raw(`/secrets/dated?${API}`)).bundle.value).toBe('v')
		})

		it('blocks a disabled secret with 403 SecretDisabled, without falling back to an older enabled version, which is readable by id', async () => {
			const old = await put('disabled', { value: 'old' })
			await put('disabled', { value: 'new', attributes: { enabled: false } })
			const answer = await bench.raw(`/secrets/disabled?${API}`)
			expect(answer.status).toBe(403)
			expect(answer.text).toBe(
				'{"error":{"code":"Forbidden","message":"Operation get is not allowed on a disabled secret.","innererror":{"code":"SecretDisabled"}}}',
			)
			const version = (old.bundle.id as string).split('/').at(-1)
			expect((await bench.raw(`/secrets/disabled/${version}?${API}`)).bundle.value).toBe('old')
		})

		it('lets PATCH without version hit the current version, and with a version that one; PATCHing an older version does not show in the list', async () => {
			const old = await put('older', { value: 'old' })
			const current = await put('older', { value: 'new' })
			const version = (old.bundle.id as string).split('/').at(-1)
			await bench.emulator.control.advanceClock({ seconds: 10 })
			await bench.raw(`/secrets/older/${version}?${API}`, { method: 'PATCH', body: { tags: { old: 'yes' } } })
			const item = await listed('older')
			expect([item.tags, item.attributes.updated]).toEqual([undefined, current.bundle.attributes.updated])
			await bench.raw(`/secrets/older?${API}`, { method: 'PATCH', body: { attributes: { enabled: false } } })
			expect((await listed('older')).attributes).toMatchObject({ enabled: false })
			expect((await bench.raw(`/secrets/older/${version}?${API}`)).bundle.tags).toEqual({ old: 'yes' })
		})
	})

	const listed = async (
		name: string,
	): Promise<{
		id: string
		tags?: object
		attributes: { enabled: boolean; updated: number; nbf: number; exp: number }
	}> => {
		let path: string | null = `/secrets?${API}`
		while (path !== null) {
			const { page: json }: Answer = await bench.raw(path)
			const found = json.value.find((item: { id: string }) => item.id.endsWith(`/secrets/${name}`))
			if (found) return found
			path =
				json.nextLink === null
					? null
					: new URL(json.nextLink as string).pathname + new URL(json.nextLink as string).search
		}
		throw new Error(`${name} is in no page`)
	}

	describe('lists', () => {
		it('has for the secret list ids without version, the attributes, tags and contentType of the current version, and never a value', async () => {
			await put('listed', { value: 'old', tags: { v: '1' } })
			await put('listed', { value: 'CANARY', contentType: 'x', tags: { v: '2' } })
			const item = await listed('listed')
			expect(keys(item)).toEqual(['contentType', 'id', 'attributes', 'tags'])
			expect(item).toMatchObject({ id: `${bench.emulator.vaultUrl('payments')}/secrets/listed`, tags: { v: '2' } })
			expect(JSON.stringify(item)).not.toContain('CANARY')
		})

		it('orders secrets by name, case-insensitive ascending', async () => {
			for (const name of ['zz-b', 'ZZ-A', 'zz-C', 'zz-1', 'zz']) await put(name, { value: 'v' })
			const names: string[] = []
			let path: string | null = `/secrets?${API}&maxresults=3`
			while (path !== null) {
				const { page: json }: Answer = await bench.raw(path)
				names.push(...json.value.map((item) => item.id.split('/').at(-1) ?? ''))
				path = json.nextLink === null ? null : (json.nextLink as string).replace(/^https:\/\/[^/]+/, '')
			}
			expect(names.filter((name) => name.toLowerCase().startsWith('zz'))).toEqual([
				'zz',
				'zz-1',
				'ZZ-A',
				'zz-b',
				'zz-C',
			])
			expect(names.map((name) => name.toLowerCase())).toEqual(names.map((name) => name.toLowerCase()).sort())
		})

		it('orders versions by version id ascending (not by time), full ids', async () => {
			const made: string[] = []
			for (let i = 0; i < 12; i += 1) made.push((await put('many', { value: `${i}` })).bundle.id as string)
			const ids = (await itemsOf(bench.raw, `/secrets/many/versions?${API}`)).map((item) => item.id)
			expect(ids).toEqual([...made].sort())
			expect(ids).not.toEqual(made)
			expect(keys((await bench.raw(`/secrets/many/versions?${API}`)).page)).toEqual(['value', 'nextLink'])
		})

		it('shows versions of one second with the same created: only GET without version tells the current one', async () => {
			const { control } = bench.emulator
			const made = []
			for (let i = 0; i < 7; i += 1)
				made.push(await control.setSecret({ vault: 'payments', name: 'tied', value: `${i}` }))
			const { page: json } = await bench.raw(`/secrets/tied/versions?${API}`)
			const times = new Set(json.value.map((item: { attributes: { created: number } }) => item.attributes.created))
			// Seven writes in process take milliseconds: they are in one second, or at its turn in two.
			expect(times.size).toBeLessThanOrEqual(2)
			expect((await bench.raw(`/secrets/tied?${API}`)).bundle.id).toBe(made.at(-1)?.id)
		})

		it('answers the versions of an unknown name with 200 and value: [], not 404', async () => {
			const answer = await bench.raw(`/secrets/never/versions?${API}`)
			expect([answer.status, answer.body]).toEqual([200, { value: [], nextLink: null }])
		})

		it('gives full pages of 25 when asked for them, and a nextLink that is an absolute URL with explicit port and $skiptoken', async () => {
			const { control } = bench.emulator
			await control.configure({ pages: 'full' })
			onTestFinished(() => control.configure({ pages: 'uneven' }))
			await control.createVault({ name: 'lists' })
			const secrets = Array.from({ length: 60 }, (_, i) => ({ name: `page-${String(i).padStart(3, '0')}`, value: 'v' }))
			await control.setSecrets({ vault: 'lists', secrets })
			await control.grant({
				clientId: '11111111-1111-4111-8111-111111111111',
				role: 'Key Vault Reader',
				vault: 'lists',
			})
			const origin = bench.emulator.vaultUrl('lists')
			const sizes: number[] = []
			const seen = new Set<string>()
			let next: string | null = `${origin}/secrets?${API}`
			while (next !== null) {
				const { page: json }: Answer = await bench.raw(next.slice(origin.length), { origin })
				sizes.push(json.value.length)
				for (const item of json.value) seen.add(item.id as string)
				next = json.nextLink as string | null
				if (next !== null) {
					expect(next).toMatch(/^https:\/\/lists\.vault\.emu\.test:\d+\/secrets\?api-version=7\.6&\$skiptoken=[^&]+$/)
					const token = new URL(next).searchParams.get('$skiptoken') ?? ''
					expect(Object.keys(JSON.parse(Buffer.from(token, 'base64').toString()) as object)).toEqual([
						'NextMarker',
						'TargetLocation',
					])
				}
			}
			expect([sizes, seen.size]).toEqual([[25, 25, 10], 60])
		})

		it.each(['0', '26', '-1', 'x', '1.5', ''])('refuses maxresults=%s: it is 1 to 25', async (count) => {
			expect((await bench.raw(`/secrets?${API}&maxresults=${count}`)).status).toBe(400)
		})

		it('refuses a skip token that is not its own', async () => {
			for (const token of ['x', 'e30=', Buffer.from('{"NextMarker":1}').toString('base64')]) {
				expect((await bench.raw(`/secrets?${API}&$skiptoken=${encodeURIComponent(token)}`)).status).toBe(400)
			}
		})
	})

	describe('certificates', () => {
		it('shows a certificate as a secret of the same name with managed:true, kid and its contentType, PFX or PEM', async () => {
			const { control } = bench.emulator
			await control.addCertificate({ vault: 'payments', name: 'shop' })
			await control.addCertificate({ vault: 'payments', name: 'shop-pem', contentType: 'application/x-pem-file' })
			const pfx = await bench.raw(`/secrets/shop?${API}`)
			expect(keys(pfx.bundle)).toEqual(['value', 'contentType', 'id', 'managed', 'attributes', 'tags', 'kid'])
			expect(pfx.bundle.tags).toEqual({})
			expect(pfx.body).toMatchObject({ contentType: 'application/x-pkcs12', managed: true })
			expect(pfx.bundle.kid).toBe(pfx.bundle.id.replace('/secrets/', '/keys/'))
			const pem = await bench.raw(`/secrets/shop-pem?${API}`)
			expect(pem.bundle.value).toMatch(/^-----BEGIN PRIVATE KEY-----[\s\S]+-----BEGIN CERTIFICATE-----/)
			const item = await listed('shop')
			expect(keys(item)).toEqual(['contentType', 'id', 'managed', 'attributes'])
			const [, certificate = ''] = /(-----BEGIN CERT[\s\S]+)$/.exec(pem.bundle.value) ?? []
			const { validFrom, validTo } = new X509Certificate(certificate)
			const { attributes } = (await bench.raw(`/secrets/shop-pem?${API}`)).bundle
			expect([attributes.nbf, attributes.exp]).toEqual([Date.parse(validFrom) / 1000, Date.parse(validTo) / 1000])
			expect(item.attributes.exp).toBeGreaterThan(item.attributes.nbf)
		})

		it('gives a PFX without a password that OpenSSL reads, with the key of its certificate', async () => {
			const { createSecureContext } = await import('node:tls')
			await bench.emulator.control.addCertificate({ vault: 'payments', name: 'pfx' })
			const { bundle: json } = await bench.raw(`/secrets/pfx?${API}`)
			const pfx = Buffer.from(json.value as string, 'base64')
			expect(() => createSecureContext({ pfx, passphrase: '' })).not.toThrow()
			expect(() => createSecureContext({ pfx, passphrase: 'wrong' })).toThrow(/mac verify failure/i)
		})

		it('has previousVersion for certificate-backed secrets only', async () => {
			const first = await bench.emulator.control.addCertificate({ vault: 'payments', name: 'renewed' })
			await bench.emulator.control.addCertificate({ vault: 'payments', name: 'renewed' })
			expect((await bench.raw(`/secrets/renewed?${API}`)).bundle.previousVersion).toBe(first.version)
			await put('plain', { value: '1' })
			expect((await put('plain', { value: '2' })).body).not.toHaveProperty('previousVersion')
		})

		it('converts PFX to PEM for outContentType, and refuses everything else with its text', async () => {
			await bench.emulator.control.addCertificate({ vault: 'payments', name: 'convert' })
			const query = 'api-version=2025-07-01&outContentType=application/x-pem-file'
			const pem = await bench.raw(`/secrets/convert?${query}`)
			expect([pem.status, pem.bundle.contentType]).toEqual([200, 'application/x-pem-file'])
			expect(pem.bundle.value).toContain('-----BEGIN CERTIFICATE-----')
			await put('text', { value: 'v' })
			const refused = await bench.raw(`/secrets/text?${query}`)
			expect([refused.status, refused.error]).toEqual([
				400,
				{
					code: 'BadParameter',
					message:
						"The 'Unsupported' to 'PEM' transformation is not supported. Only PFX to PEM transformation is supported.",
				},
			])
		})

		it('does not let the secret routes write, change or delete a managed secret', async () => {
			await bench.emulator.control.addCertificate({ vault: 'payments', name: 'guarded' })
			const path = `/secrets/guarded?${API}`
			for (const [method, body] of [
				['PUT', { value: 'v' }],
				['PATCH', { tags: {} }],
				['DELETE', undefined],
			] as const) {
				const answer = await bench.raw(path, { method, ...(body === undefined ? {} : { body }) })
				const operation = { PUT: 'set', PATCH: 'update', DELETE: 'delete' }[method]
				expect([answer.status, answer.error.message]).toEqual([
					403,
					`Operation "${operation}" is not allowed as this object's lifetime is managed by Key Vault.`,
				])
			}
		})

		it('lets a managed secret be disabled and enabled', async () => {
			await bench.emulator.control.addCertificate({ vault: 'payments', name: 'switched' })
			const path = `/secrets/switched?${API}`
			const turn = (enabled: boolean) => bench.raw(path, { method: 'PATCH', body: { attributes: { enabled } } })
			expect((await turn(false)).bundle.attributes.enabled).toBe(false)
			expect((await bench.raw(path)).error.innererror?.code).toBe('SecretDisabled')
			expect((await turn(true)).bundle.attributes.enabled).toBe(true)
			expect((await bench.raw(path)).status).toBe(200)
		})
	})
})
