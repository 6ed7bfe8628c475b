import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { kindConfig } from './kind-cluster.ts'

interface Rule {
	readonly level: string
	readonly resources?: ReadonlyArray<{ readonly group: string; readonly resources: readonly string[] }>
}

describe('the cluster', () => {
	it('mounts the audit folder and nothing else of this machine', () => {
		const config = kindConfig('/cache/audit') as { nodes: Array<{ extraMounts: Array<{ hostPath: string }> }> }
		expect(config.nodes.flatMap((node) => node.extraMounts.map((mount) => mount.hostPath))).toEqual(['/cache/audit'])
	})

	it('logs requests whole, except those with secret values or tokens', () => {
		const file = join(import.meta.dirname, 'assets', 'audit-policy.yaml')
		const { rules } = parse(readFileSync(file, 'utf8')) as { rules: Rule[] }
		// The first rule that matches decides, so these have to come before all others.
		expect(rules[0]).toEqual({
			level: 'Metadata',
			resources: [
				{ group: '', resources: ['secrets', 'serviceaccounts/token'] },
				{ group: 'authentication.k8s.io', resources: ['tokenreviews'] },
			],
		})
		expect(rules.at(-1)).toEqual({ level: 'RequestResponse' })
	})
})
