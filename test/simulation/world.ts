// Everything around the operator in a simulated history, and the oracle that watches it.
import type { SecretObject } from '../../operator/src/destinations/secret/secret-object.ts'
import { seededRandom } from '../kit/random.ts'
import { conditionOf, Judge } from '../oracle/judge.ts'
import { manifestIn } from '../oracle/manifests.ts'
import { difference } from '../oracle/settled.ts'
import { type Asked, alsoInVault, edited, type FileWish, type Watching, Wishes, watchingOf } from '../oracle/wishes.ts'
import type { OnNode } from './actions.ts'
import { Agenda } from './agenda.ts'
import { ApiRefusal, SimulatedSecrets } from './api-server.ts'
import { Faults } from './faults.ts'
import { BINDING, NAMESPACE, OBJECT_NAMES, SELECTABLE, TAG, VAULTS } from './names.ts'
import { type Life, Network } from './network.ts'
import type { BindingObject, Process } from './process.ts'
import { allNames, askedOf, identityOf, isApplicable, isTaken, requiredBy, type Shape, specOf } from './spec.ts'
import { CANARY, SimulatedVaults } from './vaults.ts'

// Twice that the real one is absent before it counts: design of the vault's recover.
const ABSENT_MS = 10_000
/** How long a poll of the operator may take: its deadline. */
export const POLL_MS = 60_000
/**
 * Once the operator is there, all that is healed has had its time after this: the longest pause between two attempts (5 min), ten
 * polls, because at the tenth it looks at versions that are pinned, stand in or are older (10 min), and one more.
 */
const HEALED_MS = 16 * 60_000
/** A hold that is over by then is waited for, not taken back. */
const HOLD_ENDS_MS = 60_000
const POLL_EVERY_MS = 5_000
const WATCH_MS = 20

export class World {
	readonly agenda = new Agenda()
	readonly faults = new Faults()
	readonly vaults: SimulatedVaults
	readonly secrets: SimulatedSecrets
	readonly network: Network
	readonly judge: Judge
	/** of the place that the operator writes */
	readonly watching: Watching
	/** of all places */
	readonly watchings: Watching[]
	shape: Shape
	binding: BindingObject
	/** the binding as the watch last showed it */
	watched: BindingObject
	/** the vault that the annotation of the ServiceAccount names */
	accountVault: string
	process: Process
	/** requests of each kind that reached the other side, of the present process and those before */
	readonly requests = { reads: 0, lists: 0, writes: 0, statuses: 0 }
	protected readonly wishes: Wishes
	readonly #triggers: { left: number; work: () => void }[] = []
	readonly #start: (world: World) => Process
	/** the operator's clock was set back: a revision that somebody else destroyed after that may be taken again */
	protected isSetBack = false
	/** names of Secrets of which a status told */
	readonly #shownNames = new Set<string>()
	#silentUntil = 0
	/** when the operator is there again that was killed last */
	#awayUntil = 0

