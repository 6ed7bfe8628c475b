import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createPodAccess } from './pod-access.ts'

let folder: string
let now = 0
beforeEach(async () => {
	now = 0
	folder = await mkdtemp(join(tmpdir(), 'asb-pod-'))
	await give('one')
})
afterEach(() => rm(folder, { recursive: true }))

const give = async (what: string) => {
	await writeFile(join(folder, 'token'), `${what}\n`)
	await writeFile(join(folder, 'ca.crt'), `ca ${what}`)
}
const access = (host = '10.0.0.1') => createPodAccess({ host, port: '443', folder }, { monotonic: () => now })
const apply = async (to: ReturnType<typeof access>) => {
	const options: RequestOptions = {}
	await to.applyToHTTPSOptions(options)
	return { ca: String(options.ca), ...options.headers }
}

test('the server is the one of the environment, an IPv6 address in brackets', () => {
	expect(access().getCurrentCluster()?.server).toBe('https://10.0.0.1:443')
	expect(access('fd00::1').getCurrentCluster()?.server).toBe('https://[fd00::1]:443')
})

test('token and CA are read again after a minute, as the kubelet rotates them', async () => {
	const pod = access()
	expect(await apply(pod)).toEqual({ ca: 'ca one', Authorization: 'Bearer one' })
	await give('two')
	now = 59_999
	expect(await apply(pod)).toEqual({ ca: 'ca one', Authorization: 'Bearer one' })
	now = 60_000
	expect(await apply(pod)).toEqual({ ca: 'ca two', Authorization: 'Bearer two' })
})

test('a token that cannot be read is an error of this request only', async () => {
	const pod = access()
	await rm(join(folder, 'token'))
	await expect(apply(pod)).rejects.toThrow('ENOENT')
	await give('two')
	expect(await apply(pod)).toEqual({ ca: 'ca two', Authorization: 'Bearer two' })
})
