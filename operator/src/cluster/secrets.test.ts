import { expect, test } from 'vitest'
import { OWNER_LABEL } from '../api/constants.ts'
import { KubeError } from '../ports/kube-error.ts'
import { createSecrets } from './secrets.ts'

function setUp(answer: object | KubeError) {
	const sent: string[] = []
	const request = <T>({ method, path }: { method: string; path: string }): Promise<T> => {
		sent.push(`${method} ${path}`)
		return answer instanceof KubeError ? Promise.reject(answer) : Promise.resolve(answer as T)
	}
	return { sent, secrets: createSecrets({ request }) }
}
const labelled = (owner?: string) => ({ metadata: { labels: owner === undefined ? {} : { [OWNER_LABEL]: owner } } })

test.each<[string, object | KubeError, object]>([
	['with our label', labelled('b'), { kind: 'ours' }],
	['of another binding', labelled('c'), { kind: 'foreign', owner: 'c' }],
	['without a label', labelled(), { kind: 'foreign', owner: undefined }],
	['that is not there', new KubeError('notFound', 'none'), { kind: 'none' }],
])('a Secret %s is read back by a GET, and by nothing else', async (_what, answer, expected) => {
	const { sent, secrets } = setUp(answer)
	expect(await secrets.readBack('ns', 's', 'b')).toMatchObject(expected)
	expect(sent).toEqual(['GET /api/v1/namespaces/ns/secrets/s'])
})

test('no patch is sent without the version that was read', async () => {
	const { sent, secrets } = setUp(labelled('b'))
	expect(() => secrets.patch('ns', 's', { metadata: { resourceVersion: '' } })).toThrow('only at the version')
	expect(sent).toEqual([])
	await secrets.patch('ns', 's', { metadata: { resourceVersion: '7' } })
	expect(sent).toEqual(['PATCH /api/v1/namespaces/ns/secrets/s'])
})
