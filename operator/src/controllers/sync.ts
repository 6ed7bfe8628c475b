import { isKubeError, type KubeError } from '../adapters/kube/errors.ts'
import { parseCertificate } from '../adapters/pki/certificate.ts'
import type { Binding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import {
	type Delivered,
	decodedLength,
	deliveredSecret,
	drifted,
	readDelivered,
	type SecretObject,
} from '../plan/delivered.ts'
import { traitsOf } from '../plan/fault.ts'
import { ABSENT_AFTER_MS, decideEntry, type EntryResult } from '../plan/found.ts'
import { type Known, knownAfterRestart, objectKey } from '../plan/look.ts'
import type { FaultContext } from '../plan/messages.ts'
import type { Outcome } from '../plan/outcome.ts'
import { buildManifest, encode, planWrite, type WriteInput } from '../plan/write.ts'
import type { Secrets, ServiceAccounts } from '../ports/cluster.ts'
import type { VaultReader, Vaults } from '../ports/vault.ts'
import type { Clock } from '../runtime/clock.ts'
import { dropRenamed, LostRace, type Present, readPresent, writeSecret } from './deliver.ts'
import { type Refusal, refused, resolveIdentity } from './identity.ts'
import { type LookResult, lookAtVault } from './look.ts'
import type { Memory } from './memory.ts'
import { WINDOW_MS } from './nudge.ts'
import type { Observer } from './observe.ts'

export interface SyncDeps {
	clock: Clock
	vaults: Vaults
	serviceAccounts: ServiceAccounts
	secrets: Secrets
	observer: Observer
}

// Drift is looked for at each data write and every 5 min (design 7).
const DRIFT_EVERY_MS = 5 * 60_000
// One look more after the second is over (2 s) and the server's clock has surely moved on.
const SETTLE_MS = 2_500

/**
 * One pass from what is true to what is wanted: read, plan, act. What it came to is the outcome; nothing is reported here.
 *
 * 1. Identity: the ServiceAccount, its annotations, the session.
 * 2. The Secret is read back when it is not known, when drift is due, and when the user asked or changed the spec.
 * 3. The vault is looked at: list or reads, and the values of what changed or drifted.
 * 4. If that asks for a write and the Secret was not read back just now, it is, and what drifted is read from the vault too.
 * 5. One write. What was learnt is kept in memory only after it succeeded: a crash or a refusal before repeats the work.
 */
export async function sync(
	binding: Binding,
	status: BindingStatus,
	memory: Memory,
	deps: SyncDeps,
	signal: AbortSignal,
): Promise<Outcome> {
	const { clock, secrets, vaults, observer } = deps
	const identity = await resolveIdentity(binding, deps, signal)
	if (identity.kind === 'refused') return identity
	const { key } = identity
	observer.uses(`${binding.namespace}/${binding.name}`, key.vaultUrl)
	const reader = vaults.reader(key)
	const context = (): FaultContext => ({ ...key, issuer: reader.issuer })

	const askedFor = memory.generation !== binding.generation || isRequested(binding, status, memory)
	const driftDue = clock.monotonic() - memory.driftCheckedAt >= DRIFT_EVERY_MS
	let present: Present | undefined
	if (memory.delivered === undefined || askedFor || driftDue) {
		present = await readPresent(secrets, binding, memory)
		if (present.kind === 'refused') return present
		takeIn(present, binding, status, memory, clock)
	}

	memory.looks++
	let found: LookResult
	try {
		found = await look(binding, memory, reader, clock, signal)
		let planned = plan(binding, key.vaultUrl, found, memory, present)
		if (planned.write.kind === 'patch' && !present) {
			present = await readPresent(secrets, binding, memory)
			if (present.kind === 'refused') return present
			takeIn(present, binding, status, memory, clock)
			found = await lookForDrifted(binding, memory, reader, clock, found, signal)
			planned = plan(binding, key.vaultUrl, found, memory, present)
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
		if (!found.fault) observer.looked(key.vaultUrl)
		if (written) {
			observer.written(bytesOf(written as SecretObject))
			observePropagation(planned.results, found, deps)
		}
		if (binding.secrets.every(({ name, optional }) => optional || deliveredSecret(deliveredOf(memory), name))) {
			await dropRenamed(secrets, binding, status.secretName)
		}
		const changed =
			(planned.write.kind === 'create' || planned.write.kind === 'patch') && planned.write.changed.length > 0
		return { kind: 'looked', results: planned.results, at: context(), changed, again: again(found, memory, clock) }
	} catch (error) {
		if (error instanceof LostRace) memory.delivered = undefined
		if (error instanceof TokenRefused) return error.refusal
		// What is left that can be refused is taking the Secret of the old name away.
		if (isKubeError(error, 'forbidden', 'invalid'))
			return refused(
				'SecretWriteRefused',
				`The API server refuses to remove the Secret under its old name: ${error.message}`,
			)
		throw error
	}
}

/** The API server gave no token; told apart from its refusals of other things. */
class TokenRefused extends Error {
	override readonly name = 'TokenRefused'
	readonly refusal: Refusal

	constructor({ identity }: Binding, error: KubeError) {
		super(error.message)
		const account = identity.serviceAccountName
		this.refusal =
			error.kind === 'notFound'
				? refused('ServiceAccountNotFound', `The ServiceAccount ${account} went away.`)
				: refused(
						'TokenRequestRefused',
						`The API server refuses a token of the ServiceAccount ${account}: ${error.message}`,
					)
	}
}

export function isRequested(binding: Binding, status: BindingStatus, memory: Memory): boolean {
	const handled = memory.requested ?? status.lastHandledRequest
	return binding.requested !== undefined && binding.requested !== handled
}

const deliveredOf = ({ delivered }: Memory): Delivered | undefined => (delivered === 'none' ? undefined : delivered)

/** Takes the Secret, as read back, into memory; after a restart also what its manifest and the status tell. */
function takeIn(
	present: Exclude<Present, Refusal>,
	binding: Binding,
	status: BindingStatus,
	memory: Memory,
	clock: Clock,
): void {
	const first = memory.delivered === undefined
	memory.driftCheckedAt = clock.monotonic()
	if (present.kind === 'none') {
		memory.delivered = 'none'
		// It was there before and its revision is lost: go on above any that it can have had (one change a second at most).
		if (first && memory.revision === 0 && status.lastChangeTime !== undefined)
			memory.revision = Math.floor(clock.now() / 1000)
		return
	}
	const { delivered } = present
	memory.delivered = delivered
	memory.revision = Math.max(memory.revision, delivered.manifest?.revision ?? 0)
	if (!first) return
	for (const wanted of binding.secrets) {
		if (memory.known.has(wanted.name)) continue
		const shown = status.secrets?.find(({ name }) => name === wanted.name)
		const known = knownAfterRestart(wanted, deliveredSecret(delivered, wanted.name), shown)
		if (known) memory.known.set(wanted.name, known)
	}
	const { writtenAt, resourceVersion } = delivered
	if (!memory.nudge && binding.delivery.refreshPods && writtenAt !== undefined && clock.now() - writtenAt < WINDOW_MS) {
		// The process before may have died between the write and the nudge. Pods that say this version already are left alone.
		memory.nudge = { resourceVersion, writtenAt, pass: 'last', dueAt: clock.monotonic(), failures: 0 }
	}
}

function look(
	binding: Binding,
	memory: Memory,
	reader: VaultReader,
	clock: Clock,
	signal: AbortSignal,
	only?: ReadonlySet<string>,
): Promise<LookResult> {
	const delivered = deliveredOf(memory)
	const names = binding.secrets.map(({ name }) => name)
	const there = names.filter((name) => deliveredSecret(delivered, name) !== undefined)
	const force = new Set(
		only ?? [
			...names.filter((name) => !there.includes(name)),
			...(delivered ? drifted(delivered, there, memory.accepted) : []),
		],
	)
	const looking = lookAtVault({
		binding: only ? { ...binding, secrets: binding.secrets.filter(({ name }) => only.has(name)) } : binding,
		reader,
		known: memory.known,
		list: memory.list,
		look: memory.looks,
		force,
		absentSince: memory.absentSince,
		markedAbsent: new Set(there.filter((name) => deliveredSecret(delivered, name)?.state === 'Absent')),
		at: clock.monotonic(),
		parseCertificate,
		signal,
	})
	return looking.catch((error: unknown) => {
		// The only calls to the API server in there are for tokens.
		throw isKubeError(error, 'forbidden', 'invalid', 'notFound') ? new TokenRefused(binding, error) : error
	})
}

/** Reads what the read back showed as missing or edited, unless this look has its value already. */
async function lookForDrifted(
	binding: Binding,
	memory: Memory,
	reader: VaultReader,
	clock: Clock,
	found: LookResult,
	signal: AbortSignal,
): Promise<LookResult> {
	const delivered = deliveredOf(memory)
	const names = binding.secrets.map(({ name }) => name).filter((name) => found.findings.get(name)?.kind === 'unchanged')
	const drift = new Set(delivered ? drifted(delivered, names, memory.accepted) : names)
	if (drift.size === 0) return found
	// With each file go those that are made of the same value: a newer version must not reach only one of them.
	const objects = new Set(binding.secrets.filter(({ name }) => drift.has(name)).map(objectKey))
	const lost = binding.secrets.filter((wanted) => objects.has(objectKey(wanted))).map(({ name }) => name)
	const more = await look(binding, memory, reader, clock, signal, new Set(lost))
	return {
		findings: new Map([...found.findings, ...more.findings]),
		known: new Map([...[...found.known].filter(([name]) => !lost.includes(name)), ...more.known]),
		list: found.list,
		absentSince: new Map([...found.absentSince, ...more.absentSince]),
		fault: found.fault ?? more.fault,
	}
}

interface Planned {
	results: EntryResult[]
	manifest: ReturnType<typeof buildManifest>
	write: ReturnType<typeof planWrite>
	/** keys of others whose bytes are the wanted ones */
	accepted: Map<string, string>
}

function plan(
	binding: Binding,
	vaultUrl: string,
	found: LookResult,
	memory: Memory,
	present: Present | undefined,
): Planned {
	const delivered = deliveredOf(memory)
	const data = present?.kind === 'ours' ? (present.secret.data ?? {}) : {}
	const accepted = new Map(memory.accepted)
	const lost = new Set(delivered ? drifted(delivered, [...delivered.keys.keys()], memory.accepted) : [])
	const results = binding.secrets.map((wanted): EntryResult => {
		const { name } = wanted
		const finding = found.findings.get(name) ?? { kind: 'unchanged' }
		const result = decideEntry(wanted, finding, deliveredSecret(delivered, name), binding.absent, !lost.has(name))
		const same = result.value !== undefined && Object.hasOwn(data, name) && data[name] === encode(result.value)
		if (!same) return result
		// Somebody wrote the value that we would write. Writing it again would not even make the field ours.
		const holder = delivered?.keys.get(name)?.foreign
		if (holder !== undefined) accepted.set(name, holder)
		return { ...result, value: undefined }
	})
	const input: WriteInput = { binding, vaultUrl, results, delivered, revision: memory.revision }
	const manifest = buildManifest(input)
	return { results, manifest, write: planWrite(input, manifest), accepted }
}

/** Remembers what is true after the write. */
function keep(
	memory: Memory,
	found: LookResult,
	planned: Planned,
	written: SecretObject | undefined,
	clock: Clock,
): void {
	const { write, manifest } = planned
	memory.list = found.list
	memory.absentSince = found.absentSince
	memory.accepted = planned.accepted
	// Forgotten when it was not learnt now: a secret that failed is read again.
	memory.known = new Map<string, Known>(found.known)
	if (!written) return
	const delivered = readDelivered(written)
	memory.delivered = delivered.manifest ? delivered : { ...delivered, manifest }
	memory.revision = Math.max(memory.revision, manifest.revision)
	memory.driftCheckedAt = clock.monotonic()
	if (write.kind === 'create' || (write.kind === 'patch' && write.dataChanged)) {
		const writtenAt = delivered.writtenAt ?? clock.now()
		memory.nudge = {
			resourceVersion: delivered.resourceVersion,
			writtenAt,
			pass: 'first',
			dueAt: clock.monotonic(),
			failures: 0,
		}
	}
}

function observePropagation(results: readonly EntryResult[], found: LookResult, { clock, observer }: SyncDeps): void {
	for (const { wanted, value } of results) {
		const finding = found.findings.get(wanted.name)
		if (value === undefined || finding?.kind !== 'value' || finding.facts.updated === undefined) continue
		observer.propagated(Math.max(0, clock.now() / 1000 - finding.facts.updated))
	}
}

const bytesOf = ({ data = {} }: SecretObject) => Object.values(data).reduce((sum, each) => sum + decodedLength(each), 0)

/** When to look again before the interval is over. */
function again({ findings, absentSince }: LookResult, memory: Memory, clock: Clock): number | undefined {
	const now = clock.monotonic()
	const waits: number[] = []
	for (const [name, finding] of findings) {
		if (finding.kind === 'value' && !finding.settled) waits.push(SETTLE_MS)
		if (
			finding.kind === 'fault' &&
			traitsOf(finding.fault).reason === 'SecretAbsent' &&
			!finding.confirmed &&
			deliveredSecret(deliveredOf(memory), name)
		) {
			waits.push((absentSince.get(name) ?? now) + ABSENT_AFTER_MS - now + 100)
		}
	}
	return waits.length === 0 ? undefined : Math.max(Math.min(...waits), 100)
}