	constructor(shape: Shape, seed: number, start: (world: World) => Process) {
		const random = seededRandom(seed)
		const { agenda } = this
		this.shape = shape
		this.accountVault = shape.vault
		this.vaults = new SimulatedVaults(agenda, (work) => this.during(work))
		this.secrets = new SimulatedSecrets(() => agenda.serverNow())
		this.network = new Network(agenda, this.faults, random, () => this.#happened())
		const times = { now: () => agenda.now(), monotonic: () => agenda.monotonic }
		this.watching = watchingOf(BINDING, askedOf(shape, 1, undefined), allNames(), new Set(SELECTABLE))
		this.watchings = [this.watching]
		const isLate = () => this.network.lateWrites > 0
		this.judge = new Judge({ vaults: this.vaults, times, absentMs: ABSENT_MS, ordered: true, isLate })
		for (const vault of VAULTS) {
			for (const name of OBJECT_NAMES) if (name !== 'delta') this.vaults.rotate(vault, name)
			for (const name of SELECTABLE) this.vaults.tag(vault, name, { [TAG[0]]: TAG[1] })
		}
		// With the vaults as they are when it begins.
		this.wishes = new Wishes(this.vaults, this.watchings, times, POLL_MS)
		this.during(() => {})
		const creationTimestamp = new Date(agenda.serverNow()).toISOString().replace('.000Z', 'Z')
		const resourceVersion = this.secrets.nextVersion()
		const metadata = {
			...identityOf(),
			namespace: NAMESPACE,
			generation: 1,
			resourceVersion,
			creationTimestamp,
			annotations: {},
		}
		this.binding = { metadata, spec: specOf(shape) }
		this.watched = this.binding
		this.#start = start
		this.process = start(this)
	}

	/** Does something to vaults or bindings; the oracle looks before and after. */
	during(work: () => void): void {
		this.wishes?.pass()
		work()
		this.wishes?.change(this.agenda.monotonic)
	}

	/** Somebody sets the wall clock of operator and nodes. */
	jump(ms: number): void {
		this.during(() => this.agenda.jump(ms))
		this.wishes.set(ms)
		if (ms >= 0) return
		this.isSetBack = true
		this.#forgetDestroyed()
	}

	/** Lets time pass. */
	run(ms: number): void {
		const until = this.agenda.monotonic + ms
		while (this.judge.problems.length === 0 && this.agenda.step(until));
	}

	/** Does this when so many more requests have got there, or answers come back. */
	afterRequests(left: number, work: () => void): void {
		this.#triggers.push({ left, work })
	}

	#happened(): void {
		for (const trigger of [...this.#triggers]) {
			if (--trigger.left > 0) continue
			this.#triggers.splice(this.#triggers.indexOf(trigger), 1)
			trigger.work()
		}
	}

	/** @param inFlight requests that the old one has sent go on without it */
	restart(inFlight: boolean, downMs: number): void {
		this.process.life = inFlight ? 'dying' : 'dead'
		const successor = { life: 'dead' as Life, shown: () => {}, polls: 0 }
		this.process = successor
		this.#awayUntil = this.agenda.monotonic + downMs
		this.agenda.after(downMs, () => {
			// Killed once more before it began.
			if (this.process !== successor) return
			// It begins with a list, which is what there is, however silent the watch is after it.
			this.watched = this.binding
			this.process = this.#start(this)
		})
	}

	/** The spec is another one. @returns whether the API server takes it */
	edit(to: Partial<Shape>): boolean {
		const { secretName: before } = this.shape
		const shape = { ...this.shape, ...to }
		if (!isApplicable(shape)) return false
		const spec = specOf(shape)
		const changed = JSON.stringify(spec) !== JSON.stringify(this.binding.spec)
		const generation = this.binding.metadata.generation + (changed ? 1 : 0)
		this.during(() => {
			this.shape = shape
			if (shape.byAccount) this.accountVault = shape.vault
			for (const watching of this.watchings) {
				edited(watching, askedOf(shape, generation, watching.asked.hold))
				// The ServiceAccount is read at each poll, however late the watch of bindings is.
				if (shape.byAccount) alsoInVault(watching, shape.vault)
			}
			// Another place: what it holds is nobody's of whom the oracle knows.
			if (shape.secretName !== before) {
				this.watching.revision = 0
				this.seen(shape.secretName, false)
			}
		})
		if (changed) this.#put({ ...this.binding, spec, metadata: { ...this.binding.metadata, generation } })
		return true
	}

	/** The annotation hold is another one. */
	hold(hold: Asked['hold'], text: string | null): void {
		this.during(() => {
			for (const watching of this.watchings) edited(watching, { hold })
		})
		this.annotate('secrets.purista.dev/hold', text)
	}

	annotate(key: string, text: string | null): void {
		const { [key]: _, ...rest } = this.binding.metadata.annotations
		const annotations = text === null ? rest : { ...rest, [key]: text }
		this.#put({ ...this.binding, metadata: { ...this.binding.metadata, annotations } })
	}

	/** The operator writes the status, from what it was at `resourceVersion`. @returns its version then */
	putStatus(resourceVersion: string, patch: Record<string, unknown>): string {
		if (resourceVersion !== this.binding.metadata.resourceVersion)
			throw new ApiRefusal(409, 'Conflict', 'the binding is another one by now')
		const merged = Object.entries({ ...this.binding.status, ...patch }).filter(([, value]) => value !== null)
		const status = Object.fromEntries(merged)
		this.#put({ ...this.binding, status })
		this.requests.statuses++
		this.#shownNames.add(String(status['secretName']))
		const { generation } = this.binding.metadata
		const version = this.binding.metadata.resourceVersion
		this.wishes.pass()
		this.judgeStatus(status, generation, Number(version))
		if (JSON.stringify(status).includes(CANARY)) this.judge.problems.push(`a value stands in the status ${version}`)
		return version
	}

	protected judgeStatus(status: Record<string, unknown>, generation: number, order: number): void {
		this.judge.status(this.watching, status, generation, order)
	}

	#put(object: BindingObject): void {
		const metadata = { ...object.metadata, resourceVersion: this.secrets.nextVersion() }
		this.binding = { ...object, metadata }
		this.agenda.after(Math.max(WATCH_MS, this.#silentUntil - this.agenda.monotonic), () => this.#show())
		this.changed()
	}

	/** The binding is another one: who else watches it is told. */
	protected changed(): void {}

	#show(): void {
		if (this.agenda.monotonic < this.#silentUntil || this.watched === this.binding) return
		this.watched = this.binding
		this.process.shown()
	}

	/** Something happens to a node: here there are none. */
	onNode(_: OnNode): void {}

	/** Nothing comes from the API server's watch for so long. */
	silence(ms: number): void {
		this.#silentUntil = Math.max(this.#silentUntil, this.agenda.monotonic + ms)
		this.agenda.after(ms, () => this.#show())
	}

	/** The Secret of this name was written, or is gone. */
	seen(name: string, ours: boolean): void {
		// A renamed Secret that stays under its old name is nobody's any more.
		if (name !== this.shape.secretName && ours && this.secrets.get(name)) return
		const texts = this.texts()
		const same = texts === undefined ? this.watching.texts.size === 0 : sameTexts(texts, this.watching.texts)
		if (same && name !== this.shape.secretName) return
		this.wishes.pass()
		this.judge.place(this.watching, { texts, ours, order: Number(this.secrets.nextVersion()) })
		if (!ours) this.#forgetDestroyed()
	}

	/** A revision that somebody else has destroyed is lost, when the clock that would make up for it was set back. */
	#forgetDestroyed(): void {
		if (this.isSetBack && this.watching.tampered.has('.binding.json')) this.watching.revision = 0
	}

	/** The Secret under its former name goes: the one that takes its place has all that some spec asks for. */
	formerGone(): void {
		const { watching } = this
		const missing = [watching.asked, ...watching.before].map(({ wishes }) =>
			[...wishes].find(
				([name, { tag, optional }]) => !tag && !optional && !watching.texts.has(name) && !watching.tampered.has(name),
			),
		)
		if (missing.every((each) => each !== undefined))
			this.judge.problems.push(`the former Secret went, and ${missing[0]?.[0]} is not in the new one yet`)
	}

	/** What the Secret holds. */
	texts(): ReadonlyMap<string, string> | undefined {
		const secret = this.secrets.get(this.shape.secretName)
		return secret && textsOf(secret)
	}

	/** Takes every fault back and waits until everything is as the oracle says. What is suspended says so, and then catches up. */
	settle(quietly = false): void {
		this.#triggers.splice(0)
		this.faults.clear()
		this.#silentUntil = 0
		this.#show()
		// One that ends by itself meanwhile shows that it does.
		const now = this.agenda.now()
		const left = (this.watching.asked.hold?.until ?? now) - now
		if (left >= HOLD_ENDS_MS) this.hold(undefined, null)
		else if (left > 0) this.run(left)
		// What nobody asks for comes by itself: the tenth poll looks at everything again.
		if (!quietly) this.annotate('secrets.purista.dev/requested-at', `at ${this.agenda.monotonic}`)
		this.#waitUntilRight()
		if (!this.shape.suspend) return
		this.edit({ suspend: false })
		this.#waitUntilRight()
	}

	#waitUntilRight(): void {
		const until = Math.max(this.agenda.monotonic, this.#awayUntil) + HEALED_MS
		let why = this.difference()
		while (why !== undefined && this.agenda.monotonic < until && this.judge.problems.length === 0) {
			const before = this.written()
			this.run(POLL_EVERY_MS)
			const after = this.written()
			// Nothing was written, so nothing is other than it was, unless time itself turned something.
			if (before.some((each, i) => each !== after[i]) || this.agenda.monotonic >= until) why = this.difference()
		}
		if (why !== undefined) this.judge.problems.push(`after everything was healed: ${why}`)
		for (const watching of this.watchings) watching.before = []
	}

	/** Objects that are others when something was written. */
	protected written(): readonly unknown[] {
		return [this.binding, this.watching.texts]
	}

	/** What is not as the oracle says. */
	difference(): string | undefined {
		this.wishes.pass()
		const texts = this.texts() ?? new Map<string, string>()
		const parsed = manifestIn(texts.get('.binding.json') ?? '')
		// Nothing is written while the binding is suspended, whatever somebody else wrote.
		if (texts.size > 0 && parsed.kind !== 'ok' && !this.shape.suspend) return 'no manifest'
		const manifest = parsed.kind === 'ok' ? parsed.manifest.secrets : {}
		const { status, metadata } = this.binding
		const former = this.shape.secretName === 'one' ? 'two' : 'one'
		const tied = ({ vault, objectName }: { vault: string; objectName: string }) => this.vaults.isTied(vault, objectName)
		const refused = (name: string, { vault, objectName }: FileWish, id: string) => {
			const version = this.vaults.item(vault, objectName)?.versions.find((each) => each.id === id)
			return version !== undefined && !isTaken(this.shape, name, version.value)
		}
		const problem = difference(
			this.watching,
			{ generation: metadata.generation, status, texts, manifest, tied, refused, required: requiredBy(this.shape) },
			this.vaults,
		)
		const isDone = !this.shape.suspend && conditionOf(status, 'Ready')?.status === 'True'
		if (problem !== undefined || !isDone) return problem
		const isThere = this.#shownNames.has(former) && this.secrets.get(former) !== undefined
		return isThere ? 'the Secret is still there under its former name' : undefined
	}
}

/** Of one object always the same. */
const decoded = new WeakMap<SecretObject, ReadonlyMap<string, string>>()
function textsOf(secret: SecretObject): ReadonlyMap<string, string> {
	const entries = () => Object.entries(secret.data ?? {}).map(([key, value]) => [key, textIn(value)] as const)
	const texts = decoded.get(secret) ?? new Map(entries())
	decoded.set(secret, texts)
	return texts
}
const textIn = (base64: string) => Buffer.from(base64, 'base64').toString('utf8')

const sameTexts = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>) =>
	a.size === b.size && [...a].every(([key, text]) => b.get(key) === text)
