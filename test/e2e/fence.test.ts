// The installed operator: its own token against the API server of the cluster, whose audit log is looked at as well. What the policies
// refuse is tried in test/integration/rights, against any API server.
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { createScanner } from '../canary/scanner.ts'
import { readsOfEvent, readsOfSecret, tokenRequests } from '../integration/rights/reads.ts'
import { openScene, type Scene } from '../integration/rights/scene.ts'
import { getObject, kubectl } from '../kit/kubectl.ts'
import { type RawAnswer, type RawClient, rawClient } from '../kit/raw-client.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

const namespace = `fence-${randomUUID().slice(0, 8)}`
let world: World
let operator: RawClient
let scene: Scene

beforeAll(async () => {
	world = await connectWorld()
	scene = await openScene(world.target, namespace)
	const token = await kubectl(world.target, [
		...['-n', world.operator.namespace, 'create', 'token', world.operator.serviceAccount, '--duration=1h'],
	])
	operator = rawClient(world.target, token.trim())
})
afterAll(() => scene?.remove())

describe('of a namespace that granted nothing, a thief of the token of the operator', () => {
	const answers: { what: string; answer: RawAnswer }[] = []
	it('sees nothing in the answers', async () => {
		const before = await scene.foreign()
		const requests = [
			...readsOfSecret(scene, 'foreign'),
			...readsOfSecret(scene, 'held'),
			...readsOfEvent(scene),
			...tokenRequests(scene, 'boss'),
		]
		for (const [what, request] of requests) answers.push({ what, answer: await operator(request) })
		const { scan } = createScanner(scene.canaries)
		expect(answers.flatMap(({ what, answer }) => scan(what, answer.text))).toEqual([])
		expect(answers.filter(({ answer }) => answer.status < 400).map(({ what }) => what)).toEqual([])
		expect(await scene.foreign()).toEqual(before)
	})

	it('leaves nothing in the audit log either', async ({ skip }) => {
		const file = world.auditLog
		// A given cluster keeps its log to itself.
		if (!file || !existsSync(file)) return skip()
		const asked = answers.filter(({ what }) => what.startsWith('token')).length
		const lines = await until('the last requests in the audit log', () => {
			const all = readFileSync(file, 'utf8')
				.split('\n')
				.filter((line) => line.includes(`"${namespace}"`) && line.includes(world.operator.serviceAccount))
			return Promise.resolve(all.filter((line) => line.includes('"subresource":"token"')).length >= asked && all)
		})
		expect(createScanner(scene.canaries).scan('audit log', lines.join('\n'))).toEqual([])
	})
})

describe('the kustomization', () => {
	it('renders with the kubectl of the cluster, the fence before the operator', async () => {
		const text = await kubectl(world.target, ['kustomize', 'deploy/kustomize'])
		const kinds = [...text.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind)
		expect(kinds.filter((kind) => kind === 'ValidatingAdmissionPolicyBinding')).toHaveLength(4)
		expect(kinds.lastIndexOf('ValidatingAdmissionPolicyBinding')).toBeLessThan(kinds.indexOf('Deployment'))
	})
	it('goes with an example that the API server accepts as it stands', async () => {
		const folder = join(import.meta.dirname, '../../deploy/examples')
		for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((each) =>
			each.endsWith('.yaml'),
		)) {
			const objects = parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map(
				(each) => each.toJS() as { kind: string },
			)
			// Into the namespace of this test: a dry run does not make the one of the example.
			const here = objects
				.filter(({ kind }) => kind !== 'Namespace')
				.map((each) => JSON.stringify(each).replaceAll('"namespace":"payments"', `"namespace":"${namespace}"`))
			await kubectl(world.target, ['-n', namespace, 'apply', '--dry-run=server', '-f', '-'], {
				input: `{"apiVersion":"v1","kind":"List","items":[${here.join(',')}]}`,
			})
		}
	})
	it('has no warning from the type check of the policies', async () => {
		const { items } = await getObject<{
			items: Array<{ metadata: { name: string }; status?: { typeChecking?: object } }>
		}>(world.target, [...['validatingadmissionpolicies', '-l', 'app.kubernetes.io/part-of=azure-secret-binding']])
		// A run of the tests of rights that was killed leaves copies under other names.
		const ours = items.filter(({ metadata }) => metadata.name.startsWith('azure-secret-binding-'))
		expect(ours.map(({ metadata, status }) => [metadata.name, status?.typeChecking])).toEqual(
			['events', 'pods', 'secrets', 'tokens'].map((name) => [`azure-secret-binding-${name}`, {}]),
		)
	})
})
