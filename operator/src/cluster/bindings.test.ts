import { expect, test } from 'vitest'
import { keptOf } from './bindings.ts'

test('of a binding what nobody reads is not kept: labels, owners, annotations of others', () => {
	const spec = { secrets: [{ name: 'a' }] }
	const metadata = { namespace: 'ns', name: 'b', uid: 'u', resourceVersion: '1', generation: 2 }
	const large = 'x'.repeat(200_000)
	const kept = keptOf({
		metadata: {
			...metadata,
			labels: { a: large },
			ownerReferences: [{ kind: large }],
			annotations: {
				'kubectl.kubernetes.io/last-applied-configuration': large,
				'secrets.purista.dev/requested-at': 'now',
				'secrets.purista.dev/of-nobody': large,
			},
		},
		spec,
		status: { synced: '1/1' },
	})
	expect(kept).toEqual({
		metadata: { ...metadata, annotations: { 'secrets.purista.dev/requested-at': 'now' } },
		spec,
		status: { synced: '1/1' },
	})
	expect(keptOf({ metadata: { ...metadata, annotations: { other: 'x' } } })).toEqual({ metadata })
})
