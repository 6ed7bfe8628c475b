import { isKubeError } from '../adapters/kube/errors.ts'
import { parseCertificate } from '../adapters/pki/certificate.ts'
import type { Binding, WantedSecret } from '../api/parse.ts'
import { type BindingStatus, MAX_SECRETS } from '../api/schema.ts'
import type { Account } from '../plan/commands.ts'
import { deliveredSecret, drifted, type SecretObject } from '../plan/delivered.ts'
import type { EntryResult, Finding } from '../plan/found.ts'
import { objectKey } from '../plan/look.ts'
import type { FaultContext } from '../plan/messages.ts'
import type { Outcome } from '../plan/outcome.ts'
import type { Permissions, Secrets, ServiceAccounts } from '../ports/cluster.ts'
import type { Vaults } from '../ports/vault.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Decided, decide, finish, type Planned } from './decide.ts'
import { dropRenamed, LostRace, type Present, readPresent, writeSecret } from './deliver.ts'
import { withGrant } from './grant.ts'
import { followHistory, type HistoryKnown, isHistoryDue, repeatTrouble } from './history.ts'
import { type Refusal, refused, refusedBy, resolveIdentity } from './identity.ts'
import { type LookInput, type LookResult, lookAtSome, lookAtVault } from './look.ts'
import { deliveredOf, type Memory } from './memory.ts'
import type { Observer } from './observe.ts'
import { bytesOf, keep, namesDue, nextWhole, soonest, takeIn } from './remember.ts'
import { askingVault, TokenRefused } from './tokens.ts'

export interface SyncDeps {
	clock: Clock
	vaults: Vaults
	serviceAccounts: ServiceAccounts
	secrets: Secrets
	permissions: Permissions
	observer: Observer
	/** the operator's own ServiceAccount */
	operator: Account
	/** when this process began to work: what was asked before that is as old as a binding that it found */
	startedAt: { now: number; monotonic: number }
}

// Drift is looked for at each data write and every 5 min (design 7).
const DRIFT_EVERY_MS = 5 * 60_000

/**
 * One pass from what is true to what is wanted: read, plan, act. What it came to is the outcome; nothing is reported here.
 *
 * 1. Identity: the ServiceAccount, its annotations, the session.
 * 2. The Secret is read back when it is not known, when drift is due, and when the user asked or changed the spec.
 * 3. The vault is looked at: list or reads, and the values of what changed or drifted. Between two whole looks only what is due.
 * 4. If that asks for a write and the Secret was not read back just now, it is, and what drifted is read from the vault too.
 * 5. Older versions are brought up to date: bytes that the Secret has are moved, others read.
 * 6. One write. What was learnt is kept in memory only after it succeeded: a crash or a refusal before repeats the work.
 */
export async function sync(
	binding: Binding,
	status: BindingStatus,
	memory: Memory,
	deps: SyncDeps,
	signal: AbortSignal,
): Promise<Outcome> {
	const outcome = await trySync(binding, status, memory, deps, signal)
	return outcome.kind === 'refused' ? withGrant(outcome, deps) : outcome
}

