// `/certificates` through the unmodified SDK: created by a policy, imported, renewed, each with its key and secret.
import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CertificateClient, type CertificatePolicy } from '@azure/keyvault-certificates'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API, type Bench, CLIENT, collect, openBench } from './kit.ts'

const POLL = { intervalInMs: 20 }
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
const POLICY: CertificatePolicy = {
	issuerName: 'Self',
	subject: 'CN=shop.example, O=Shop',
	subjectAlternativeNames: { dnsNames: ['shop.example', 'www.shop.example'] },
	keyType: 'RSA',
	keySize: 2048,
	contentType: 'application/x-pem-file',
	validityInMonths: 6,
	reuseKey: false,
	exportable: true,
}

describe('certificates', () => {
	let bench: Bench
	let client: CertificateClient
	let folder: string
	beforeAll(async () => {
		bench = await openBench({ visibilityDelayMs: 50 })
		await bench.emulator.control.grant({ clientId: CLIENT, role: 'Key Vault Administrator', vault: 'payments' })
		const agent = bench.emulator.agent()
		client = new CertificateClient(bench.emulator.vaultUrl('payments'), bench.credential(), { agent })
		folder = mkdtempSync(join(tmpdir(), 'emulator-certificates-'))
	})
	afterAll(async () => {
		rmSync(folder, { recursive: true, force: true })
		await bench.close()
	})
	const create = async (name: string, policy: CertificatePolicy = POLICY) =>
		(await client.beginCreateCertificate(name, policy, POLL)).pollUntilDone()
	const secretOf = async (name: string) => (await bench.raw(`/secrets/${name}?${API}`)).bundle

	it('are created self-signed by a policy, and their key and secret with them', async () => {
		const made = await create('shop')
		const x509 = new X509Certificate(made.cer ?? new Uint8Array())
		expect(x509.subject).toBe('CN=shop.example\nO=Shop')
		expect(x509.subjectAltName).toBe('DNS:shop.example, DNS:www.shop.example')
		expect(x509.verify(x509.publicKey)).toBe(true)
		expect(x509.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048)
		expect(x509.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
		const months = (Date.parse(x509.validTo) - Date.parse(x509.validFrom)) / 86_400_000
		expect(months).toBeGreaterThan(180)
		expect(months).toBeLessThan(186)
		expect(
			Buffer.from(made.properties.x509Thumbprint ?? [])
				.toString('hex')
				.toUpperCase(),
		).toBe(x509.fingerprint.replaceAll(':', ''))
		const { version } = made.properties
		expect([made.keyId, made.secretId]).toEqual(
			['keys', 'secrets'].map((area) => `${bench.emulator.vaultUrl('payments')}/${area}/shop/${version}`),
		)
		const secret = await secretOf('shop')
		expect([secret.id, secret.kid, secret.managed]).toEqual([made.secretId, made.keyId, true])
		expect([secret.attributes.nbf, secret.attributes.exp]).toEqual(
			[x509.validFrom, x509.validTo].map((text) => Date.parse(text) / 1000),
		)
		expect(x509.checkPrivateKey(createPrivateKey(secret.value))).toBe(true)
		const key = (await bench.raw(`/keys/shop?${API}`)).body as { key: { n: string }; managed: boolean }
		expect([key.managed, key.key.n]).toEqual([true, x509.publicKey.export({ format: 'jwk' }).n])
	})

	it('are pending until asked, with a certificate request that OpenSSL verifies', async () => {
		const body = { policy: { issuer: { name: 'Self' }, x509_props: { subject: 'CN=asked' } } }
		const created = await bench.raw(`/certificates/asked/create?${API}`, { method: 'POST', body })
		expect([created.status, (created.body as { status: string }).status]).toEqual([202, 'inProgress'])
		const { csr, ...rest } = (await bench.raw(`/certificates/asked/pending?${API}`)).body as Record<string, string>
		expect(rest).toMatchObject({
			status: 'completed',
			target: `${bench.emulator.vaultUrl('payments')}/certificates/asked`,
		})
		const text = execFileSync('openssl', ['req', '-inform', 'DER', '-verify', '-noout', '-subject'], {
			input: Buffer.from(csr ?? '', 'base64'),
			encoding: 'utf8',
			stdio: ['pipe', 'pipe', 'pipe'],
		})
		expect(text).toMatch(/CN ?= ?asked/)
	})

	it('are renewed: a new version by the same policy, with a new key or the same one as the policy says', async () => {
		for (const [name, reuseKey] of [
			['renewed', false],
			['kept-key', true],
		] as const) {
			const first = await create(name, { ...POLICY, keyType: 'EC', keyCurveName: 'P-256', reuseKey })
			const answer = await bench.raw(`/certificates/${name}/create?${API}`, { method: 'POST' })
			expect(answer.status).toBe(202)
			const second = await client.getCertificate(name)
			expect(second.properties.version).not.toBe(first.properties.version)
			const keys = [first, second].map(({ cer }) => new X509Certificate(cer ?? new Uint8Array()).publicKey)
			expect(keys[0]?.equals(keys[1] as never)).toBe(reuseKey)
			expect(new X509Certificate(second.cer ?? new Uint8Array()).subject).toBe('CN=shop.example\nO=Shop')
			expect((await secretOf(name)).previousVersion).toBe(first.properties.version)
			expect(await collect(client.listPropertiesOfCertificateVersions(name))).toHaveLength(2)
		}
	})

	it.each([
		['PEM', 'pem', ''],
		['PKCS#12 without a password', 'p12', ''],
		['PKCS#12 with a password', 'p12', 'word'],
	])('are imported with their chain: %s', async (_what, form, password) => {
		const name = `imported-${form}-${password === '' ? 'open' : 'locked'}`
		const file = (suffix: string) => join(folder, `${name}.${suffix}`)
		const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { stdio: 'ignore' })
		for (const [who, subject] of [
			['ca', '/CN=Imported CA'],
			['leaf', `/O=Import/CN=${name}`],
		] as const) {
			const of =
				who === 'ca' ? ['-x509', '-days', '2'] : ['-x509', '-days', '2', '-CA', file('ca'), '-CAkey', file('ca.key')]
			openssl(
				'req',
				...of,
				'-newkey',
				'rsa:2048',
				'-nodes',
				'-subj',
				subject,
				'-keyout',
				file(`${who}.key`),
				'-out',
				file(who),
			)
		}
		const [leaf, ca, key] = ['leaf', 'ca', 'leaf.key'].map((suffix) => readFileSync(file(suffix), 'utf8')) as [
			string,
			string,
			string,
		]
		let bytes = Buffer.from(`${key}${ca}${leaf}`)
		if (form === 'p12') {
			const inputs = ['-inkey', file('leaf.key'), '-in', file('leaf'), '-certfile', file('ca')]
			openssl('pkcs12', '-export', ...inputs, '-out', file('p12'), '-passout', `pass:${password}`)
			bytes = readFileSync(file('p12'))
		}
		const contentType = form === 'p12' ? 'application/x-pkcs12' : 'application/x-pem-file'
		const policy = { contentType } as CertificatePolicy
		const made = await client.importCertificate(name, bytes, { policy, ...(password === '' ? {} : { password }) })
		const expected = new X509Certificate(leaf)
		expect(Buffer.from(made.cer ?? []).equals(expected.raw)).toBe(true)
		expect([made.policy?.issuerName, made.policy?.subject]).toEqual(['Unknown', `O=Import, CN=${name}`])
		// As PEM, which the service converts to: key and both certificates, leaf first.
		const query = 'api-version=2025-07-01&outContentType=application/x-pem-file'
		const pem = (await bench.raw(`/secrets/${name}?${form === 'p12' ? query : API}`)).bundle.value
		expect(expected.checkPrivateKey(createPrivateKey(pem))).toBe(true)
		const chain = (pem.match(CERTIFICATE) ?? []).map((each) => new X509Certificate(each).fingerprint)
		expect(chain).toEqual([expected.fingerprint, new X509Certificate(ca).fingerprint])
	})

	it.each([
		['no value', {}],
		['garbage', { value: 'AAAA' }],
		['a certificate without its key', { value: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----' }],
	])('are not imported of %s: 400', async (_what, body) => {
		const answer = await bench.raw(`/certificates/bad/import?${API}`, { method: 'POST', body })
		expect([answer.status, answer.error.code]).toEqual([400, 'BadParameter'])
		expect((await bench.raw(`/secrets/bad?${API}`)).status).toBe(404)
	})

	it('are listed, and have a policy that can be read and changed', async () => {
		await create('listed')
		const listed = (await collect(client.listPropertiesOfCertificates())).find(({ name }) => name === 'listed')
		expect(listed?.expiresOn?.getTime()).toBeGreaterThan(Date.now())
		expect(await client.getCertificatePolicy('listed')).toMatchObject({ subject: POLICY.subject, keySize: 2048 })
		await client.updateCertificatePolicy('listed', { ...POLICY, validityInMonths: 3 })
		expect((await client.getCertificatePolicy('listed')).validityInMonths).toBe(3)
	})

	it('can be disabled with their secret', async () => {
		const { properties } = await create('off')
		await client.updateCertificateProperties('off', properties.version ?? '', { enabled: false, tags: { a: 'b' } })
		expect((await client.getCertificate('off')).properties).toMatchObject({ enabled: false, tags: { a: 'b' } })
		expect((await bench.raw(`/secrets/off?${API}`)).error.innererror?.code).toBe('SecretDisabled')
	})

	it('go and come back with key and secret, which do neither by themselves', async () => {
		await create('whole')
		for (const area of ['secrets', 'keys'])
			expect((await bench.raw(`/${area}/whole?${API}`, { method: 'DELETE' })).status).toBe(403)
		const shown = () =>
			Promise.all(
				['certificates', 'keys', 'secrets'].map(async (area) => (await bench.raw(`/${area}/whole?${API}`)).status),
			)
		await (await client.beginDeleteCertificate('whole', POLL)).pollUntilDone()
		expect(await shown()).toEqual([404, 404, 404])
		await (await client.beginRecoverDeletedCertificate('whole', POLL)).pollUntilDone()
		expect(await shown()).toEqual([200, 200, 200])
		await (await client.beginDeleteCertificate('whole', POLL)).pollUntilDone()
		await client.purgeDeletedCertificate('whole')
		await expect.poll(async () => (await create('whole')).name).toBe('whole')
	})

	it('hand out no key that the policy keeps', async () => {
		await create('sealed', { ...POLICY, exportable: false })
		expect((await secretOf('sealed')).value).not.toContain('PRIVATE KEY')
		await create('sealed-pfx', { ...POLICY, exportable: false, contentType: 'application/x-pkcs12' })
		const pfx = Buffer.from((await secretOf('sealed-pfx')).value, 'base64')
		const args = ['pkcs12', '-nodes', '-passin', 'pass:', '-legacy']
		const text = execFileSync('openssl', args.slice(0, -1), {
			input: pfx,
			encoding: 'utf8',
			stdio: ['pipe', 'pipe', 'pipe'],
		})
		expect(text).toContain('BEGIN CERTIFICATE')
		expect(text).not.toContain('PRIVATE KEY')
	})

	it('do not take the name of a plain secret, and of issuers beside Self say 501', async () => {
		await bench.raw(`/secrets/taken?${API}`, { method: 'PUT', body: { value: 'v' } })
		const taken = await bench.raw(`/certificates/taken/create?${API}`, { method: 'POST' })
		expect(taken.status).toBe(400)
		expect((await secretOf('taken')).value).toBe('v')
		const body = { policy: { issuer: { name: 'DigiCert' } } }
		const foreign = await bench.raw(`/certificates/foreign/create?${API}`, { method: 'POST', body })
		expect([foreign.status, foreign.error.code]).toEqual([501, 'NotImplemented'])
	})

	it.each([
		{ x509_props: { subject: 'XX=nobody' } },
		{ x509_props: { validity_months: 0 } },
		{ x509_props: { ekus: ['server'] } },
		{ x509_props: { sans: { dns_names: ['a b'] } } },
		{ x509_props: { key_usage: ['everything'] } },
		{ secret_props: { contentType: 'text/plain' } },
		{ key_props: { kty: 'RSA', key_size: 512 } },
		{ key_props: 7 },
	])('refuse the policy %j with 400', async (policy) => {
		const answer = await bench.raw(`/certificates/odd/create?${API}`, { method: 'POST', body: { policy } })
		expect([answer.status, answer.error.code]).toEqual([400, 'BadParameter'])
	})
})
