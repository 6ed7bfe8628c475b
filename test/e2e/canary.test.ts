import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Canary, createScanner, type Finding } from '../canary/scanner.ts'
import { applyBinding, waitReady } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { piecesOf } from '../kit/pieces.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { connectWorld, type World } from '../kit/world.ts'

// Runs last (see sequencer.ts): the canaries are all values that any end-to-end test put into a vault.
describe('nothing that the system prints or stores outside of its Secrets holds a value', () => {
	let world: World
	let tenant: Tenant
	let canaries: Canary[]
	let scan: (source: string, text: string) => Finding[]
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'leak', vault: 'leak' })
		await world.control.setSecret({ vault: 'leak', name: 'apiKey', value: world.canary('leak') })
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }] })
		await waitReady(world, tenant)
		const lines = readFileSync(join(world.folder, 'canaries.jsonl'), 'utf8').trim().split('\n')
		canaries = lines.map((line) => JSON.parse(line) as Canary)
		scan = createScanner(canaries).scan
	})
	afterAll(() => tenant?.remove())

	it('a planted value is found in what is scanned', async () => {
		const [canary] = canaries
		const events = await kubectl(world.target, ['get', 'events', '-A', '-o', 'yaml'])
		expect(scan('events', `${events}\n${Buffer.from(`x${canary?.value}`).toString('base64')}`)).toMatchObject([
			{ canary: canary?.name },
		])
	})

	it('logs of the operator and of the emulator', async () => {
		for (const [namespace, selector] of [
			[world.operator.namespace, world.operator.podSelector],
			[world.emulator.namespace, 'app=emulator'],
		] as const) {
			const log = await kubectl(world.target, [
				'-n',
				namespace,
				'logs',
				'-l',
				selector,
				'--tail=-1',
				'--all-containers',
			])
			expect(log.length, `log of ${selector}`).toBeGreaterThan(0)
			expect(scan(`log of ${selector}`, log)).toEqual([])
		}
	})

	it('what the operator, killed or gone, and the tenants had printed before they were removed', async () => {
		const files = globSync(join(world.folder, 'printed', '**/*.txt'))
		expect(files.length).toBeGreaterThan(0)
		for (const file of files) expect(scan(file, readFileSync(file, 'utf8'))).toEqual([])
	})

	it('bindings, pods, events, ConfigMaps, leases', async () => {
		for (const kind of ['asb', 'pods', 'events', 'events.events.k8s.io', 'leases']) {
			expect(
				scan(kind, await kubectl(world.target, ['get', kind, '-A', '-o', 'yaml', '--show-managed-fields'])),
			).toEqual([])
		}
	})

	it('metrics', async () => {
		const pods = await kubectl(world.target, [
			'-n',
			world.operator.namespace,
			'get',
			'pods',
			'-l',
			world.operator.podSelector,
			'-o',
			'name',
		])
		const [pod] = pods.trim().split('\n')
		const metrics = await kubectl(world.target, [
			...[
				'get',
				'--raw',
				`/api/v1/namespaces/${world.operator.namespace}/pods/${pod?.replace('pod/', '')}:8080/proxy/metrics`,
			],
		])
		expect(metrics).toContain('asb_')
		expect(scan('metrics', metrics)).toEqual([])
	})

	it('argument lists of all processes of the machine', () => {
		const argv = readdirSync('/proc')
			.filter((entry) => /^\d+$/.test(entry))
			.map((pid) => {
				try {
					return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
				} catch {
					return '' // the process has ended
				}
			})
		expect(argv.join('\n')).toContain('kubelet')
		expect(scan('argv', argv.join('\n'))).toEqual([])
	})

	it('the audit log of the API server, request and response bodies included', ({ skip }) => {
		if (world.auditLog === undefined) return skip('a given cluster keeps its audit log to itself')
		expect(existsSync(world.auditLog)).toBe(true)
		let isOfBindings = false
		for (const piece of piecesOf(world.auditLog)) {
			isOfBindings ||= piece.includes('azuresecretbindings')
			expect(scan('audit log', piece)).toEqual([])
		}
		expect(isOfBindings).toBe(true)
	})
})
