import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { IncomingMessage } from 'node:http'
import { createServer, request, type Server } from 'node:https'
import { type AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { createHttpHeaders, createPipelineRequest } from '@azure/core-rest-pipeline'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCertificate, createKeyPair } from '../../../test/emulator/src/tls/certificate.ts'
import type { Sender } from './http.ts'
import { ask, faultOf, ISSUER, useTenant } from './testing/tenant.ts'
import { BINDING_AUDIENCE, createTokenProxySender, type TokenProxy, tokenProxyOf } from './token-proxy.ts'

const NAME = 'tokens.bindings.test'

/** A CA of its own, and a server's certificate for NAME, as the proxy of AKS has them. */
function createPki() {
	const [ca, server] = [createKeyPair(), createKeyPair()]
	const [notBefore, notAfter] = [new Date(Date.now() - 3_600_000), new Date(Date.now() + 3_600_000)]
	const made = { issuer: 'Bindings CA', signer: ca, notBefore, notAfter }
	return {
		caPem: createCertificate({ ...made, subject: 'Bindings CA', publicKey: ca.publicKey, use: { kind: 'ca' } }),
		cert: createCertificate({
			...made,
			...{ subject: NAME, publicKey: server.publicKey, use: { kind: 'server', names: [NAME] } },
		}),
		key: server.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
	}
}

describe('the exchange of an identity binding', () => {
	const tenant = useTenant()
	const folder = mkdtempSync(join(tmpdir(), 'asb-bindings-'))
	const caFile = join(folder, 'ca.crt')
	let double: Server
	let seen: { path: string; name: unknown }[]
	let proxy: TokenProxy

	/** Takes what is meant for Entra, and hands it on: the real one does so after it has judged the token. */
	const start = async () => {
		const { caPem, cert, key } = createPki()
		writeFileSync(caFile, caPem)
		double = createServer({ cert, key }, (incoming, outgoing) => {
			seen.push({ path: incoming.url ?? '', name: (incoming.socket as TLSSocket).servername })
			const { emulator } = tenant
			const path = (incoming.url ?? '').replace(/^\/exchange/, '')
			const { method, headers: all } = incoming
			const { host: _, connection: __, ...headers } = all
			const onwards = request(new URL(path, emulator.authorityHost), { agent: emulator.agent(), method, headers })
			onwards.on('response', (answer) => {
				outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
				answer.pipe(outgoing)
			})
			incoming.pipe(onwards)
		}).listen(0, '127.0.0.1')
		await once(double, 'listening')
		const { port } = double.address() as AddressInfo
		proxy = { url: `https://127.0.0.1:${port}/exchange`, serverName: NAME, ca: undefined, caFile }
	}
	const stop = async () => {
		double.closeAllConnections()
		double.close()
		await once(double, 'close')
	}
	beforeEach(async () => {
		seen = []
		await start()
		const { control } = tenant.emulator
		await control.setSecret({ vault: 'payments', name: 'db', value: 'v' })
		// The client has no credential for this audience but the one of the binding.
		await control.removeFederatedCredential({ clientId: tenant.key.clientId, name: 'cluster' })
		await control.addFederatedCredential({
			...{ clientId: tenant.key.clientId, name: 'binding', issuer: ISSUER, audience: BINDING_AUDIENCE },
			subject: 'system:serviceaccount:team:app',
		})
	})
	afterEach(stop)
	afterAll(() => rmSync(folder, { recursive: true }))
	const key = () => ({ ...tenant.key, audience: BINDING_AUDIENCE })
	const read = (given: Partial<TokenProxy> = {}, of = key()) =>
		tenant
			.vaults({ tokenProxy: { ...proxy, ...given } })
			.session(of)
			.read('db', undefined, ask())

	it('goes to the proxy, under its name and by its CA, and the vault is read with what came of it', async () => {
		expect((await read()).value()).toBe('v')
		expect(seen.length).toBeGreaterThan(0)
		for (const { path, name } of seen) {
			expect(path).toMatch(new RegExp(`^/exchange/${tenant.key.tenantId}/`))
			expect(name).toBe(NAME)
		}
		expect(seen.map(({ path }) => path)).toContainEqual(expect.stringContaining('/oauth2/v2.0/token'))
	})

	it('a CA that is replaced is taken without a restart, and one that is being written is not', async () => {
		const agents: unknown[] = []
		const inner: Sender = {
			async send(sent) {
				agents.push(sent.agent)
				return new IncomingMessage(new Socket())
			},
			headersOf: () => createHttpHeaders(),
		}
		const sender = createTokenProxySender(proxy, inner)
		const toEntra = createPipelineRequest({ url: 'https://login.example.com/x' })
		const send = () => sender.send(toEntra, new AbortController().signal)
		await send()
		await send()
		writeFileSync(caFile, '')
		await send()
		writeFileSync(caFile, createPki().caPem)
		await send()
		const [first, again, meanwhile, replaced] = agents
		expect([again, meanwhile]).toEqual([first, first])
		expect(replaced).not.toBe(first)
	})

	it('a CA that is still empty at the first exchange is not every CA that node trusts: nothing is sent', async () => {
		writeFileSync(caFile, '')
		expect(await faultOf(read())).toBe('entraUnavailable')
		const inner: Sender = {
			send: () => Promise.reject(new Error('nothing may be sent')),
			headersOf: () => createHttpHeaders(),
		}
		const toEntra = createPipelineRequest({ url: 'https://login.example.com/x' })
		const send = async () => createTokenProxySender(proxy, inner).send(toEntra, new AbortController().signal)
		await expect(send()).rejects.toThrow('the CA of the token proxy is empty')
	})

	it('a proxy that is another than its CA says gets no token', async () => {
		writeFileSync(caFile, createPki().caPem)
		expect(await faultOf(read())).toBe('entraUnavailable')
		expect(seen).toEqual([])
	})

	it('a token of another audience goes to Entra as ever', async () => {
		await tenant.federate(tenant.key.clientId)
		expect((await read({}, tenant.key)).value()).toBe('v')
		expect(seen).toEqual([])
	})
})

describe('the environment of a pod with an identity binding', () => {
	const url = 'https://10.0.0.1:6443/'
	it.each([
		['nothing', {}, undefined],
		[
			'what the webhook of AKS writes',
			{ TOKEN_PROXY: url, SNI_NAME: NAME, CA_FILE: '/etc/ca.crt' },
			{ url, serverName: NAME, ca: undefined, caFile: '/etc/ca.crt' },
		],
		['another scheme', { TOKEN_PROXY: 'http://10.0.0.1' }, 'no https URL'],
		['a user', { TOKEN_PROXY: 'https://me@10.0.0.1' }, 'no https URL'],
		['a query', { TOKEN_PROXY: `${url}?a` }, 'no https URL'],
		['two CAs', { TOKEN_PROXY: url, CA_FILE: '/a', CA_DATA: 'b' }, 'write one of them'],
	])('%s', (_, given, expected) => {
		const env = Object.fromEntries(Object.entries(given).map(([name, value]) => [`AZURE_KUBERNETES_${name}`, value]))
		const answer = tokenProxyOf(env)
		if (typeof expected !== 'string') expect(answer).toEqual(expected)
		else expect(answer).toMatchObject({ problem: expect.stringContaining(expected) as string })
	})
})
