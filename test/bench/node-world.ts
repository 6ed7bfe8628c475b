// What a node role meets, without a cluster: a kubelet that dials its sockets, an API server with one binding, and an emulated vault.
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Emulator, startEmulator } from 'azure-key-vault-emulator'
import { dial, publishRequest } from '../../operator/src/node/testing/kubelet.ts'
import { createAuthority } from '../emulator/src/tls/authority.ts'
import { createLeaf } from '../emulator/src/tls/leaves.ts'
import type { Reach } from './reach.ts'

const ISSUER = 'https://bench.example/oidc'
const AUDIENCE = 'api://AzureADTokenExchange'
const VAULT = 'payments'
const VAULT_URL = `https://${VAULT}.vault.azure.net`
const BINDING = 'payments'
const DRIVER = 'secrets.purista.dev'

export interface NodeWorld {
	readonly emulator: Emulator
	readonly clientId: string
	readonly reach: Reach
	/** flags of the node role */
	readonly flags: readonly string[]
	/** Where the volume of a pod is mounted. */
	targetOf(pod: number): string
	/** As a kubelet does it: by a connection of its own. */
	publish(pod: number): Promise<void>
	unpublish(pod: number): Promise<void>
	/** Registers the driver, as a kubelet that has found its socket. */
	register(): Promise<void>
	/** Writes a secret, and tells of it in the status of the binding as the operator does. @returns when it was told */
	rotate(name: string): Promise<{ version: string; toldAt: number }>
	close(): Promise<void>
}

/** @param secrets how many the binding has, called s-0, s-1 and so on */
export async function openNodeWorld(secrets: number): Promise<NodeWorld> {
	const emulator = await startEmulator({ vaults: [VAULT], names: 'production', visibilityDelayMs: 0 })
	const { control } = emulator
	const clientId = randomUUID()
	const issuer = createIssuer()
	await control.trustIssuer({ issuer: ISSUER, jwks: { keys: [issuer.key] } })
	await control.addClient({ clientId })
	const subject = 'system:serviceaccount:team:app'
	await control.addFederatedCredential({ clientId, name: 'bench', issuer: ISSUER, subject, audience: AUDIENCE })
	await control.grant({ clientId, role: 'Key Vault Secrets User', vault: VAULT })
	const names = Array.from({ length: secrets }, (_, i) => `s-${i}`)
	const entries = new Map<string, object>()
	const write = async (name: string) => {
		const { version, updated } = await control.setSecret({ vault: VAULT, name, value: randomUUID() })
		const state = { name, objectName: name, state: 'Current', updated: new Date(updated * 1000).toISOString() }
		entries.set(name, { ...state, updated: state.updated.replace('.000Z', 'Z') })
		return version
	}
	for (const name of names) await write(name)
	const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z')
	const api = await startApi({
		clientId,
		tenantId: emulator.tenantId,
		binding: (resourceVersion) => ({
			apiVersion: 'secrets.purista.dev/v1alpha1',
			kind: 'AzureSecretBinding',
			metadata: { namespace: 'team', name: BINDING, uid: 'uid-1', generation: 1, resourceVersion },
			spec: {
				vault: { url: VAULT_URL },
				identity: { serviceAccountName: 'app' },
				secrets: names.map((name) => ({ name })),
				delivery: { type: 'Volume' },
			},
			status: {
				observedGeneration: 1,
				vault: VAULT_URL,
				lastCheckTime: now(),
				conditions: [{ type: 'Fresh', status: 'True', reason: 'Current', message: '', lastTransitionTime: now() }],
				secrets: [...entries.values()],
			},
		}),
	})
	const kubelet = mkdtempSync(join(tmpdir(), 'asb-kubelet-'))
	// Where the node role delivers has to be a tmpfs.
	const memory = mkdtempSync('/dev/shm/asb-node-')
	for (const folder of ['plugins', 'plugins_registry', 'pods']) mkdirSync(join(kubelet, folder))
	const targetOf = (pod: number) => join(kubelet, 'pods', `pod-${pod}`, 'mount')
	const csi = join(kubelet, 'plugins', DRIVER, 'csi.sock')
	const idOf = (pod: number) => `csi-${String(pod).padStart(64, '0')}`
	return {
		emulator,
		clientId,
		reach: {
			api: { server: api.server, headers: {}, tls: { ca: api.ca } },
			emulator: { port: emulator.port, caPem: emulator.caPem },
		},
		flags: [
			'--node-name=bench',
			`--kubelet-root=${kubelet}`,
			`--memory-root=${memory}`,
			'--port=0',
			'--health-port=0',
			`--authority-host=${emulator.authorityHost}`,
			'--disable-instance-discovery',
		],
		targetOf,
		async publish(pod) {
			const target = targetOf(pod)
			mkdirSync(join(target, '..'), { recursive: true })
			const request = publishRequest({ volumeId: idOf(pod), target, token: issuer.token(), binding: BINDING })
			const { node, close } = dial(csi)
			await node.nodePublishVolume(request, { timeoutMs: 120_000 })
			close()
		},
		async unpublish(pod) {
			const { node, close } = dial(csi)
			await node.nodeUnpublishVolume({ volumeId: idOf(pod), targetPath: targetOf(pod) })
			close()
		},
		async register() {
			const { registration, close } = dial(join(kubelet, `plugins_registry/${DRIVER}-reg.sock`))
			await registration.getInfo({})
			await registration.notifyRegistrationStatus({ pluginRegistered: true })
			close()
		},
		async rotate(name) {
			const version = await write(name)
			const toldAt = Date.now()
			api.tell()
			return { version, toldAt }
		},
		async close() {
			await api.close()
			await emulator.close()
			for (const folder of [kubelet, memory]) rmSync(folder, { recursive: true, force: true })
		},
	}
}

