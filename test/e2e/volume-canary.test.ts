import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Canary, createScanner, type Finding } from '../canary/scanner.ts'
import { applyBinding } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import {
	filesOf,
	inNodeRole,
	installNodeRole,
	NODE_NAMESPACE,
	podRuns,
	sha256,
	startVolumePod,
} from '../kit/node-role.ts'
import { piecesOf } from '../kit/pieces.ts'
import type { Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { createVolumeTenant, ensureNodeRole, eventOf, removeVolumeTenant, volume } from '../kit/volume-stage.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume-canary'

// All files that are left where the node role may write, with their names, as one text of base64 lines.
const FILES_ON_NODE = `
const { readdirSync, readFileSync, readlinkSync } = require('node:fs')
for (const root of ['/run/secrets.purista.dev', '/var/lib/kubelet/plugins', '/tmp', '/dev/shm'])
	for (const entry of (() => { try { return readdirSync(root, { recursive: true, withFileTypes: true }) } catch { return [] } })()) {
		const path = entry.parentPath + '/' + entry.name
		if (entry.isSymbolicLink()) console.log(path, readlinkSync(path))
		else if (entry.isFile()) console.log(path, readFileSync(path).toString('base64'))
		else console.log(path, entry.isSocket() ? 'socket' : '')
	}`

describe('nothing of a volume is left or printed once its pods are gone', () => {
	let world: World
	let tenant: Tenant
	let scan: (source: string, text: string) => Finding[]
	const canaries: Canary[] = []
	const set = async (name: string) => {
		const canary = { name, value: world.canary(`volume-canary-${name}`) }
		canaries.push(canary)
		await world.control.setSecret({ vault: VAULT, name, value: canary.value })
		return canary.value
	}
	const pods = async () => {
		const text = await kubectl(world.target, ['-n', NODE_NAMESPACE, 'get', 'pods', '-o', 'name'])
		return text.trim().split('\n')
	}

	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createVolumeTenant(world, { name: 'volume-canary', vault: VAULT })
		await ensureNodeRole(world)
		// The whole life: first files, a rotation, values kept offline, a mount that fails, a process that takes over, the end.
		const first = await set('db')
		const spec = volume({ offlineFor: '1h' })
		await applyBinding(world, tenant, { secrets: [{ name: 'db' }], spec })
		await startVolumePod(world, tenant, { name: 'app' })
		await podRuns(world, tenant, 'app')
		const shaInPod = async () => (await filesOf(world, tenant, 'app')).files['db']?.sha256
		expect(await shaInPod()).toBe(sha256(first))
		const second = await set('db')
		await until('the rotation', async () => (await shaInPod()) === sha256(second))
		await startVolumePod(world, tenant, { name: 'refused', binding: 'nothing' })
		await eventOf(world, tenant, 'refused', 'SecretsNotMounted')
		await keepLogs('before')
		await installNodeRole(world)
		await startVolumePod(world, tenant, { name: 'later' })
		await podRuns(world, tenant, 'later')
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pods', '--all', '--timeout=90s'])
		scan = createScanner(canaries).scan
	})
	afterAll(() => removeVolumeTenant(world, tenant))

	/** Logs of a process that is replaced would be lost. */
	const keepLogs = async (name: string) => {
		for (const pod of await pods()) {
			const log = await kubectl(world.target, ['-n', NODE_NAMESPACE, 'logs', pod, '--tail=-1'])
			writeFileSync(join(world.folder, `${name}-${pod.replace('/', '-')}.log`), log)
		}
	}

	it('what is scanned is read: a value planted in the memory of the node is found', async () => {
		const [{ name, value } = { name: '', value: '' }] = canaries
		const path = '/run/secrets.purista.dev/planted'
		// As numbers: the API server writes the command into its audit log, which is scanned as well.
		const bytes = JSON.stringify([...Buffer.from(`x${value}`)])
		const planted = `require('node:fs').writeFileSync(${JSON.stringify(path)}, Buffer.from(${bytes}))`
		await inNodeRole(world, planted)
		expect(scan('node', await inNodeRole(world, FILES_ON_NODE))).toContainEqual(
			expect.objectContaining({ canary: name }),
		)
		await inNodeRole(world, `require('node:fs').rmSync(${JSON.stringify(path)})`)
	})

	it('files where the node role may write: no value, no volume', async () => {
		const listed = async () => {
			const found = await inNodeRole(world, FILES_ON_NODE)
			return !found.includes('/run/secrets.purista.dev/csi-') && found
		}
		// The kubelet takes the volume of a pod back when the call that mounts it has ended, and gives it two minutes.
		const text = await until('an empty node', listed, { timeoutMs: 180_000 })
		// The socket of the driver: what is listed is the right place.
		expect(text).toContain('/csi.sock socket')
		expect(scan('node', text)).toEqual([])
	})

	it('its logs, of the process that was replaced as well', async () => {
		await keepLogs('after')
		const logs = readdirSync(world.folder).filter((name) => name.endsWith('.log'))
		const text = logs.map((name) => readFileSync(join(world.folder, name), 'utf8')).join('\n')
		expect(text).toContain('VolumeRefused')
		expect(text).toContain('registered')
		expect(scan('logs', text)).toEqual([])
		for (const name of logs) rmSync(join(world.folder, name))
	})

	it('events, bindings and pods', async () => {
		for (const kind of ['events.events.k8s.io', 'events', 'asb', 'pods']) {
			const text = await kubectl(world.target, ['get', kind, '-A', '-o', 'yaml', '--show-managed-fields'])
			expect(scan(kind, text)).toEqual([])
		}
	})

	it('metrics', async () => {
		const [pod = ''] = await pods()
		const path = `/api/v1/namespaces/${NODE_NAMESPACE}/pods/${pod.replace('pod/', '')}:8080/proxy/metrics`
		const text = await kubectl(world.target, ['get', '--raw', path])
		expect(text).toContain('asb_node_volumes 0')
		expect(scan('metrics', text)).toEqual([])
	})

	it('what its process was started with, and what it holds open', async () => {
		const script = `
			const { readFileSync, readdirSync, readlinkSync } = require('node:fs')
			for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) for (const file of ['cmdline', 'environ', 'mountinfo', 'net/unix'])
				try { console.log(file, readFileSync('/proc/' + pid + '/' + file, 'latin1')) } catch {}
			for (const fd of readdirSync('/proc/1/fd')) try { console.log('fd', readlinkSync('/proc/1/fd/' + fd)) } catch {}`
		const text = await inNodeRole(world, script)
		// The socket of the driver, under the name by which it was bound (operator/src/node/socket.ts).
		expect(text).toMatch(/\/plugins\/secrets\.purista\.dev\/\.[0-9a-f]{8}/)
		expect(scan('process', text)).toEqual([])
	})

	it('the audit log of the API server', ({ skip }) => {
		if (world.auditLog === undefined) return skip('a given cluster keeps its audit log to itself')
		for (const piece of piecesOf(world.auditLog)) expect(scan('audit log', piece)).toEqual([])
	})
})
