import { expect, test } from 'vitest'
import { parseNodeConfig } from './node-config.ts'

const label = 'worker-0'
const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`

test.each([
	['of one label', label],
	['of a domain', `${label}.shard-0123456789.pool.some-cluster.region.cloud.internal.company.example`],
	['as long as Kubernetes lets it be', long],
])('a node has a name %s', (_, name) => {
	expect(parseNodeConfig([`--node-name=${name}`], {})).toMatchObject({ kind: 'run', config: { nodeName: name } })
	expect(parseNodeConfig([], { NODE_NAME: name })).toMatchObject({ kind: 'run', config: { nodeName: name } })
})

test.each([
	['longer than that', `${long}d`],
	['with capitals', 'Node-1'],
	['with an empty label', 'a..b'],
	['with a slash', 'a/b'],
])('a node has no name %s', (_, name) => {
	expect(parseNodeConfig([`--node-name=${name}`], {})).toMatchObject({ kind: 'invalid' })
})

test('a driver has a name of 63 characters at most, as Kubernetes takes it', () => {
	const parse = (driver: string) => parseNodeConfig(['--node-name=a', `--driver=${driver}`], {}).kind
	expect([parse('d'.repeat(62)), parse('d'.repeat(64))]).toEqual(['run', 'invalid'])
})
