// A world that answers a pass by hand: what each question is answered, and what was asked.
import type { Manifest, ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { Binding } from '../../api/parse.ts'
import type { ListedSecret, VaultSecret } from '../../ports/vault.ts'
import type { DestinationRules, Holding } from '../holding.ts'
import type { PassInput } from '../input.ts'
import { nothingKnown } from '../knowledge.ts'
import type { SecretFacts } from '../probe.ts'
import type { Answer, Answers, Ask, Moment, Piece, Question } from '../questions.ts'
import type { Source } from '../source.ts'
import { SAMPLE_VAULT } from './binding.ts'

export const SOURCE: Source = {
	vaultUrl: SAMPLE_VAULT,
	tenantId: '22222222-2222-4222-8222-222222222222',
	clientId: '11111111-1111-4111-8111-111111111111',
	audience: 'api://AzureADTokenExchange',
	namespace: 'ns',
	serviceAccount: 'sa',
	serviceAccountUid: 's',
}

/** The epoch of tests: long after everything that a vault of them holds. */
export const at = (monotonic: number): Moment => ({ now: 1_767_225_600_000 + monotonic, monotonic })

export const FACTS: SecretFacts = { enabled: true, updated: 1_700_000_000, created: 1_700_000_000, tags: {} }

export const secretOf = (version: string, value: string, facts: Partial<SecretFacts> = {}): VaultSecret => ({
	version,
	value: () => value,
	facts: { ...FACTS, ...facts },
	serverTime: at(0).now,
})

export const entryIn = (rest: Partial<ManifestSecret> = {}): ManifestSecret => ({
	objectName: 'a',
	version: 'v1',
	state: 'Current',
	pinned: false,
	tags: {},
	previous: [],
	...rest,
})

/** A holding of ours with these files and this manifest. */
export function holdingWith(secrets: Record<string, ManifestSecret>, more: Partial<Manifest> = {}): Holding {
	const names = [...Object.keys(secrets), '.binding.json']
	const manifest: Manifest = {
		schema: 1,
		revision: 1,
		binding: { namespace: 'ns', name: 'payments', uid: 'u' },
		vault: SAMPLE_VAULT,
		selectors: [],
		secrets,
		...more,
	}
	const files = new Map(names.map((name) => [name, { bytes: 1, foreign: undefined }]))
	return { id: 'h', files, manifest, revision: manifest.revision, token: undefined }
}

/** A destination without rules. */
export const ANYTHING: DestinationRules = {
	judge: ({ set, drop, on, create, manifest }) =>
		on === undefined && !create
			? { kind: 'nothing' }
			: set.size + drop.length > 0 || manifest !== on?.manifest
				? { kind: 'fits', files: set.size + drop.length > 0 }
				: { kind: 'nothing' },
}

export const inputOf = (binding: Binding, rest: Partial<PassInput> = {}): PassInput => ({
	binding,
	status: {},
	knowledge: nothingKnown('u'),
	source: SOURCE,
	rules: ANYTHING,
	at: at(0),
	startedAt: at(0),
	...rest,
})

export const SESSION: Answers['session'] = {
	kind: 'session',
	followed: 1,
	lists: { pages: undefined, at: 0, denied: false },
	issuer: undefined,
	nextTick: 60_000,
}

export const listingOf = (items: readonly ListedSecret[]): Answers['list'] => ({
	kind: 'listing',
	listing: {
		complete: true,
		pages: 1,
		items: new Map(items.map((item) => [item.objectName.toLowerCase(), item])),
		serverTime: at(0).now,
	},
})

/** What a test need not answer. */
const ANYWAY: Partial<Record<Ask, Answer>> = { session: SESSION, pause: { kind: 'paused' } }

/** Runs a piece with answers that are there at once. @returns its result, and what it asked in order */
export function runWith<R>(
	piece: Piece<R>,
	answer: (question: Question) => Answer | undefined,
	when: Moment = at(0),
): { result: R; asked: Question[] } {
	const asked: Question[] = []
	const open: Question[] = []
	let step = piece.next()
	while (!step.done) {
		open.push(...step.value)
		asked.push(...step.value)
		const question = open.shift()
		if (!question) throw new Error('it waits for nothing')
		const given = answer(question) ?? ANYWAY[question.ask]
		if (!given) throw new Error(`not expected to be asked: ${JSON.stringify(question)}`)
		step = piece.next({ question, answer: given, at: when })
	}
	return { result: step.value, asked }
}
