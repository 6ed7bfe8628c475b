import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { type Gateway, type Refusal, startGateway } from '../../kit/gateway.ts'
import { flaps } from '../../kit/kstatus.ts'
import { until } from '../../kit/until.ts'
import { startProxy, type TcpProxy } from '../runtime/proxy.ts'
import { openAccount } from './account.ts'
import { expectEvents, openRow, QUIET, type Row } from './fault-case.ts'
import { isTrue, openStage, type RunningOperator, type Stage, value } from './stage.ts'

// The row "API server away, 409, 410, 429": no work lost, no watch left dead, and nothing said about it at a binding.

const rotate = ({ vault, stage }: Row, text: string) =>
	stage.emulator.control.setSecret({ vault, name: 'db', value: text })
const rotated = (row: Row, text: string) =>
	until(`the value ${text}`, async () => value(await row.secret(), 'db') === text, { timeoutMs: 60_000, everyMs: 50 })

describe('the API server away for four minutes', () => {
	let stage: Stage
	let proxy: TcpProxy
	let operator: RunningOperator
	beforeAll(async () => {
		// A minute is a second; the lease, which is not hurried, outlives these four.
		stage = await openStage({ name: 'api', times: 60 })
		proxy = await startProxy(stage.address)
		operator = await stage.start({ kubeConfig: stage.connect({ server: proxy.server }) })
	})
	afterAll(async () => {
		await stage?.close()
		await proxy?.close()
	})

	it('loses no work: what was rotated, asked for and removed meanwhile is done afterwards', async () => {
		const [old, gone, later] = [
			await openRow(stage, 'old'),
			await openRow(stage, 'gone'),
			await openRow(stage, 'later'),
		]
		await Promise.all([old.deliver(), gone.deliver()])
		// An event is tried for two minutes, and this absence is longer.
		await old.told(QUIET)
		const { host, port } = stage.address
		expect(proxy.server).not.toContain(`${host}:${port}`)
		const since = Date.now()
		proxy.cut()
		await rotate(old, 'meanwhile')
		await later.apply()
		await stage.remove('gone')
		await until('four minutes', async () => Date.now() - since > 4_000)
		expect(value(await old.secret(), 'db')).toBe('value of old')
		expect(await later.secret()).toBeUndefined()
		proxy.restore()
		await rotated(old, 'meanwhile')
		await later.fresh()
		await old.fresh()
		for (const row of [old, later]) await row.told(QUIET)
		// Nobody works for the one that was removed.
		const asked = Date.now()
		await until('two intervals', async () => Date.now() - asked > 300)
		const requests = await stage.emulator.control.requests({ since: asked })
		expect(requests.filter(({ vault }) => vault === gone.vault)).toEqual([])
		expect(operator.logs.some((line) => line.includes('lease lost'))).toBe(false)
	})

	it('each time for a moment, many times: the watch is never left dead', async () => {
		const row = await openRow(stage, 'often')
		await row.deliver()
		for (let i = 0; i < 8; i++) {
			proxy.reset()
			await rotate(row, `value ${i}`)
			await stage.annotate('often', { 'secrets.purista.dev/requested-at': `${i}` })
			await stage.wait('often', `request ${i}`, (b) => b.status?.lastHandledRequest === `${i}`)
			await rotated(row, `value ${i}`)
		}
		expect(flaps(stage.versions('often'))).toEqual([])
	})
})

