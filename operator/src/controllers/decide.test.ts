import { serializeManifest } from 'purista-azure-mounted-secret-store/manifest'
import { expect, test } from 'vitest'
import { readDelivered } from '../destinations/secret/secret-object.ts'
import type { Finding } from '../engine/entry.ts'
import type { Known } from '../engine/known.ts'
import { decide } from './decide.ts'
import { emptyResult, type LookResult } from './look.ts'
import { createMemory } from './memory.ts'
import { SAMPLE_VAULT, sampleBinding } from './testing/samples.ts'

const binding = sampleBinding()

const manifest = serializeManifest({
	schema: 1,
	revision: 1,
	binding: { namespace: 'ns', name: 'payments', uid: 'u' },
	vault: SAMPLE_VAULT,
	selectors: [],
	secrets: { a: { objectName: 'a', version: 'v1', state: 'Current', pinned: false, tags: {}, previous: [] } },
})
const base64 = (text: string) => Buffer.from(text).toString('base64')
const memory = createMemory('u')
memory.delivered = readDelivered({
	metadata: { name: 'mine', uid: 's', resourceVersion: '1' },
	data: { a: base64('value'), '.binding.json': base64(manifest) },
})

function reasonOf(finding: Finding, settled: boolean | undefined) {
	const known: Known = {
		objectName: 'a',
		pin: undefined,
		form: undefined,
		probe: 'probe',
		settled: settled === true,
		flaw: undefined,
		turnAt: undefined,
		finding: undefined,
	}
	const found: LookResult = {
		...emptyResult(binding.secrets),
		findings: new Map([['a', finding]]),
		known: new Map(settled === undefined ? [] : [['a', known]]),
	}
	return decide({ binding, vaultUrl: SAMPLE_VAULT, memory }, found, undefined).results[0]?.reason
}

test.each<[string, Finding, boolean | undefined, string | undefined]>([
	['unchanged and settled', { kind: 'unchanged' }, true, undefined],
	['not looked at in between', { kind: 'unchanged' }, false, 'Unsettled'],
	['absent for the first time', { kind: 'fault', fault: { kind: 'absent' }, confirmed: false }, undefined, 'Unsettled'],
	['forbidden', { kind: 'fault', fault: { kind: 'forbiddenRbac' }, confirmed: false }, undefined, 'ForbiddenByRbac'],
])('what is to be read again says so: %s', (_, finding, settled, reason) => {
	expect(reasonOf(finding, settled)).toBe(reason)
})