async function trySync(
	binding: Binding,
	status: BindingStatus,
	memory: Memory,
	deps: SyncDeps,
	signal: AbortSignal,
): Promise<Exclude<Outcome, { kind: 'refused' }> | Refusal> {
	const { clock, secrets, vaults, observer } = deps
	const asked = isAsked(binding, status, memory)
	const identity = await resolveIdentity(binding, deps, sinceOf(binding, memory, asked, undefined, deps))
	signal.throwIfAborted()
	if (identity.kind === 'refused') return identity
	const { key } = identity
	observer.uses(`${binding.namespace}/${binding.name}`, key.vaultUrl)
	const session = vaults.session(key)
	const context = (): FaultContext => ({ ...key, issuer: session.issuer })

	const driftDue = clock.monotonic() - memory.driftCheckedAt >= DRIFT_EVERY_MS
	let present: Exclude<Present, Refusal> | undefined
	const readBack = async (): Promise<Refusal | undefined> => {
		const read = await readPresent(secrets, binding, memory)
		if (read.kind === 'refused') return read
		takeIn(read, binding, status, memory, clock)
		present = read
		return undefined
	}
	// Another policy judges anew what was flawed.
	if (asked) for (const [name, { finding }] of memory.known) if (finding) memory.known.delete(name)
	if (memory.delivered === undefined || asked || driftDue) {
		const refusal = await readBack()
		if (refusal) return refusal
	}

	const due = asked ? undefined : namesDue(memory, clock.monotonic())
	const input = (): LookInput => ({
		binding,
		explicit: binding.secrets,
		session,
		delivered: deliveredOf(memory),
		known: memory.known,
		look: memory.looks,
		force: forced(memory),
		absentSince: memory.absentSince,
		at: clock.monotonic(),
		monotonic: () => clock.monotonic(),
		now: clock.now(),
		parseCertificate,
		ask: { since: sinceOf(binding, memory, asked, due, deps), lane: deliveredOf(memory) ? 'refresh' : 'first', signal },
	})
	try {
		if (!due) memory.looks++
		let found = await askingVault(binding, due ? lookAgain(input(), memory, due) : lookAtVault(input()))
		if (found.tooMany !== undefined) return tooMany(found.tooMany)
		const planning = { binding, vaultUrl: key.vaultUrl, memory }
		let decided = decide(planning, found, present)
		let planned = finish(planning, found, decided)
		const history: HistoryKnown = new Map(memory.history)
		// Older versions wait for a whole look.
		const historyDue = () => !due && decided.results.some((result) => isDue(result, memory))
		if ((planned.write.kind === 'patch' || historyDue()) && !present) {
			const refusal = await readBack()
			if (refusal) return refusal
			found = await askingVault(binding, lookForDrifted(input(), memory, found))
			decided = decide(planning, found, present)
			planned = finish(planning, found, decided)
		}
		if (historyDue()) {
			decided = await askingVault(binding, withHistory(decided, input(), found, { memory, present, known: history }))
			planned = finish(planning, found, decided)
		}
		// The type asks for a key that is not there because reading it failed: that fault is the thing to tell.
		if (planned.write.kind === 'keyMissing' && planned.results.some(({ fault }) => fault))
			planned.write = { kind: 'none' }
		// Nothing was learnt, so there is nothing to decide.
		if (found.fault && ![...found.findings.values()].some(({ kind }) => kind === 'value')) {
			return { kind: 'failed', fault: found.fault, at: context() }
		}
		const written = await writeSecret(secrets, binding, planned.write)
		if (written && 'kind' in written && written.kind === 'refused') {
			// What a human does about it is seen at the next look, not when drift is due.
			memory.driftCheckedAt = Number.NEGATIVE_INFINITY
			return written
		}
		keep(memory, found, planned, written as SecretObject | undefined, clock)
		memory.history = history
		if (!found.fault) observer.looked(key.vaultUrl)
		if (written) {
			observer.written(bytesOf(written as SecretObject))
			observePropagation(planned, found, deps)
		}
		if (binding.secrets.every(({ name, optional }) => optional || deliveredSecret(deliveredOf(memory), name))) {
			await dropRenamed(secrets, binding, status.secretName)
		}
		const changed =
			(planned.write.kind === 'create' || planned.write.kind === 'patch') && planned.write.changed.length > 0
		return {
			kind: 'looked',
			results: planned.results.map((result) => repeatTrouble(result, history)),
			at: context(),
			changed,
			again: soonest(memory, clock.monotonic()),
			nextAt: nextWhole(binding, memory, session, clock, due !== undefined),
			selectors: found.selectors,
			removals: planned.removals,
			held: found.held,
		}
	} catch (error) {
		if (error instanceof LostRace) memory.delivered = undefined
		if (error instanceof TokenRefused) return error.refusal
		// What is left that can be refused is taking the Secret of the old name away.
		if (isKubeError(error, 'forbidden', 'invalid'))
			return refusedBy(error, 'SecretWriteRefused', 'The API server refuses to remove the Secret under its old name')
		throw error
	}
}

const tooMany = (count: number) =>
	refused(
		'TooManySecrets',
		`Entries and selectors ask for ${count} secrets; a binding delivers at most ${MAX_SECRETS}. Narrow the selectors, or spread them over several bindings. Nothing was changed.`,
	)

/** The user changed the spec, an annotation that says how to follow it, or asked for a look. */
export const isAsked = (binding: Binding, status: BindingStatus, memory: Memory): boolean =>
	memory.generation !== binding.generation ||
	(memory.overrides !== undefined && memory.overrides !== binding.overrides) ||
	isRequested(binding, status, memory)

function isRequested(binding: Binding, status: BindingStatus, memory: Memory): boolean {
	const handled = memory.requested ?? status.lastHandledRequest
	return binding.requested !== undefined && binding.requested !== handled
}

/**
 * How old an answer may be that another binding of the session asked for. What is due at a time takes what was asked since
 * then, so that all bindings with that time share it; whoever asks gets a new one. At the first look that is the start of
 * this process, unless the binding is younger.
 */
