// A history of Volume delivery: the controller tells by the status what the vault has, and nodes bring the values.
import { MANIFEST_FILE } from 'purista-azure-mounted-secret-store/manifest'
import type { BindingStatus } from '../../../operator/src/api/schema.ts'
import { formatTime } from '../../../operator/src/api/time.ts'
import { conditionOf } from '../../oracle/judge.ts'
import { manifestIn } from '../../oracle/manifests.ts'
import { difference } from '../../oracle/settled.ts'
import { type Watching, watchingOf } from '../../oracle/wishes.ts'
import type { OnNode } from '../actions.ts'
import { BINDING, SELECTABLE } from '../names.ts'
import type { BindingObject, Process } from '../process.ts'
import { allNames, type Shape } from '../spec.ts'
import { World } from '../world.ts'
import { Directory } from './directory.ts'
import { NodeProcess } from './node.ts'

const WATCH_MS = 20

interface Row {
	name: string
	objectName: string
	state: string
	version?: string
	updated?: string
	reason?: string
}

/** What a hold pins, as a status told that it is there. */
interface SeenPin {
	/** the annotation, as the operator sees it */
	text: string
	vault: string | undefined
	generation: number | undefined
}

/** A node with one volume of the binding. */
class SimulatedNode {
	readonly directory = new Directory()
	readonly watching: Watching
	readonly #world: VolumeWorld
	process: NodeProcess | undefined
	isDelivered = false
	/** as its last pass has it; nobody else sees it */
	status: BindingStatus | undefined
	#silentUntil = 0
	#shown: BindingObject | undefined

	constructor(world: VolumeWorld, number: number) {
		this.#world = world
		const { asked } = world.watching
		this.watching = watchingOf(`${BINDING} on node ${number}`, asked, allNames(), new Set(SELECTABLE))
	}

	start(): void {
		const world = this.#world
		this.#shown = world.binding
		this.process = new NodeProcess(world, this, world.binding)
	}

