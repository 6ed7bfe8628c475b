// A thief of the operator's token in the default profile, with a grant in namespace A and none in B: of B it sees no byte.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createScanner } from '../../canary/scanner.ts'
import type { RawAnswer, RawRequest } from '../../kit/raw-client.ts'
import { until } from '../../kit/until.ts'
import { connectTarget, installProfile, type Profile } from './profile.ts'
import { readsOfEvent, readsOfSecret, tokenRequests } from './reads.ts'
import { openScene, type Scene } from './scene.ts'

const NO_RIGHT = / is forbidden: User "system:serviceaccount:[^"]+:azure-secret-binding-operator" cannot /

describe('with a grant in A and none in B', () => {
	let profile: Profile
	let a: Scene
	let b: Scene
	let before: string[]
	const answers: { what: string; answer: RawAnswer }[] = []

	beforeAll(async () => {
		const target = await connectTarget()
		profile = await installProfile(target, 'default')
		a = await openScene(target, `${profile.tag}-a`)
		b = await openScene(target, `${profile.tag}-b`)
		await profile.grant(a.namespace)
		const foreign: RawRequest = { method: 'GET', path: `/api/v1/namespaces/${a.namespace}/secrets/foreign` }
		await until('the grant', async () => (await profile.thief(foreign)).status === 200)
		before = await b.foreign()
	})
	afterAll(async () => {
		await a?.remove()
		await b?.remove()
		await profile?.remove()
	})

	it('no request that we know shows anything of B', async () => {
		const requests = [
			...readsOfSecret(b, 'foreign'),
			...readsOfSecret(b, 'held'),
			...readsOfEvent(b),
			...tokenRequests(b, 'boss'),
			...tokenRequests(b, 'payments'),
		]
		expect(requests.length).toBeGreaterThan(150)
		for (const [what, request] of requests) answers.push({ what, answer: await profile.thief(request) })
		// Events may be updated everywhere. What differs is refused, in the words of the update itself, before a policy is asked.
		const isRefused = (what: string, { status, json }: RawAnswer) =>
			what === 'update of an event' ? status === 422 : status === 403 && NO_RIGHT.test(String(json['message']))
		const others = answers.filter(({ what, answer }) => !isRefused(what, answer))
		expect(others.map(({ what, answer }) => `${what}: ${answer.status} ${answer.text.slice(0, 400)}`)).toEqual([])
	})

	it('0 canaries of B and no token stand in the answers', () => {
		const scanner = createScanner(b.canaries)
		expect(answers.flatMap(({ what, answer }) => scanner.scan(what, answer.text))).toEqual([])
	})

	it('nothing foreign of B has changed', async () => {
		expect(await b.foreign()).toEqual(before)
	})

	it('the same requests do show A, so they can find something', async () => {
		const scanner = createScanner(a.canaries)
		const seen = new Set<string>()
		for (const [what, request] of readsOfSecret(a, 'foreign')) {
			const { text } = await profile.thief(request)
			if (scanner.scan(what, text).length > 0) seen.add(what)
		}
		expect([...seen]).toContain('get')
		expect([...seen]).toContain('merge patch of a wrong type')
		expect([...seen]).toContain('merge patch of a wrong type, dryRun=All')
		expect([...seen]).toContain('JSON patch that copies a value to /type')
		expect([...seen]).not.toContain('update')
		expect([...seen]).not.toContain('list')
	})
})
