// The node role for one volume: follows its binding as node/volume.ts does, on virtual time and without a promise.
import { isVolumeBinding } from '../../../operator/src/api/deliveries.ts'
import type { VolumeBinding } from '../../../operator/src/api/parse.ts'
import type { BindingStatus } from '../../../operator/src/api/schema.ts'
import { isPassDue, textOfStatus } from '../../../operator/src/engine/by-status.ts'
import type { PassResult } from '../../../operator/src/engine/input.ts'
import { type Knowledge, nothingKnown } from '../../../operator/src/engine/knowledge.ts'
import { pass } from '../../../operator/src/engine/pass.ts'
import type { Source } from '../../../operator/src/engine/source.ts'
import { sourceOf } from '../../../operator/src/run/resolve-source.ts'
import { conclude } from '../../../operator/src/status/conclude.ts'
import { conditionOf } from '../../../operator/src/status/outage.ts'
import { seededRandom } from '../../kit/random.ts'
import { Asking } from '../asking.ts'
import type { Life, Reply } from '../network.ts'
import { type Parsed, parsedOf } from '../parsed.ts'
import type { BindingObject } from '../process.ts'
import { vaultUrl } from '../spec.ts'
import { VaultService } from '../vault-service.ts'
import { type Directory, directoryDestination } from './directory.ts'
import type { VolumeWorld } from './world.ts'

// As node/volume.ts and node/binding-watches.ts have them.
const FIRST_RETRY_MS = 5_000
const AGAIN_MS = 1_000
const MIN_MS = 50
const SHARE_MS = 5_000

/** What the world tells a process of a node, and asks it. */
export interface Place {
	readonly directory: Directory
	/** the pod runs: everything was there once */
	isDelivered: boolean
	/** another generation is shown */
	written(): void
	/** a pass has concluded */
	concluded(status: BindingStatus, generation: number): void
}

/** A process of the node role. A crash takes one away and makes another, which finds the directory. */
export class NodeProcess {
	life: Life = 'alive'
	readonly #world: VolumeWorld
	readonly #place: Place
	readonly #service: VaultService
	#object: Parsed | undefined
	#knowledge: Knowledge = nothingKnown('')
	#status: BindingStatus = {}
	#isPassed = false
	/** the pass before this one found out nothing, or was not the first with this status */
	#isAgain = false
	#next: number
	/** counts what the watch has shown */
	#version = 0
	#seen = 0
	#running = false
	#call = 0
	#said = ''
	#changedAt: number
	#sharedSince = Number.NEGATIVE_INFINITY

	constructor(world: VolumeWorld, place: Place, object: BindingObject) {
		this.#world = world
		this.#place = place
		const { monotonic } = world.agenda
		this.#next = monotonic
		this.#changedAt = monotonic
		this.#service = new VaultService(world, seededRandom(monotonic + 1), () => this.life)
		this.shown(object)
	}

