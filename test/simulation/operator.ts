// The operator of a history: reconciles the one binding as run/ does, on virtual time and without a promise.
import { isSecretBinding, isVolumeBinding } from '../../operator/src/api/deliveries.ts'
import type { Binding } from '../../operator/src/api/parse.ts'
import type { BindingStatus } from '../../operator/src/api/schema.ts'
import { isAsked } from '../../operator/src/engine/due.ts'
import type { PassResult } from '../../operator/src/engine/input.ts'
import { type Knowledge, nothingKnown } from '../../operator/src/engine/knowledge.ts'
import { objectKey } from '../../operator/src/engine/known.ts'
import type { Outcome } from '../../operator/src/engine/outcome.ts'
import { pass } from '../../operator/src/engine/pass.ts'
import type { Moment } from '../../operator/src/engine/questions.ts'
import { presentStatus } from '../../operator/src/run/report.ts'
import { sourceOf } from '../../operator/src/run/resolve-source.ts'
import { conclude, isPollDue } from '../../operator/src/status/conclude.ts'
import { statusPatch } from '../../operator/src/status/patch.ts'
import { seededRandom } from '../kit/random.ts'
import { Asking } from './asking.ts'
import type { Life, Reply } from './network.ts'
import { type Parsed, parsedOf } from './parsed.ts'
import type { BindingObject, Process } from './process.ts'
import { secretDestination } from './secret-destination.ts'
import { vaultUrl } from './spec.ts'
import { VaultService } from './vault-service.ts'
import { statusDestination } from './volume/status-destination.ts'
import type { World } from './world.ts'

type Active = Extract<Parsed, { kind: 'active' }>
interface Present {
	status: BindingStatus
	resourceVersion: string
}

// As run/ and its queue have them: nothing spins, and what failed comes again after a second, then ever later.
const MIN_CALL_MS = 50
const [RETRY_MIN_MS, RETRY_MAX_MS] = [1_000, 60_000]

export class SimulatedOperator implements Process {
	life: Life = 'alive'
	polls = 0
	readonly #world: World
	readonly #service: VaultService
	readonly #startedAt: Moment
	#knowledge: Knowledge
	#written: Present | undefined
	#failures = 0
	#running = false
	#again = false
	/** the latest call that was planned: those before it are off */
	#call = 0

	constructor(world: World) {
		this.#world = world
		this.#startedAt = this.#at()
		this.#service = new VaultService(world, seededRandom(world.agenda.monotonic), () => this.life)
		this.#knowledge = nothingKnown(world.binding.metadata.uid)
		this.#callAfter(0)
	}

	/** The watch shows another binding. */
	shown(): void {
		if (this.#running) this.#again = true
		else this.#callAfter(0)
	}

	#at(): Moment {
		const { agenda } = this.#world
		return { now: agenda.now(), monotonic: agenda.monotonic }
	}

