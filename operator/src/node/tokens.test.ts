import { expect, it } from 'vitest'
import type { VolumeRequest } from './request.ts'
import { createPodTokens } from './tokens.ts'

const HOUR_MS = 3_600_000
const AUDIENCE = 'api://AzureADTokenExchange'
let now = 0
const clock = { now: () => now }
const volume = (volumeId: string, token: string, expiresAt: number, namespace = 'team'): VolumeRequest => ({
	volumeId,
	target: '/pods/mount',
	group: undefined,
	namespace,
	pod: 'app',
	podUid: 'pod-1',
	serviceAccount: 'app',
	binding: 'payments',
	tokens: new Map([[AUDIENCE, { token, expiresAt, serviceAccountUid: 'sa-1' }]]),
})
const ask = (tokens: ReturnType<typeof createPodTokens>, namespace = 'team') =>
	tokens.request(namespace, 'app', AUDIENCE, 'sa-1')

it('the one that lives longest speaks for its ServiceAccount, and for none of that name elsewhere', async () => {
	now = 0
	const tokens = createPodTokens(clock)
	tokens.set(volume('csi-1', 'short', HOUR_MS))
	tokens.set(volume('csi-2', 'long', 2 * HOUR_MS))
	tokens.set(volume('csi-3', 'of others', 3 * HOUR_MS, 'other'))
	expect((await ask(tokens)).token).toBe('long')
	tokens.delete('csi-2')
	expect((await ask(tokens)).token).toBe('short')
	tokens.delete('csi-1')
	await expect(ask(tokens)).rejects.toThrow('has sent no valid token')
	expect((await ask(tokens, 'other')).token).toBe('of others')
})

it('on a node whose clock is ahead a pod is told of the clock, and not that nothing was sent', async () => {
	now = 2 * HOUR_MS
	const tokens = createPodTokens(clock)
	tokens.set(volume('csi-1', 'a', HOUR_MS))
	await expect(ask(tokens)).rejects.toThrow('the clock of the node')
	now = HOUR_MS / 2
	expect((await ask(tokens)).token).toBe('a')
})