describe('the API server that answers', () => {
	let stage: Stage
	let gateway: Gateway
	let operator: RunningOperator
	beforeAll(async () => {
		stage = await openStage({ name: 'gate', times: 20 })
		// It adds the credentials.
		const account = await openAccount(stage)
		gateway = await startGateway(account.kubeConfig)
		operator = await stage.start({ kubeConfig: stage.connect({ server: gateway.server }) })
	})
	afterAll(async () => {
		await stage?.close()
		await gateway?.close()
	})

	const SECRET = /^PATCH \/api\/v1\/namespaces\/[^/]+\/secrets\//
	const READ = /^GET \/api\/v1\/namespaces\/[^/]+\/secrets\//
	const STATUS = /^PATCH .*\/azuresecretbindings\/[^/]+\/status/
	const ACCOUNT = /^GET .*\/serviceaccounts\/payments/
	const answers: [string, RegExp, Refusal][] = [
		['409 to a Secret', SECRET, { status: 409, reason: 'Conflict' }],
		['429 to a Secret', SECRET, { status: 429, reason: 'TooManyRequests' }],
		['429 with Retry-After to a Secret', SECRET, { status: 429, reason: 'TooManyRequests', retryAfter: 1 }],
		['500 to a Secret', SECRET, { status: 500, reason: 'InternalError' }],
		['429 to reading a Secret back', READ, { status: 429, reason: 'TooManyRequests' }],
		['500 to reading a Secret back', READ, { status: 500, reason: 'InternalError' }],
		['503 to a status', STATUS, { status: 503, reason: 'ServiceUnavailable' }],
		['409 to a status', STATUS, { status: 409, reason: 'Conflict' }],
		['401 to a status', STATUS, { status: 401, reason: 'Unauthorized' }],
		['429 to a ServiceAccount', ACCOUNT, { status: 429, reason: 'TooManyRequests', retryAfter: 1 }],
		['504 to a ServiceAccount', ACCOUNT, { status: 504, reason: 'Timeout' }],
	]
	it.each(answers)('%s, three times: the rotation arrives, and no condition turns', async (name, line, refusal) => {
		const row = await openRow(stage, `a-${answers.findIndex(([other]) => other === name)}`)
		await row.deliver()
		const hits = gateway.refuse(line, 3, refusal)
		const { version } = await rotate(row, 'rotated')
		await rotated(row, 'rotated')
		await stage.wait(row.name, 'the version', (b) => b.status?.secrets?.[0]?.version === version)
		// Each meets every one of the three, also when the rotation did not need it.
		await until('three refusals', async () => hits() === 3, { timeoutMs: 30_000 })
		await row.fresh()
		await row.told(QUIET)
	})

	const WATCH = /^GET .*\/azuresecretbindings\?.*watch=/
	const LIST = /^GET .*\/azuresecretbindings\?limit=/
	it.each<[string, { watch: Refusal; list?: Refusal }]>([
		['410 as the status of a watch', { watch: { status: 410, reason: 'Expired' } }],
		['410 in band', { watch: { status: 410, reason: 'Expired', inBand: true } }],
		['500 in band', { watch: { status: 500, reason: 'InternalError', inBand: true } }],
		['429 to a watch', { watch: { status: 429, reason: 'TooManyRequests', retryAfter: 1 } }],
		[
			'410, and 503 to the list after it',
			{ watch: { status: 410, reason: 'Expired' }, list: { status: 503, reason: 'ServiceUnavailable' } },
		],
	])('%s: bindings are followed on, old and new', async (name, { watch, list }) => {
		const of = name.replaceAll(/[^0-9a-z]+/g, '-').slice(0, 20)
		const row = await openRow(stage, of.replace(/-$/, ''))
		await row.deliver()
		const hits = [gateway.refuse(WATCH, 2, watch), ...(list ? [gateway.refuse(LIST, 2, list)] : [])]
		// Ends the stream that is open, by what an API server does when it is shut down.
		gateway.reset()
		await until('the refusals', async () => hits.every((each) => each() === 2), { timeoutMs: 30_000 })
		await stage.annotate(row.name, { 'secrets.purista.dev/requested-at': 'now' })
		await stage.wait(row.name, 'the request', (b) => b.status?.lastHandledRequest === 'now')
		expect(isTrue(await row.fresh(), 'Ready')).toBe(true)
		await row.untouched()
		await row.told(QUIET)
	})

	it('403 to an event: the status is there all the same', async () => {
		const row = await openRow(stage, 'event')
		gateway.refuse(/^POST .*\/events/, 1, { status: 403, reason: 'Forbidden' })
		await row.deliver()
		// Events are sent after the status.
		await until('the log', async () => operator.logs.some((line) => line.includes('event not recorded')))
		await expectEvents(stage, 'event', {})
	})

	it('while somebody else writes the Secret twenty times a second: no rotation is lost', async () => {
		const row = await openRow(stage, 'storm')
		await row.deliver()
		const path = `/api/v1/namespaces/${stage.namespace}/secrets/storm-secrets`
		const calm = new AbortController()
		const storm = async () => {
			for (let i = 0; !calm.signal.aborted; i++) {
				const since = performance.now()
				await stage.merge(path, { metadata: { annotations: { storm: `${i}` } } }, { fieldManager: 'somebody' })
				// A read and a write must fit in between: where the machine is slow there are fewer than twenty.
				const pauseMs = Math.max(50, 4 * (performance.now() - since))
				await systemClock.sleep(pauseMs, calm.signal).catch(() => {})
			}
		}
		const blowing = storm()
		try {
			for (let i = 0; i < 5; i++) {
				await rotate(row, `value ${i}`)
				await rotated(row, `value ${i}`)
			}
		} finally {
			calm.abort()
			await blowing
		}
		await row.fresh()
		await row.told(QUIET)
	})
})
