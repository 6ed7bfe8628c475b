import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { filesOf, inPod, MOUNT_PATH, podRuns, sha256, startVolumePod } from '../kit/node-role.ts'
import type { Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { createVolumeTenant, ensureNodeRole, removeVolumeTenant, volume } from '../kit/volume-stage.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume-content'

describe('what a memory volume can hold', () => {
	let world: World
	let tenant: Tenant
	const set = (name: string, value: string, more: { tags?: Record<string, string> } = {}) =>
		world.control.setSecret({ vault: VAULT, name, value, ...more })
	const filesIn = async (pod: string) => (await filesOf(world, tenant, pod)).files
	const shaIn = async (pod: string, name: string) => (await filesIn(pod))[name]?.sha256
	const start = async (pod: string) => {
		await startVolumePod(world, tenant, { name: pod, binding: pod })
		await podRuns(world, tenant, pod, 120)
	}

	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createVolumeTenant(world, { name: 'volume-content', vault: VAULT })
		await ensureNodeRole(world)
	})
	afterAll(() => removeVolumeTenant(world, tenant))

	it('what a selector finds comes, goes and is renamed as in a Secret', async () => {
		const [first, later] = [world.canary('volume-selected'), world.canary('volume-selected-later')]
		await set('pay-db-url', first, { tags: { team: 'payments' } })
		await set('pay-other', world.canary('volume-other'), { tags: { team: 'shop' } })
		const select = [{ prefix: 'pay-', tags: { team: 'payments' }, stripPrefix: true, nameStyle: 'UpperSnake' }]
		const spec = { ...volume(), select, policy: { deselected: 'Remove' } }
		await applyBinding(world, tenant, { name: 'selected', secrets: [], spec })
		await start('selected')
		expect(Object.keys(await filesIn('selected')).toSorted()).toEqual(['.binding.json', 'DB_URL'])
		expect(await shaIn('selected', 'DB_URL')).toBe(sha256(first))

		await set('pay-api-key', later, { tags: { team: 'payments' } })
		await until('the new file', async () => (await shaIn('selected', 'API_KEY')) === sha256(later))
		await world.control.updateSecret({ vault: VAULT, name: 'pay-db-url', tags: { team: 'shop' } })
		await until('the file gone', async () => !('DB_URL' in (await filesIn('selected'))))
	})

	it('older versions are kept, and a rotation moves them on', async () => {
		const values = ['oldest', 'older', 'current'].map((each) => world.canary(`volume-${each}`))
		const [oldest = '', older = '', current = ''] = values
		await set('signing-key', oldest)
		// Times in a vault are whole seconds: versions of one second could not be ordered.
		const inALaterSecond = (since: number) => until('a later second', async () => Date.now() >= since + 1_000)
		await inALaterSecond(Date.now())
		await set('signing-key', older)
		const secrets = [{ name: 'signingKey', objectName: 'signing-key', previous: 1 }]
		await applyBinding(world, tenant, { name: 'previous', secrets, spec: volume() })
		await start('previous')
		const hashes = async () => {
			const files = await filesIn('previous')
			return [files['signingKey']?.sha256, files['signingKey.previous']?.sha256]
		}
		expect(await hashes()).toEqual([sha256(older), sha256(oldest)])
		await inALaterSecond(Date.now())
		await set('signing-key', current)
		const wanted = JSON.stringify([sha256(current), sha256(older)])
		await until('both files', async () => JSON.stringify(await hashes()) === wanted)
	})

	it('a certificate comes as chain and key that belong together, and so does its renewal', async () => {
		await world.control.addCertificate({ vault: VAULT, name: 'shop' })
		const certificates = [{ objectName: 'shop', cert: 'tls.crt', key: 'tls.key' }]
		await applyBinding(world, tenant, { name: 'certificate', secrets: [], spec: { ...volume(), certificates } })
		await start('certificate')
		// Prints a serial number, and throws when the key is another one's.
		const script = `
			const { X509Certificate, createPrivateKey } = require('node:crypto'), { readFileSync } = require('node:fs')
			const read = (name) => readFileSync(process.argv[1] + '/' + name)
			const certificate = new X509Certificate(read('tls.crt'))
			if (!certificate.checkPrivateKey(createPrivateKey(read('tls.key')))) throw new Error('not its key')
			console.log(certificate.serialNumber)`
		const serial = () => inPod(world, tenant, 'certificate', script, [MOUNT_PATH])
		const first = await serial()
		expect(first.trim()).toMatch(/^[0-9A-F]{8,}$/)
		await world.control.addCertificate({ vault: VAULT, name: 'shop' })
		await until('the renewed certificate', async () => (await serial()) !== first)
	})

	it('a value is decoded, and a property of a JSON value becomes a file of its own', async () => {
		const [key, password] = [world.canary('volume-decoded'), world.canary('volume-property')]
		await set('encoded', Buffer.from(key).toString('base64'))
		await set('account', JSON.stringify({ user: 'app', password }))
		const secrets = [
			{ name: 'key', objectName: 'encoded', decode: 'Base64' },
			{ name: 'password', objectName: 'account', property: '/password' },
		]
		await applyBinding(world, tenant, { name: 'formed', secrets: [], spec: { ...volume(), secrets } })
		await start('formed')
		expect(await shaIn('formed', 'key')).toBe(sha256(key))
		expect(await shaIn('formed', 'password')).toBe(sha256(password))
		const next = world.canary('volume-property-next')
		await set('account', JSON.stringify({ user: 'app', password: next }))
		await until('the new property', async () => (await shaIn('formed', 'password')) === sha256(next))
	})

	it('more than a mebibyte, which no Secret can hold', async () => {
		// A value has at most 25 KiB in Key Vault.
		const part = 'x'.repeat(25 * 1024 - 100)
		const values = Array.from({ length: 45 }, (_, i) => [`large-${i}`, `${i}${part}`] as const)
		for (const [name, value] of values) await set(name, value)
		const select = [{ prefix: 'large-' }]
		await applyBinding(world, tenant, { name: 'large', secrets: [], spec: { ...volume(), select } })
		await start('large')
		const files = await filesIn('large')
		for (const [name, value] of values) expect(files[name]?.sha256).toBe(sha256(value))
		expect(Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThan(1024 * 1024)
	})

	it('a hold brings an older version into the running pod, and the current one comes back after it', async () => {
		const [good, bad] = [world.canary('volume-good'), world.canary('volume-bad')]
		const { version } = await set('held', good)
		await applyBinding(world, tenant, { name: 'hold', secrets: [{ name: 'held' }], spec: volume() })
		await start('hold')
		await set('held', bad)
		await until('the rotation', async () => (await shaIn('hold', 'held')) === sha256(bad))
		const endsAt = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z')
		const annotate = (text: string) =>
			kubectl(world.target, ['-n', tenant.namespace, 'annotate', 'asb/hold', '--overwrite', text])
		await annotate(`secrets.purista.dev/hold=held=${version}; until=${endsAt}`)
		await until('the held version', async () => (await shaIn('hold', 'held')) === sha256(good))
		await annotate('secrets.purista.dev/hold-')
		await until('the current version', async () => (await shaIn('hold', 'held')) === sha256(bad))
	})

	it('a pinned version stays through rotations', async () => {
		const [pinned, next] = [world.canary('volume-pinned'), world.canary('volume-not-pinned')]
		const { version } = await set('pinned', pinned)
		await set('follows', pinned)
		const secrets = [{ name: 'pinned', version }, { name: 'follows' }]
		await applyBinding(world, tenant, { name: 'pin', secrets, spec: volume() })
		await start('pin')
		await set('pinned', next)
		await set('follows', next)
		await until('the other one rotated', async () => (await shaIn('pin', 'follows')) === sha256(next))
		expect(await shaIn('pin', 'pinned')).toBe(sha256(pinned))
	})
})