	written(): void {
		const { judge } = this.#world
		this.watching.agreed = this.#world.shownGone
		this.#world.follow()
		judge.place(this.watching, { texts: this.directory.texts, ours: true, order: this.#world.nextOrder() })
	}

	concluded(status: BindingStatus, generation: number): void {
		if (status === this.status) return
		this.status = status
		this.#world.follow()
		this.#world.judge.status(this.watching, status, generation, this.#world.nextOrder())
	}

	changed(): void {
		const { agenda } = this.#world
		agenda.after(Math.max(WATCH_MS, this.#silentUntil - agenda.monotonic), () => this.show())
	}

	show(): void {
		const { agenda, binding } = this.#world
		if (agenda.monotonic < this.#silentUntil || this.#shown === binding) return
		this.#shown = binding
		if (this.process?.life === 'alive') this.process.shown(binding)
	}

	silence(ms: number): void {
		const { agenda } = this.#world
		this.#silentUntil = Math.max(this.#silentUntil, agenda.monotonic + ms)
		agenda.after(ms, () => this.show())
	}

	/** Its watch is well again. */
	heal(): void {
		this.#silentUntil = 0
		this.directory.full = 0
		this.show()
	}

	kill(inFlight: boolean, downMs: number): void {
		const { process } = this
		if (process) process.life = inFlight ? 'dying' : 'dead'
		this.process = undefined
		this.#world.agenda.after(downMs, () => {
			if (!this.process) this.start()
		})
	}

	/** The memory is empty, and the pod a new one. */
	reboot(downMs: number): void {
		this.kill(false, downMs)
		this.directory.clear()
		this.isDelivered = false
		this.status = undefined
		const { asked } = this.watching
		const fresh = watchingOf(this.watching.name, asked, allNames(), new Set(SELECTABLE))
		Object.assign(this.watching, fresh)
		this.#world.during(() => {})
	}
}

export class VolumeWorld extends World {
	readonly #nodes: readonly SimulatedNode[]
	/** names that some status did not tell any more, or told as one that nothing is delivered of */
	readonly shownGone = new Set<string>()
	#rows: readonly Row[] = []
	#pinned: SeenPin | undefined

	constructor(shape: Shape, seed: number, start: (world: World) => Process, nodes: number) {
		super(shape, seed, start)
		this.#nodes = Array.from({ length: nodes }, (_, i) => new SimulatedNode(this, i + 1))
		// What the controller itself delivers is no place of files.
		this.watchings.splice(0, 1, this.watching, ...this.#nodes.map(({ watching }) => watching))
		this.during(() => {})
		for (const node of this.#nodes) node.start()
	}

	/** What a process throws is a defect, whatever it is. */
	guarded(work: () => void): void {
		try {
			work()
		} catch (error) {
			this.judge.problems.push(`a node threw: ${error instanceof Error ? error.stack : String(error)}`)
		}
	}

	nextOrder(): number {
		return Number(this.secrets.nextVersion())
	}

	/** The oracle follows time. */
	follow(): void {
		this.wishes.pass()
	}

	protected override changed(): void {
		// The world's constructor makes the binding before there are nodes.
		for (const node of this.#nodes ?? []) node.changed()
	}

	override onNode(action: OnNode): void {
		const node = this.#nodes[action.node % this.#nodes.length]
		if (action.do === 'kill node') node?.kill(action.inFlight, action.downMs)
		else if (action.do === 'reboot node') node?.reboot(action.downMs)
		else if (action.do === 'silence node') node?.silence(action.ms)
		else if (node) node.directory.full = action.times
	}

	override settle(quietly = false): void {
		for (const node of this.#nodes) node.heal()
		super.settle(quietly)
	}

	/** Removals by policies are counted where the controller tells them. */
	protected override judgeStatus(status: BindingStatus): void {
		const { watching } = this
		watching.before = watching.before.filter(({ generation }) => generation >= (status.observedGeneration ?? 0))
		const rows = (status.secrets ?? []) as readonly Row[]
		// What is pending waits for something else: nobody has decided that it goes.
		const isLeft = (name: string) => {
			const row = rows.find((each) => each.name === name)
			return row !== undefined && (row.updated !== undefined || row.state === 'Pending')
		}
		const left = this.#rows.filter(({ updated }) => updated !== undefined).map(({ name }) => name)
		const gone = left.filter((name) => !isLeft(name))
		for (const name of allNames()) if (!isLeft(name)) this.shownGone.add(name)
		this.#rows = rows
		const wanted = [watching.asked, ...watching.before]
		const braked = gone.filter((name) => {
			const file = watching.files.get(name)
			const isFree = !file?.selected && wanted.some(({ wishes }) => !wishes.has(name))
			return !isFree && !watching.acknowledged.has(name)
		})
		this.#judgePinned(status)
		const objects = new Set(braked.map((name) => this.#rowOf(name)?.objectName ?? name))
		const allowed = Math.max(...wanted.map(({ maxRemovals }) => maxRemovals))
		if (objects.size > allowed) this.judge.problems.push(`the status lets ${braked.join(', ')} go at once`)
	}

	/** What a hold pins and was told is not waited for again while the same is asked for: by that name it is there. */
	#judgePinned({ vault, observedGeneration: generation }: BindingStatus): void {
		const text = this.watched.metadata.annotations['secrets.purista.dev/hold']
		const { hold } = this.watching.asked
		const before = this.#pinned
		this.#pinned = undefined
		// A clock that was set back brings back a hold that is over.
		if (text === undefined || !hold || this.agenda.now() >= (hold.until ?? Number.POSITIVE_INFINITY) || this.isSetBack)
			return
		const row = this.#rowOf(hold.name)
		const isSame = before?.text === text && before.vault === vault && before.generation === generation
		if (isSame && row?.state === 'Pending')
			this.judge.problems.push(`the status waits for ${hold.name}, which it told as it is held`)
		if (row?.version === hold.id && row.updated !== undefined && row.state !== 'Pending')
			this.#pinned = { text, vault, generation }
	}

	#rowOf(name: string): Row | undefined {
		return this.#rows.find((each) => each.name === name)
	}

	protected override written(): readonly unknown[] {
		return [this.binding, ...this.#nodes.flatMap(({ directory, status }) => [directory.texts, status])]
	}

	override difference(): string | undefined {
		this.follow()
		return this.#controllerDifference() ?? this.#nodesDifference()
	}

	#controllerDifference(): string | undefined {
		const { status, metadata } = this.binding as { status?: BindingStatus; metadata: BindingObject['metadata'] }
		if (status?.observedGeneration !== metadata.generation) return 'the status is of another generation'
		const fresh = conditionOf(status, 'Fresh')
		if (this.shape.suspend) return fresh?.reason === 'Suspended' ? undefined : 'it is not suspended'
		const { wishes, maxRemovals } = this.watching.asked
		// A pin of a secret and its current version are two.
		const braked = this.#rows
			.filter(({ reason }) => reason === 'RemovalsHeld')
			.map(({ name, objectName }) => `${objectName}/${wishes.get(name)?.pin ?? ''}`)
		if (braked.length > 0 && new Set(braked).size <= maxRemovals) return `the status holds ${braked.join(', ')}`
		for (const [name, { vault, objectName }] of wishes) {
			const target = this.watching.files.get(name)?.course.target
			if (target?.kind !== 'version' || target.why !== undefined) continue
			const { updated } = this.vaults.vault(vault).get(objectName, target.id).version
			const row = this.#rowOf(name)
			if (row?.updated !== formatTime(updated * 1000)) return `the status tells ${name} of ${row?.updated}`
		}
		return undefined
	}

	#nodesDifference(): string | undefined {
		if (this.shape.suspend) return undefined
		for (const { watching, directory, status } of this.#nodes) {
			const texts = directory.texts ?? new Map<string, string>()
			const parsed = manifestIn(texts.get(MANIFEST_FILE) ?? '')
			const manifest = parsed.kind === 'ok' ? parsed.manifest.secrets : {}
			const { generation } = this.binding.metadata
			const tied = ({ vault, objectName }: { vault: string; objectName: string }) =>
				this.vaults.isTied(vault, objectName)
			const problem = difference(watching, { generation, status, texts, manifest, tied, counted: true }, this.vaults)
			if (problem !== undefined) return `${watching.name}: ${problem}`
		}
		return undefined
	}
}
