import { expect, test } from 'vitest'
import { parseCertificate } from '../adapters/pki/certificate.ts'
import { VaultError } from '../ports/vault.ts'
import { emptyResult, type Looking } from './look.ts'
import { readGroup } from './read.ts'
import { failingSession, sampleBinding } from './testing/samples.ts'

const binding = sampleBinding()

/** A look that asks at `since` or later, and hears after `waits` milliseconds that there is no such secret. */
async function look(since: number, waits: number, absentSince: ReadonlyMap<string, number>) {
	const looking: Looking = {
		binding,
		explicit: binding.secrets,
		session: failingSession(new VaultError({ kind: 'absent' })),
		delivered: undefined,
		known: new Map(),
		look: 1,
		force: new Set(),
		absentSince,
		at: since,
		monotonic: () => since + waits,
		now: 0,
		parseCertificate,
		ask: { since, lane: 'refresh', signal: new AbortController().signal },
		items: undefined,
		listedAt: undefined,
		result: emptyResult([]),
	}
	await readGroup(binding.secrets, looking)
	const finding = looking.result.findings.get('a')
	return { absentSince: looking.result.absentSince, confirmed: finding?.kind === 'fault' && finding.confirmed }
}

test('absence counts from the first answer to the next question, however long a look waited for its answers', async () => {
	const first = await look(0, 8_000, new Map())
	expect(first).toEqual({ absentSince: new Map([['a', 8_000]]), confirmed: false })
	expect((await look(10_000, 0, first.absentSince)).confirmed).toBe(false)
	// Late itself, so that it may get the answer that another binding asked for ten seconds before.
	expect((await look(17_999, 10_000, first.absentSince)).confirmed).toBe(false)
	expect((await look(18_000, 0, first.absentSince)).confirmed).toBe(true)
})