	#callAfter(ms: number): void {
		const call = ++this.#call
		this.#world.agenda.after(ms, () => {
			if (call === this.#call && this.life === 'alive') this.#guarded(() => this.#reconcile())
		})
	}

	/** What the operator throws is a defect, whatever it is. */
	#guarded(work: () => void): void {
		try {
			work()
		} catch (error) {
			this.#world.judge.problems.push(`the operator threw: ${error instanceof Error ? error.stack : String(error)}`)
		}
	}

	#reconcile(): void {
		const object = this.#world.watched
		const parsed = parsedOf(object)
		const previous = presentStatus(reportedOf(object), parsed.status, this.#written)
		const asked = parsed.kind === 'active' && isAsked(parsed.binding, previous.status, this.#knowledge)
		if (!isPollDue(this.#knowledge, parsed, asked, this.#at())) {
			this.#planNext()
			return
		}
		this.#running = true
		this.polls++
		if (parsed.kind === 'active') {
			this.#resolve(parsed, previous)
			return
		}
		const outcome: Outcome =
			parsed.kind === 'suspended' ? { kind: 'suspended' } : { kind: 'invalid', problem: parsed.problem }
		this.#conclude(parsed, previous, outcome)
	}

	/** With whose identity which vault. */
	#resolve(parsed: Active, previous: Present): void {
		const { network, accountVault } = this.#world
		const account = () => ({
			uid: 'uid-of-the-account',
			annotations: { 'secrets.purista.dev/vault-url': vaultUrl(accountVault) },
		})
		const arrive = (reply: Reply<ReturnType<typeof account>>) =>
			this.#guarded(() => {
				if (reply.kind === 'error') {
					const { message } = reply.error
					return this.#conclude(parsed, previous, { kind: 'refused', reason: 'TokenRequestRefused', message })
				}
				if (reply.kind !== 'ok') return this.#failed()
				const resolved = sourceOf(parsed.binding, reply.value, () => true)
				if (resolved.kind === 'refused') return this.#conclude(parsed, previous, resolved)
				this.#pass(parsed, previous, resolved.source)
			})
		network.send('account', account, arrive, () => this.life)
	}

	#pass(parsed: Active, previous: Present, source: Parameters<typeof pass>[0]['source']): void {
		const { binding } = parsed
		const { destination, byLists } = this.#placeOf(binding, previous, source.vaultUrl)
		const { rules } = destination
		const piece = pass({
			binding,
			status: previous.status,
			knowledge: this.#knowledge,
			source,
			rules,
			at: this.#at(),
			startedAt: this.#startedAt,
		})
		const ended = ({ knowledge, outcome }: PassResult) => {
			this.#knowledge = knowledge
			if (outcome.kind === 'interrupted') this.#failed()
			else this.#conclude(parsed, previous, outcome)
		}
		const asking = new Asking(this.#world, { service: this.#service, source, destination, byLists })
		asking.drive(
			piece,
			(work) => this.#guarded(work),
			ended,
			() => this.life,
		)
	}

	/** As run/reconcile.ts has it. */
	#placeOf(binding: Binding, { status }: Present, vaultUrl: string) {
		if (isVolumeBinding(binding)) {
			const byLists = new Set(binding.secrets.filter(({ version }) => version === undefined).map(objectKey)).size
			return { destination: statusDestination(this.#world, binding, status, vaultUrl), byLists }
		}
		if (!isSecretBinding(binding)) throw new Error('a binding of another delivery')
		return { destination: secretDestination(this.#world, binding, () => this.life), byLists: undefined }
	}

	#conclude(parsed: Parsed, previous: Present, outcome: Outcome): void {
		const at = this.#at()
		const given = { previous: previous.status, workedUntil: undefined, at, random: 0.5 }
		const { summary, knowledge } = conclude(parsed, outcome, this.#knowledge, given)
		const done = () => {
			this.#knowledge = knowledge
			this.#failures = 0
			this.#ended()
		}
		const patch = statusPatch(previous.status, summary.status)
		if (!patch) {
			done()
			return
		}
		const work = () => this.#world.putStatus(previous.resourceVersion, patch)
		const arrive = (reply: Reply<string>) =>
			this.#guarded(() => {
				if (reply.kind !== 'ok') return this.#failed()
				this.#written = { status: summary.status, resourceVersion: reply.value }
				done()
			})
		this.#world.network.send('status', work, arrive, () => this.life)
	}

	/** The queue comes again, later each time. */
	#failed(): void {
		const ms = Math.min(RETRY_MIN_MS * 2 ** this.#failures++, RETRY_MAX_MS)
		this.#running = false
		const again = this.#again
		this.#again = false
		this.#callAfter(again ? 0 : ms)
	}

	#ended(): void {
		this.#running = false
		const again = this.#again
		this.#again = false
		if (again) this.#callAfter(0)
		else this.#planNext()
	}

	#planNext(): void {
		const { nextPollAt } = this.#knowledge
		const { monotonic } = this.#world.agenda
		if (nextPollAt === Number.POSITIVE_INFINITY) return
		this.#callAfter(Math.max((nextPollAt ?? monotonic) - monotonic, MIN_CALL_MS))
	}
}

const reportedOf = ({ metadata: { namespace, name, uid, resourceVersion } }: BindingObject) => ({
	namespace,
	name,
	uid,
	resourceVersion,
})
