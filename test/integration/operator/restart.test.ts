import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { createReader } from './reader.ts'
import { isTrue, openStage, type RunningOperator, type Stage, value } from './stage.ts'

describe('an operator that is started anew', () => {
	let stage: Stage
	let operator: RunningOperator
	const names = Array.from({ length: 30 }, (_, i) => `s${i}`)
	beforeAll(async () => {
		stage = await openStage({ name: 'restart' })
		await stage.emulator.control.setSecrets({
			vault: stage.vault,
			secrets: names.map((name) => ({ name, value: `value of ${name}` })),
		})
		operator = await stage.start()
		await stage.apply('payments', { secrets: names.map((name) => ({ name })) })
		await stage.wait(
			'payments',
			'all settled',
			(b) => b.status?.synced === '30/30' && b.status.secrets?.every(({ reason }) => reason === undefined),
		)
	})
	afterAll(() => stage?.close())
	const routes = async (since: number) => (await stage.emulator.control.requests({ since })).map(({ route }) => route)

	it('reads no value of a settled secret, and writes nothing', async () => {
		await operator.stop()
		const [secret, since] = [await stage.secret('payments-secrets'), Date.now()]
		operator = await stage.start()
		await until('three looks', async () => (await routes(since)).filter((route) => route === 'listSecrets').length >= 6)
		expect((await routes(since)).filter((route) => route === 'getSecret')).toEqual([])
		expect(await stage.secret('payments-secrets')).toEqual(secret)
	})

	it('sees what changed while nobody looked, and reads only that', async () => {
		await operator.stop()
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 's7', value: 'changed meanwhile' })
		await stage.emulator.control.advanceClock({ seconds: 10 })
		const since = Date.now()
		operator = await stage.start()
		await until('the value', async () => value(await stage.secret('payments-secrets'), 's7') === 'changed meanwhile')
		const asked = (await stage.emulator.control.requests({ since })).filter(({ route }) => route === 'getSecret')
		expect(asked.map(({ secret }) => secret)).toEqual(['s7'])
	})

	it('mends what was edited while nobody looked', async () => {
		await operator.stop()
		const path = `/api/v1/namespaces/${stage.namespace}/secrets/payments-secrets`
		await stage.merge(path, { stringData: { s3: 'edited' } }, { fieldManager: 'somebody' })
		operator = await stage.start()
		await until('the value', async () => value(await stage.secret('payments-secrets'), 's3') === 'value of s3')
	})

	it('finishes a pod refresh that its predecessor did not', async () => {
		await operator.stop()
		const { statusPath, refreshed } = await createReader(stage, 'payments-secrets')
		operator = await stage.start()
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 's9', value: 'rotated' })
		await until('the value', async () => value(await stage.secret('payments-secrets'), 's9') === 'rotated')
		await until(
			'the pod refresh',
			async () => (await refreshed()) === (await stage.secret('payments-secrets'))?.metadata.resourceVersion,
		)
		await operator.stop()
		await stage.merge(statusPath, { metadata: { annotations: { 'secrets.purista.dev/refreshed': '1' } } })
		operator = await stage.start()
		await until(
			'the finished pod refresh',
			async () => (await refreshed()) === (await stage.secret('payments-secrets'))?.metadata.resourceVersion,
		)
		expect(isTrue(await stage.binding('payments'), 'Fresh')).toBe(true)
	})
})
