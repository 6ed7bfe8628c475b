import { createPrivateKey, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import {
	type BindingObject,
	condition,
	isTrue,
	manifest,
	openStage,
	type SecretView,
	type Stage,
	value,
} from './stage.ts'

describe('how values become files', () => {
	let stage: Stage
	beforeAll(async () => {
		stage = await openStage({ name: 'bytes' })
		await stage.start()
	})
	afterAll(() => stage?.close())
	const set = (name: string, text: string) =>
		stage.emulator.control.setSecret({ vault: stage.vault, name, value: text })
	const bytes = (secret: SecretView | undefined, key: string) => Buffer.from(secret?.data?.[key] ?? 'none', 'base64')
	const shown = ({ status }: BindingObject, name: string) => status?.secrets?.find((each) => each.name === name)
	const fits = (secret: SecretView | undefined, cert = 'tls.crt', key = 'tls.key') =>
		new X509Certificate(bytes(secret, cert)).checkPrivateKey(createPrivateKey(bytes(secret, key)))

	it('decodes and points as the spec says, and reads one value for two of its properties', async () => {
		await set('raw', '/+8A')
		const { version } = await set('db', '{"user":"app","password":"p\\u00e4ss","port":5432}')
		const since = Date.now()
		await stage.apply('forms', {
			secrets: [
				{ name: 'text', objectName: 'raw' },
				{ name: 'bytes', objectName: 'raw', decode: 'Base64' },
				{ name: 'password', objectName: 'db', version, property: '/password' },
				{ name: 'port', objectName: 'db', version, property: '/port' },
			],
		})
		await stage.wait('forms', 'Ready', (b) => isTrue(b, 'Ready') && isTrue(b, 'Fresh'))
		const secret = await stage.secret('forms-secrets')
		expect(value(secret, 'text')).toBe('/+8A')
		expect(bytes(secret, 'bytes')).toEqual(Buffer.from([0xff, 0xef, 0]))
		expect(value(secret, 'password')).toBe('päss')
		expect(value(secret, 'port')).toBe('5432')
		expect(manifest(secret)).toMatchObject({
			secrets: { bytes: { objectName: 'raw', form: 'decode=Base64' }, port: { form: 'property=/port' } },
		})
		// A pin is read once, and again at every tenth poll; each poll but the first lists.
		const requests = (await stage.emulator.control.requests({ since })).filter(({ status }) => status === 200)
		const reads = requests.filter(({ route, secret: name }) => route.startsWith('getSecret') && name === 'db')
		const lists = requests.filter(({ route }) => route === 'listSecrets')
		expect(reads.length).toBeGreaterThan(0)
		expect(reads.length).toBeLessThanOrEqual(1 + Math.floor((lists.length + 1) / 10))
	})

	it('follows a change of the form alone', async () => {
		await stage.apply('forms', {
			secrets: [
				{ name: 'text', objectName: 'raw', decode: 'Base64' },
				{ name: 'bytes', objectName: 'raw' },
			],
		})
		await until('the new forms', async () => value(await stage.secret('forms-secrets'), 'bytes') === '/+8A')
		expect(bytes(await stage.secret('forms-secrets'), 'text')).toEqual(Buffer.from([0xff, 0xef, 0]))
	})

	it('keeps the last good bytes of the one that does not decode, and delivers the others', async () => {
		await set('one', 'aa')
		await set('two', 'bb')
		await stage.apply('nine', {
			secrets: [
				{ name: 'one', decode: 'Hex' },
				{ name: 'two', decode: 'Hex' },
			],
		})
		await stage.wait('nine', 'Fresh', (b) => isTrue(b, 'Fresh'))
		await set('one', 'canary-7Hq2x')
		await set('two', 'cc')
		const binding = await stage.wait('nine', 'the reason', (b) => condition(b, 'Fresh')?.reason === 'DecodeFailed')
		expect(isTrue(binding, 'Ready')).toBe(true)
		expect(condition(binding, 'Fresh')?.message).toContain('(one)')
		expect(condition(binding, 'Fresh')?.message).toContain('an even number of the digits')
		expect(JSON.stringify(binding)).not.toContain('7Hq2x')
		expect(shown(binding, 'one')).toMatchObject({ state: 'Current', reason: 'DecodeFailed' })
		await until('the other', async () => bytes(await stage.secret('nine-secrets'), 'two')[0] === 0xcc)
		expect(bytes(await stage.secret('nine-secrets'), 'one')).toEqual(Buffer.from([0xaa]))
		await set('one', 'dd')
		await stage.wait('nine', 'Fresh again', (b) => isTrue(b, 'Fresh'))
		expect(bytes(await stage.secret('nine-secrets'), 'one')).toEqual(Buffer.from([0xdd]))
	})

	it.each(['application/x-pkcs12', 'application/x-pem-file'] as const)(
		'makes a TLS Secret of a certificate kept as %s, and renews certificate and key together',
		async (contentType) => {
			const name = contentType.replace('application/x-', 'c-')
			const issue = () => stage.emulator.control.addCertificate({ vault: stage.vault, name, contentType })
			const first = await issue()
			await stage.apply(name, {
				certificates: [{ objectName: name, cert: 'tls.crt', key: 'tls.key' }],
				delivery: { secret: { name: `${name}-secrets`, type: 'kubernetes.io/tls' } },
			})
			const binding = await stage.wait(name, 'Ready', (b) => isTrue(b, 'Ready') && isTrue(b, 'Fresh'))
			expect(binding.status).toMatchObject({ synced: '2/2' })
			const secret = await stage.secret(`${name}-secrets`)
			expect(secret?.type).toBe('kubernetes.io/tls')
			expect(fits(secret)).toBe(true)
			expect(value(secret, 'tls.key')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
			const entry = { objectName: name, version: first.version, contentType }
			expect(manifest(secret)).toMatchObject({
				secrets: {
					'tls.crt': { ...entry, form: 'certificate=cert+chain' },
					'tls.key': { ...entry, form: 'certificate=key' },
				},
			})
			const { version } = await issue()
			await stage.wait(name, 'the new version', (b) => shown(b, 'tls.crt')?.version === version)
			const renewed = await stage.secret(`${name}-secrets`)
			expect(fits(renewed)).toBe(true)
			expect(value(renewed, 'tls.crt')).not.toBe(value(secret, 'tls.crt'))
		},
	)

	it('renews both files when somebody edited one while a new version came', async () => {
		const name = 'edited'
		await stage.emulator.control.addCertificate({ vault: stage.vault, name })
		await stage.apply(name, { certificates: [{ objectName: name, cert: 'tls.crt', key: 'tls.key' }] })
		await stage.wait(name, 'Fresh', (b) => isTrue(b, 'Fresh'))
		const path = `/api/v1/namespaces/${stage.namespace}/secrets/${name}-secrets`
		await stage.merge(path, { data: { 'tls.key': 'eA==' } }, { fieldManager: 'somebody' })
		await stage.emulator.control.addCertificate({ vault: stage.vault, name })
		await stage.annotate(name, { 'secrets.purista.dev/requested-at': 'now' })
		await until('a pair', async () => {
			const secret = await stage.secret(`${name}-secrets`)
			return value(secret, 'tls.key') !== 'x' && fits(secret)
		})
	})

	it('says why a certificate cannot be used, and touches neither file', async () => {
		const name = 'broken'
		const { control } = stage.emulator
		const contentType = 'application/x-pem-file'
		// A certificate's own secret cannot be overwritten in a vault; an ordinary one with the same value can.
		await control.addCertificate({ vault: stage.vault, name: 'good', contentType })
		const { value: pem } = await control.getSecret({ vault: stage.vault, name: 'good' })
		await control.setSecret({ vault: stage.vault, name, value: pem, contentType })
		await stage.apply(name, { certificates: [{ objectName: name, cert: 'tls.crt', key: 'tls.key' }] })
		await stage.wait(name, 'Fresh', (b) => isTrue(b, 'Fresh'))
		const before = await stage.secret(`${name}-secrets`)
		await set(name, 'no certificate')
		const binding = await stage.wait(name, 'the reason', (b) => condition(b, 'Fresh')?.reason === 'CertificateUnusable')
		expect(condition(binding, 'Fresh')?.message).toContain(
			'(tls.crt, tls.key) in the vault v-bytes cannot be used: its content type',
		)
		expect(isTrue(binding, 'Ready')).toBe(true)
		expect((await stage.secret(`${name}-secrets`))?.data).toEqual(before?.data)
	})
})