function sinceOf(
	{ createdAt = Number.POSITIVE_INFINITY }: Binding,
	memory: Memory,
	asked: boolean,
	due: ReadonlySet<string> | undefined,
	{ clock, startedAt }: SyncDeps,
): number {
	const now = clock.monotonic()
	if (due) return Math.max(...[...due].map((name) => memory.due.get(name) ?? now))
	if (memory.looks <= 1 && memory.generation === undefined) return createdAt < startedAt.now ? startedAt.monotonic : now
	return asked ? now : Math.min(memory.wholeLookAt ?? now, now)
}

/** Names whose bytes are missing, or held by somebody else. What is not delivered for a known cause is not asked for again. */
function forced(memory: Memory): Set<string> {
	const delivered = deliveredOf(memory)
	const names = memory.last?.wanted.map(({ name }) => name) ?? []
	const missing = names.filter(
		(name) => !deliveredSecret(delivered, name) && isRepeated(memory.known.get(name)?.finding),
	)
	const there = [...Object.keys(delivered?.manifest?.secrets ?? {})]
	return new Set([...missing, ...(delivered ? drifted(delivered, there, memory.accepted) : [])])
}

/** Looks at what is due, and repeats the last look about the rest. */
async function lookAgain(input: LookInput, memory: Memory, due: ReadonlySet<string>): Promise<LookResult> {
	const { last } = memory
	if (!last) return lookAtVault(input)
	const more = await lookAtSome(input, madeOfTheSame(last.wanted, due))
	const before = { ...last, known: memory.known, absentSince: memory.absentSince, fault: undefined, tooMany: undefined }
	return merged(before, more)
}

/** Reads what the read back showed as missing or edited, unless this look has its value already. */
async function lookForDrifted(input: LookInput, memory: Memory, found: LookResult): Promise<LookResult> {
	const delivered = deliveredOf(memory)
	const names = found.wanted.map(({ name }) => name).filter((name) => isRepeated(found.findings.get(name)))
	const missing = names.filter((name) => !deliveredSecret(delivered, name))
	const there = names.filter((name) => deliveredSecret(delivered, name))
	const drift = new Set([...missing, ...(delivered ? drifted(delivered, there, memory.accepted) : names)])
	if (drift.size === 0) return found
	return merged(found, await lookAtSome(input, madeOfTheSame(found.wanted, drift)))
}

/** With each file go those that are made of the same value: a newer version must not reach only one of them. */
function madeOfTheSame(wanted: readonly WantedSecret[], names: ReadonlySet<string>): WantedSecret[] {
	const objects = new Set(wanted.filter(({ name }) => names.has(name)).map(objectKey))
	return wanted.filter((each) => objects.has(objectKey(each)))
}

/** Whether it says that the bytes of before are to stay. */
const isRepeated = (finding: Finding | undefined = { kind: 'unchanged' }) =>
	finding.kind === 'unchanged' || (finding.kind === 'value' && finding.value === undefined)

function merged(found: LookResult, more: LookResult): LookResult {
	const names = new Set(more.wanted.map(({ name }) => name))
	const others = <V>(map: ReadonlyMap<string, V>) => [...map].filter(([name]) => !names.has(name))
	return {
		...found,
		findings: new Map([...others(found.findings), ...more.findings]),
		known: new Map([...others(found.known), ...more.known]),
		absentSince: new Map([...others(found.absentSince), ...more.absentSince]),
		fault: found.fault ?? more.fault,
	}
}

const isDue = (result: EntryResult, memory: Memory) =>
	isHistoryDue(result, memory.history, memory.looks, {
		delivered: deliveredOf(memory),
		accepted: memory.accepted,
	})

async function withHistory(
	decided: Decided,
	input: LookInput,
	found: LookResult,
	{ memory, present, known }: { memory: Memory; present: Exclude<Present, Refusal> | undefined; known: HistoryKnown },
): Promise<Decided> {
	const looking = { ...input, result: found, items: undefined, listedAt: undefined }
	const data = present?.kind === 'ours' ? present.secret.data : undefined
	const results: EntryResult[] = []
	// One after the other: after a rotation it is one list of versions, and the tenth look is in no hurry.
	for (const result of decided.results) {
		results.push(
			isDue(result, memory) ? await followHistory(result, { looking, known, data, accepted: memory.accepted }) : result,
		)
	}
	return { ...decided, results }
}

function observePropagation({ results }: Planned, found: LookResult, { clock, observer }: SyncDeps): void {
	for (const { wanted, value } of results) {
		const finding = found.findings.get(wanted.name)
		if (value === undefined || finding?.kind !== 'value' || finding.facts.updated === undefined) continue
		observer.propagated(Math.max(0, clock.now() / 1000 - finding.facts.updated))
	}
}