	/** The watch shows another binding. */
	shown(object: BindingObject): void {
		this.#version++
		this.#object = parsedOf(object)
		const { generation, annotations } = object.metadata
		const said = JSON.stringify([generation, annotations, textOfStatus(this.#object?.status ?? {})])
		if (said !== this.#said) this.#changedAt = this.#world.agenda.monotonic
		this.#said = said
		if (!this.#running) this.#callAfter(0)
	}

	#callAfter(ms: number): void {
		if (ms === Number.POSITIVE_INFINITY) return
		const call = ++this.#call
		this.#world.agenda.after(ms, () => {
			if (call === this.#call && this.life === 'alive') this.#world.guarded(() => this.#follow())
		})
	}

	#follow(): void {
		const { agenda } = this.#world
		this.#seen = this.#version
		if (agenda.monotonic >= this.#next || this.#isNew()) this.#step()
		else this.#callAfter(this.#next - agenda.monotonic)
	}

	#isNew(): boolean {
		const object = this.#object
		if (!this.#isPassed || object?.kind !== 'active') return true
		return isPassDue(this.#knowledge, object.binding, object.status, this.#at())
	}

	#at() {
		const { agenda } = this.#world
		return { now: agenda.now(), monotonic: agenda.monotonic }
	}

	#step(): void {
		this.#running = true
		this.#isPassed = false
		const object = this.#object
		if (object?.kind === 'active' && isVolumeBinding(object.binding)) this.#poll(object.binding, object.status)
		else this.#ended(Number.POSITIVE_INFINITY)
	}

	/** @param wanted monotonic time of the next step */
	#ended(wanted: number): void {
		const { monotonic } = this.#world.agenda
		const soonest = monotonic + MIN_MS
		const isDelivered = this.#place.isDelivered
		this.#next = Math.max(isDelivered ? wanted : Math.min(wanted, soonest + FIRST_RETRY_MS), soonest)
		this.#running = false
		this.#callAfter(this.#seen === this.#version ? this.#next - monotonic : 0)
	}

	#poll(binding: VolumeBinding, status: BindingStatus): void {
		const { network, accountVault, agenda } = this.#world
		if (this.#knowledge.uid !== binding.uid) this.#knowledge = nothingKnown(binding.uid)
		const now = agenda.monotonic
		if (now - this.#sharedSince > SHARE_MS) this.#sharedSince = now
		const since = Math.max(this.#sharedSince, this.#changedAt)
		const account = () => ({
			uid: 'uid-of-the-account',
			annotations: { 'secrets.purista.dev/vault-url': vaultUrl(accountVault) },
		})
		const arrive = (reply: Reply<ReturnType<typeof account>>) =>
			this.#world.guarded(() => {
				if (reply.kind === 'error') return this.#ended(agenda.monotonic + binding.interval)
				if (reply.kind !== 'ok') return this.#ended(agenda.monotonic + AGAIN_MS)
				const resolved = sourceOf(binding, reply.value, () => true)
				if (resolved.kind === 'refused') return this.#ended(agenda.monotonic + binding.interval)
				this.#pass(binding, status, resolved.source, since)
			})
		network.send('account', account, arrive, () => this.life)
	}

	#pass(binding: VolumeBinding, status: BindingStatus, source: Source, since: number): void {
		const { agenda } = this.#world
		this.#isPassed = true
		const alive = () => this.life
		const destination = directoryDestination(
			this.#place.directory,
			agenda,
			alive,
			() => this.#place.written(),
			() => this.#ended(agenda.monotonic + AGAIN_MS),
		)
		const piece = pass({
			binding,
			status,
			knowledge: this.#knowledge,
			source,
			rules: destination.rules,
			at: this.#at(),
			startedAt: { now: Number.POSITIVE_INFINITY, monotonic: since },
			learnFrom: { kind: 'status', seenAt: this.#isAgain ? since : this.#changedAt },
		})
		this.#isAgain = true
		const asking = new Asking(this.#world, { service: this.#service, source, destination })
		const ended = (result: PassResult) => this.#concluded(binding, result)
		asking.drive(piece, (work) => this.#world.guarded(work), ended, alive)
	}

	#concluded(binding: VolumeBinding, { knowledge, outcome }: PassResult): void {
		const { agenda } = this.#world
		this.#knowledge = knowledge
		if (outcome.kind !== 'interrupted') this.#isAgain = outcome.kind !== 'polled'
		if (outcome.kind === 'interrupted') {
			this.#ended(agenda.monotonic + AGAIN_MS)
			return
		}
		const given = { previous: this.#status, workedUntil: undefined, at: this.#at(), random: 0.5 }
		const concluded = conclude({ kind: 'active', binding, status: this.#status }, outcome, knowledge, given)
		this.#knowledge = concluded.knowledge
		this.#status = concluded.summary.status
		if (conditionOf(this.#status, 'Ready')?.status === 'True') this.#place.isDelivered = true
		this.#place.concluded(this.#status, binding.generation)
		this.#ended(this.#knowledge.nextPollAt ?? agenda.monotonic)
	}
}
