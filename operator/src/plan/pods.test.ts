import { describe, expect, it } from 'vitest'
import { needsNudge, type PodObject } from './pods.ts'

const WRITTEN = Date.UTC(2026, 0, 1, 12)
type Spec = NonNullable<PodObject['spec']>
const volumes: Spec['volumes'] = [{ name: 'v', secret: { secretName: 'mine' } }]
const containers: Spec['containers'] = [{ volumeMounts: [{ name: 'v' }] }]
const pod = (change: { metadata?: object; spec?: Spec; phase?: string } = {}): PodObject => ({
	metadata: { name: 'p', creationTimestamp: '2026-01-01T11:00:00Z', ...change.metadata },
	spec: change.spec ?? { volumes, containers },
	status: { phase: change.phase ?? 'Running' },
})

describe('a pod is told to refresh', () => {
	const cases: [string, PodObject, boolean][] = [
		['when it mounts the Secret as a directory', pod(), true],
		[
			'when it mounts it inside a projected volume',
			pod({ spec: { volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 'mine' } }] } }], containers } }),
			true,
		],
		['when an init container does (a sidecar)', pod({ spec: { volumes, initContainers: containers } }), true],
		[
			'when it was created in the second of the write',
			pod({ metadata: { creationTimestamp: '2026-01-01T12:00:00Z' } }),
			true,
		],
		[
			'when it was told of an earlier version',
			pod({ metadata: { annotations: { 'secrets.purista.dev/refreshed': '6' } } }),
			true,
		],
		[
			'not when it was told already',
			pod({ metadata: { annotations: { 'secrets.purista.dev/refreshed': '7' } } }),
			false,
		],
		['not when it was created later', pod({ metadata: { creationTimestamp: '2026-01-01T12:00:01Z' } }), false],
		['not when it is being deleted', pod({ metadata: { deletionTimestamp: '2026-01-01T12:00:00Z' } }), false],
		['not when it does not run yet', pod({ phase: 'Pending' }), false],
		['not when it has ended', pod({ phase: 'Succeeded' }), false],
		[
			'not when it mounts another Secret',
			pod({ spec: { volumes: [{ name: 'v', secret: { secretName: 'other' } }], containers } }),
			false,
		],
		['not when no container mounts the volume', pod({ spec: { volumes, containers: [{}] } }), false],
		[
			'not when it mounts single files only',
			pod({ spec: { volumes, containers: [{ volumeMounts: [{ name: 'v', subPath: 'a' }] }] } }),
			false,
		],
	]
	it.each(cases)('%s', (_, of, told) => expect(needsNudge(of, 'mine', '7', WRITTEN)).toBe(told))
})
