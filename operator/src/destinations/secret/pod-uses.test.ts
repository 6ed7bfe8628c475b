import { describe, expect, it } from 'vitest'
import { type FixedUse, fixedMessage, fixedUses, needsRefresh, ownerOf, type PodObject } from './pod-uses.ts'

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
	it.each(cases)('%s', (_, of, expected) => expect(needsRefresh(of, 'mine', '7', WRITTEN)).toBe(expected))
})

describe('a pod keeps old values', () => {
	const subPath = [{ volumeMounts: [{ name: 'v', subPath: 'a' }] }]
	const keyRef = [{ env: [{}, { valueFrom: { secretKeyRef: { name: 'mine' } } }] }]
	const envFrom = [{ envFrom: [{ secretRef: { name: 'other' } }, { secretRef: { name: 'mine' } }] }]
	const cases: [string, PodObject, FixedUse[]][] = [
		['not when it mounts the Secret as a directory', pod(), []],
		['when it mounts a single file', pod({ spec: { volumes, containers: subPath } }), ['subPath']],
		[
			'when it mounts a file whose name is computed',
			pod({ spec: { volumes, containers: [{ volumeMounts: [{ name: 'v', subPathExpr: '$(A)' }] }] } }),
			['subPath'],
		],
		[
			'when it mounts a single file of a projected volume',
			pod({
				spec: { volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 'mine' } }] } }], containers: subPath },
			}),
			['subPath'],
		],
		['when a variable is a key of the Secret', pod({ spec: { containers: keyRef } }), ['environment']],
		['when all variables are', pod({ spec: { containers: envFrom } }), ['environment']],
		[
			'in both ways, and mounts the directory as well',
			pod({ spec: { volumes, containers: [...containers, ...subPath, ...keyRef] } }),
			['subPath', 'environment'],
		],
		[
			'when a sidecar does',
			pod({ spec: { containers: [{}], initContainers: [{ ...keyRef[0], restartPolicy: 'Always' }] } }),
			['environment'],
		],
		['not when an init container did', pod({ spec: { containers: [{}], initContainers: keyRef } }), []],
		[
			'not when the file is of another volume',
			pod({ spec: { volumes, containers: [{ volumeMounts: [{ name: 'w', subPath: 'a' }] }] } }),
			[],
		],
		[
			'not when the variable is of another Secret or of a field',
			pod({ spec: { containers: [{ env: [{ valueFrom: { secretKeyRef: { name: 'other' } } }, { valueFrom: {} }] }] } }),
			[],
		],
		['also while it waits for its start', pod({ phase: 'Pending', spec: { containers: keyRef } }), ['environment']],
		['not when it has ended', pod({ phase: 'Failed', spec: { containers: keyRef } }), []],
		[
			'not when it is being deleted',
			pod({ metadata: { deletionTimestamp: '2026-01-01T12:00:00Z' }, spec: { containers: keyRef } }),
			[],
		],
	]
	it.each(cases)('%s', (_, of, uses) => expect(fixedUses(of, 'mine')).toEqual(uses))
	it('is said with the way out', () => {
		const text = fixedMessage({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' }, 'mine', [
			'subPath',
			'environment',
		])
		expect(text).toMatch(
			/^Deployment shop takes the Secret mine as single files \(subPath\) and as environment variables: /,
		)
		expect(text).toMatch(/without subPath, or restart the pods/)
	})
})

describe('the owner of a pod', () => {
	const owned = (kind: string, name: string, hash?: string, controller = true) =>
		pod({
			metadata: {
				ownerReferences: [{ apiVersion: 'apps/v1', kind, name, controller }],
				...(hash ? { labels: { 'pod-template-hash': hash } } : {}),
			},
		})
	const cases: [string, PodObject, string][] = [
		['itself when nothing controls it', pod(), 'v1 Pod p'],
		['itself when the owner does not control it', owned('Thing', 't', undefined, false), 'v1 Pod p'],
		['its controller', owned('StatefulSet', 'db'), 'apps/v1 StatefulSet db'],
		['the Deployment of its ReplicaSet', owned('ReplicaSet', 'shop-web-5d4f', '5d4f'), 'apps/v1 Deployment shop-web'],
		['a ReplicaSet of its own', owned('ReplicaSet', 'shop-web'), 'apps/v1 ReplicaSet shop-web'],
	]
	it.each(cases)('is %s', (_, of, owner) => expect(Object.values(ownerOf(of)).join(' ')).toBe(owner))
})
