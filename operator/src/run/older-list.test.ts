import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

test('a list of versions that is older than the value that was read does not tell which version was before it', async () => {
	const one = openBinding({ secrets: [{ name: 'db', previous: 1 }] })
	one.vault('a').set('db', 'first')
	await one.pass(125_000)
	const { session } = one.vault('a')
	const { versions } = session
	// As sessions do: an answer is shared by all that ask for one of that time.
	let last: { begun: number; answer: Awaited<ReturnType<typeof versions>> } | undefined
	session.versions = async (name, limit, ask) => {
		if (last && last.begun >= ask.since) return structuredClone(last.answer)
		last = { begun: one.clock.monotonic(), answer: structuredClone(await versions(name, limit, ask)) }
		return structuredClone(last.answer)
	}
	await one.clock.advance(70_000)
	// Another binding of the session, after the time of the poll that is late.
	await session.versions(
		'db',
		{ pages: 1 },
		{ since: one.clock.monotonic(), lane: 'refresh', signal: new AbortController().signal },
	)
	one.vault('a').set('db', 'second')
	await one.clock.advance(1_000)
	one.vault('a').set('db', 'third')
	await one.reconcile()
	expect(one.files()).toEqual({ db: 'third', 'db.previous': 'second' })
})
