import type { Binding, Form } from '../api/parse.ts'
import type { Formed } from '../engine/form.ts'
import type { Answer, Answers, Ask, Away, Fault, Question, Questions, Refusal } from '../engine/questions.ts'
import type { Destination } from '../ports/destination.ts'
import { isKubeError } from '../ports/kube-error.ts'
import { VaultError, type VaultSecret, type VaultSession } from '../ports/vault.ts'
import type { Asking } from './drive.ts'
import { tokenRefused } from './resolve-source.ts'

/** Makes contents of files out of values, one for each form, elsewhere than here: tenants may have written anything. */
export type MakeForms = (
	namespace: string,
	secret: VaultSecret,
	forms: readonly (Form | undefined)[],
	signal: AbortSignal,
) => Promise<readonly Formed[]>

export interface Answering {
	binding: Binding
	session: VaultSession
	destination: Destination
	makeForms: MakeForms
}

type Table = {
	readonly [A in Ask]: (question: Readonly<Questions[A]>, asking: Asking) => Promise<Answers[A]> | Answers[A]
}

/** Who answers the questions of a pass: its session, its destination, and the parser of values. */
export function createAnswer(given: Answering): (question: Question, asking: Asking) => Promise<Answer> | Answer {
	const { binding, session, destination, makeForms } = given
	const ofVault = async <T>(work: Promise<T>): Promise<T | Fault | Refusal | Away> => {
		try {
			return await work
		} catch (error) {
			if (error instanceof VaultError) return { kind: 'fault', fault: error.fault }
			// The only questions to the API server in there are for tokens.
			if (isKubeError(error)) return tokenRefused(binding, error)
			throw error
		}
	}
	const table: Table = {
		session({ follow, interval }) {
			if (follow) session.follow(`${binding.namespace}/${binding.name}`, follow)
			const { lists, issuer } = session
			return {
				kind: 'session',
				followed: session.followed(interval),
				lists,
				issuer,
				nextTick: session.nextTick(interval),
			}
		},
		list: ({ pages, ...ask }, asking) =>
			ofVault(session.list({ pages }, { ...ask, ...asking }).then((listing) => ({ kind: 'listing', listing }))),
		read: ({ objectName, version, ...ask }, asking) =>
			ofVault(session.read(objectName, version, { ...ask, ...asking }).then((secret) => ({ kind: 'secret', secret }))),
		versions: ({ objectName, pages, ...ask }, asking) =>
			ofVault(
				session
					.versions(objectName, { pages }, { ...ask, ...asking })
					.then((listing) => ({ kind: 'versions', listing })),
			),
		async form({ secret, forms }, { signal, waits }) {
			// The thread for it has a deadline of its own, and turns that may be long; neither is time of the vault.
			waits(true)
			return { kind: 'formed', formed: await makeForms(binding.namespace, secret, forms, signal) }
		},
		readBack: (_, { signal }) => destination.readBack(signal),
		write: ({ change }, { signal }) => destination.write(change, signal),
		pause: () => ({ kind: 'paused' }),
		removeFormer: ({ formerName }, { signal }) => destination.removeFormer(formerName, signal),
	}
	// One row of the table for each kind of question, so the row of a question takes it.
	return (question, asking) => answerOf(table, question, asking)
}

function answerOf(table: Table, question: Question, asking: Asking): Promise<Answer> | Answer {
	switch (question.ask) {
		case 'session':
			return table.session(question, asking)
		case 'list':
			return table.list(question, asking)
		case 'read':
			return table.read(question, asking)
		case 'versions':
			return table.versions(question, asking)
		case 'form':
			return table.form(question, asking)
		case 'readBack':
			return table.readBack(question, asking)
		case 'write':
			return table.write(question, asking)
		case 'pause':
			return table.pause(question, asking)
		case 'removeFormer':
			return table.removeFormer(question, asking)
	}
}
