// The metrics of a whole operator, between a real API server and the emulator: what it does must reach the page.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../kit/until.ts'
import { isTrue, openStage, type RunningOperator, type Stage } from '../operator/stage.ts'

let stage: Stage
let operator: RunningOperator
let host: string
beforeAll(async () => {
	stage = await openStage({ name: 'metrics' })
	host = `${stage.vault}.vault.azure.net`
	operator = await stage.start()
})
afterAll(() => stage?.close())

/** Waits for a line of the page that matches, and answers its value. */
const line = (pattern: RegExp) =>
	until(
		`a line ${pattern} of /metrics`,
		async () => (await operator.metrics.text()).split('\n').find((each) => pattern.test(each)),
		{ timeoutMs: 60_000, everyMs: 100 },
	).then((found) => Number(found.split(' ').at(-1)))

test('a binding: delivered, its vault away and back, suspended, deleted', async () => {
	const { control } = stage.emulator
	const expires = Math.floor(Date.now() / 1000) + 86_400
	await control.setSecret({ vault: stage.vault, name: 'apiKey', value: 'x'.repeat(3_000), expires })
	await stage.apply('payments', { secrets: [{ name: 'apiKey' }], refresh: { interval: '5s' } })
	await stage.wait('payments', 'Ready', (b) => isTrue(b, 'Ready'))

	expect(await line(new RegExp(`^asb_vault_reachable{vault="${host}",reason="Reachable"}`))).toBe(1)
	expect(await line(/^asb_bindings{namespace="[^"]+",condition="Ready",status="True",reason="Delivered"}/)).toBe(1)
	expect(await line(/^asb_secret_bytes_bucket{le="1024"}/)).toBe(0)
	expect(await line(/^asb_secret_bytes_bucket{le="4096"}/)).toBeGreaterThan(0)
	const left = await line(new RegExp(`^asb_vault_earliest_expiry_seconds{namespace="[^"]+",vault="${host}"}`))
	expect(left).toBeGreaterThan(86_000)
	expect(left).toBeLessThanOrEqual(86_400)

	await control.addFault({ match: { vault: stage.vault }, action: 'reset' })
	expect(await line(new RegExp(`^asb_vault_reachable{vault="${host}",reason="Vault(Unreachable|Timeout)"}`))).toBe(0)
	expect(
		await line(new RegExp(`^asb_vault_earliest_expiry_seconds{namespace="[^"]+",vault="${host}"}`)),
	).toBeGreaterThan(86_000)
	await control.clearFaults()
	expect(await line(new RegExp(`^asb_vault_reachable{vault="${host}",reason="Reachable"}`))).toBe(1)

	const noneOf = () =>
		until('the series of the vault to end', async () => !(await operator.metrics.text()).includes(host), {
			timeoutMs: 60_000,
			everyMs: 100,
		})
	await stage.apply('payments', { secrets: [{ name: 'apiKey' }], suspend: true })
	await noneOf()
	await stage.apply('payments', { secrets: [{ name: 'apiKey' }], suspend: false })
	expect(await line(new RegExp(`^asb_vault_reachable{vault="${host}",reason="Reachable"}`))).toBe(1)
	await stage.remove('payments')
	await noneOf()
	expect(await operator.metrics.text()).not.toMatch(/asb_bindings{|apiKey|payments/)
})