/** Signs tokens of the ServiceAccount team/app, as the API server does for a kubelet. */
function createIssuer() {
	const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
	const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
	return {
		key: { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' },
		token() {
			const now = Math.floor(Date.now() / 1000)
			const times = { iat: now, nbf: now, exp: now + 3_600 }
			const about = { pod: { name: 'app', uid: 'pod-1' }, serviceaccount: { name: 'app', uid: 'sa-1' } }
			const claims = {
				...{ iss: ISSUER, sub: 'system:serviceaccount:team:app', aud: [AUDIENCE], ...times },
				'kubernetes.io': { namespace: 'team', ...about },
			}
			const signed = `${part({ alg: 'RS256', kid: 'one', typ: 'JWT' })}.${part(claims)}`
			return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
		},
	}
}

interface ApiOptions {
	readonly clientId: string
	readonly tenantId: string
	binding(resourceVersion: string): object
}

/** As much of an API server as a node role asks. Watches are told at once. */
async function startApi({ clientId, tenantId, binding }: ApiOptions) {
	const authority = createAuthority(Date.now())
	const watches = new Set<ServerResponse>()
	let version = 1
	const account = {
		metadata: {
			uid: 'sa-1',
			annotations: { 'azure.workload.identity/client-id': clientId, 'azure.workload.identity/tenant-id': tenantId },
		},
	}
	const serve = async (request: IncomingMessage, response: ServerResponse) => {
		const { pathname, searchParams } = new URL(request.url ?? '', 'https://api')
		await text(request)
		const answer = (status: number, body: object) =>
			void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
		if (pathname.endsWith('/serviceaccounts/app')) return answer(200, account)
		if (pathname.endsWith('/events')) return answer(201, {})
		if (!pathname.endsWith('/azuresecretbindings'))
			return answer(404, { kind: 'Status', code: 404, message: 'unknown' })
		if (!searchParams.has('watch'))
			return answer(200, { metadata: { resourceVersion: String(version) }, items: [binding(String(version))] })
		watches.add(response)
		response.once('close', () => watches.delete(response))
		response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
	}
	const server = createServer(createLeaf(authority, ['127.0.0.1'], Date.now()))
	server.on('request', (request, response) => void serve(request, response))
	await new Promise<void>((resolve) => {
		server.listen(0, '127.0.0.1', resolve)
	})
	return {
		server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
		ca: authority.certPem,
		/** Shows the binding anew to whoever watches it. */
		tell() {
			version++
			const line = `${JSON.stringify({ type: 'MODIFIED', object: binding(String(version)) })}\n`
			for (const watch of watches) watch.write(line)
		},
		async close() {
			server.closeAllConnections()
			await new Promise((resolve) => {
				server.close(resolve)
			})
		},
	}
}
