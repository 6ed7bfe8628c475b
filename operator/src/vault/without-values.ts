import { readByLists } from '../engine/by-lists.ts'
import type { Answer, Question } from '../engine/questions.ts'
import { type Ask, VaultError, type VaultSecret, type VaultSession } from '../ports/vault.ts'
import { type Clock, momentOf } from '../process/clock.ts'

/** A session as far as it tells no values: whoever holds only this cannot read one. */
export type Lists = Omit<VaultSession, 'read'>

/**
 * A session that reads no value: what is asked of a secret is answered by lists, with an empty value (engine/by-lists.ts).
 *
 * The session keeps each answer for the others that ask at the same time, so the same list is asked for once.
 *
 * @param follows how many secrets of the vault the binding wants, and how often it polls
 */
export function withoutValues(
	session: Lists,
	follows: { readonly wanted: number; readonly interval: number },
	clock: Clock,
): VaultSession {
	const listed = async (question: Question | undefined, ask: Ask): Promise<Answer> => {
		if (question?.ask === 'list')
			return { kind: 'listing', listing: await session.list({ pages: question.pages }, ask) }
		if (question?.ask !== 'versions') throw new Error('a question that no list answers')
		const { objectName, pages } = question
		return { kind: 'versions', listing: await session.versions(objectName, { pages }, ask) }
	}
	const read = async (objectName: string, version: string | undefined, ask: Ask): Promise<VaultSecret> => {
		const costs = { lists: session.lists, followed: session.followed(follows.interval), wanted: follows.wanted }
		const { since, lane } = ask
		const piece = readByLists({ objectName, version, since, lane }, costs, momentOf(clock))
		let step = piece.next()
		while (!step.done) {
			const [question] = step.value
			const answer = await listed(question, ask)
			if (question) step = piece.next({ question, answer, at: momentOf(clock) })
		}
		const { value: answer } = step
		if (answer.kind === 'secret') return answer.secret
		// What lists themselves cannot tell is thrown by the session.
		throw answer.kind === 'fault' ? new VaultError(answer.fault) : new Error(`an answer of no list: ${answer.kind}`)
	}
	return {
		read,
		list: (limit, ask) => session.list(limit, ask),
		versions: (objectName, limit, ask) => session.versions(objectName, limit, ask),
		follow: (binding, demand) => session.follow(binding, demand),
		followed: (interval) => session.followed(interval),
		nextTick: (interval) => session.nextTick(interval),
		get lists() {
			return session.lists
		},
		get issuer() {
			return session.issuer
		},
	}
}
