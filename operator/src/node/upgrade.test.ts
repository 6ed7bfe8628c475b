import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import { dial, publishRequest } from './testing/kubelet.ts'
import { usePlugin } from './testing/use-plugin.ts'

const world = usePlugin()
const { publish, set, token, statusOf } = world

it('while one process takes over from another, each call of the kubelet for fifty pods is answered, and all of them follow the vault', {
	timeout: 120_000,
}, async () => {
	const ids = Array.from({ length: 50 }, (_, i) => `csi-${i}`)
	const targets = await Promise.all(ids.map((id) => publish(id, {}, 60_000)))
	const older = world.plugin
	const given = await token()
	const codes: unknown[] = []
	/** As a kubelet does it: by a connection of its own for each call. */
	const again = async (volumeId: string, target: string) => {
		const kubelet = dial(older.csi)
		await kubelet.node
			.nodePublishVolume(publishRequest({ volumeId, target, token: given }), { timeoutMs: 60_000 })
			.then(
				() => codes.push('ok'),
				(error: unknown) => codes.push(error),
			)
		kubelet.close()
	}
	let isOver = false
	const calling = async () => {
		for (let i = 0; !isOver; i = (i + 1) % ids.length) await again(ids[i] ?? '', targets[i] ?? '')
	}
	const callers = [calling(), calling()]
	const calls = () => codes.length
	const more = (since: number) => until('more calls', async () => calls() > since + 10)

	await more(0)
	const younger = await world.start({ root: older.root })
	await more(calls())
	expect(await older.serving.isServing()).toBe(false)
	await older.close(true)
	const { updated } = await set('second')
	world.bindings.writeStatus('payments', statusOf(new Date(updated * 1_000)))
	// The kubelet comes for each within a minute and a half, and so the new process has them all.
	await until('all volumes', async () => younger.volumes.size === ids.length)
	await until('the new value in all', async () => {
		const values = await Promise.all(targets.map((target) => readFile(join(target, 'db'), 'utf8')))
		return values.every((value) => value === 'second')
	})
	isOver = true
	await Promise.all(callers)
	expect(codes.filter((code) => code !== 'ok')).toEqual([])
	expect([...older.failures, ...younger.failures]).toEqual([])
	expect([...older.news, ...younger.news].filter(({ kind }) => kind === 'stale' || kind === 'waits')).toEqual([])
})
