import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Clock } from './clock.ts'
import { Core } from './core.ts'
import { Fallback } from './fallback.ts'
import { Followed } from './followed.ts'
import { HotTexts } from './hot.ts'
import { MANIFEST_FILE, type ManifestSecret, serializeManifest } from './manifest/index.ts'
import type { MountRead } from './mount/read.ts'
import type { MountSnapshot } from './mount/snapshot.ts'
import type { Logger } from './purista.ts'
import { State } from './state.ts'
import { askCurrent } from './vault/ask.ts'
import { type SecretAddress, type Vault, VaultFault, type VaultValue } from './vault/vault.ts'
import { Writer } from './writer.ts'

// The store's own state, overlay, fallback and writer run against a model of the vault, of an operator that looks when it likes, and of a
// kubelet that delivers late, twice, not at all, or an older generation again. Two processes share all of it.

/**
 * Names a and b are mounted. x is the vault's own name until a binding covers it: then it leads to the secret y by the first mount, else to z
 * by the second. The first binding may move to another vault, w, which holds other secrets of the same names.
 */
type Name = 'a' | 'b' | 'x'
type ObjectName = Name | 'y' | 'z'
type Url = 'https://v' | 'https://w'
const MOUNTED = ['a', 'b'] as const
const LONG = globalThis.process.env['ASB_LONG'] === '1'
const KEEP_MS = 210_000

class FakeClock implements Clock {
	time = 1
	#timers = new Set<{ at: number; call: () => void }>()
	now = () => this.time
	monotonic = () => this.time
	after = (ms: number, call: () => void) => {
		const timer = { at: this.time + ms, call }
		this.#timers.add(timer)
		return () => void this.#timers.delete(timer)
	}
	async advance(ms: number) {
		const end = this.time + ms
		for (;;) {
			const [next] = [...this.#timers].filter((timer) => timer.at <= end).sort((one, two) => one.at - two.at)
			if (next === undefined) break
			this.#timers.delete(next)
			this.time = Math.max(this.time, next.at)
			next.call()
			await flush()
		}
		this.time = end
	}
}

// Every await inside the store is a microtask here; a macrotask after them sees all of it done.
const flush = () => new Promise<void>((resolve) => setImmediate(resolve))

type Truth = { kind: 'value' | 'disabled'; value: string; version: string } | { kind: 'absent' }
type Fault = 'none' | 'requestLost' | 'answerLost' | 'throttled'

/** Key Vault as far as one secret can tell: every state it was ever in, in order. */
class ModelVault implements Vault {
	readonly history: Record<ObjectName, Truth[]> = { a: [], b: [], x: [], y: [], z: [] }
	readonly #deleted = new Map<ObjectName, Truth>()
	#count = 0
	fault: Fault = 'none'
	outage: 'no' | 'unavailable' | 'denied' = 'no'
	/** Calls that were applied and whose answer is on its way. */
	held: Array<() => void> = []
	holdNext = false
	/** Answers of reads are on their way until they are released. */
	holdGets = false

	readonly #label: string

	constructor(label: string) {
		this.#label = label
		for (const name of ['a', 'b', 'x', 'y', 'z'] as const) this.foreignSet(name)
	}
	now(name: ObjectName): Truth {
		return this.history[name].at(-1) ?? { kind: 'absent' }
	}
	release(): void {
		this.holdGets = false
		for (const resolve of this.held.splice(0)) resolve()
	}
	foreignSet(name: ObjectName): void {
		if (this.#deleted.has(name)) this.foreignRecover(name)
		this.#write(name, `foreign-${this.#label}-${this.#count}`)
	}
	foreignRemove(name: ObjectName): void {
		const now = this.now(name)
		if (now.kind === 'absent') return
		this.#deleted.set(name, now)
		this.history[name].push({ kind: 'absent' })
	}
	foreignRecover(name: ObjectName): void {
		const before = this.#deleted.get(name)
		if (before === undefined) return
		this.#deleted.delete(name)
		this.history[name].push(before)
	}
	/** Purged and restored from a backup: an old version is the current one again. */
	restore(name: ObjectName, back: number): void {
		const values = this.history[name].filter((truth) => truth.kind === 'value')
		const old = values.at(-1 - (back % values.length))
		if (old === undefined) return
		this.#deleted.delete(name)
		this.history[name].push(old)
	}
	toggle(name: ObjectName): void {
		const now = this.now(name)
		if (now.kind !== 'absent') this.history[name].push({ ...now, kind: now.kind === 'value' ? 'disabled' : 'value' })
	}
	versions(name: ObjectName): Array<Exclude<Truth, { kind: 'absent' }>> {
		return this.history[name].filter((truth) => truth.kind !== 'absent')
	}

	async get(address: { objectName: string }): Promise<VaultValue> {
		const { outage } = this
		const now = this.now(nameOf(address))
		if (this.holdGets) await new Promise<void>((resolve) => this.held.push(resolve))
		if (outage !== 'no') throw fault(outage === 'denied' ? 'Denied' : 'Unavailable')
		if (now.kind === 'absent') throw fault('NotFound')
		if (now.kind === 'disabled') throw fault('Disabled')
		return answer(now)
	}
	async set(address: { objectName: string }, value: string): Promise<VaultValue> {
		const name = nameOf(address)
		if (this.outage !== 'no') throw fault(this.outage === 'denied' ? 'Denied' : 'Unavailable')
		if (this.#deleted.has(name)) throw fault('Deleted')
		return this.#change(() => answer(this.#write(name, value)))
	}
	async remove(address: { objectName: string }): Promise<void> {
		const name = nameOf(address)
		if (this.outage !== 'no') throw fault(this.outage === 'denied' ? 'Denied' : 'Unavailable')
		if (this.now(name).kind === 'absent') throw fault('NotFound')
		await this.#change(() => this.foreignRemove(name))
	}
	async recover(address: { objectName: string }): Promise<void> {
		if (this.outage !== 'no') throw fault('Unavailable')
		this.foreignRecover(nameOf(address))
	}

	async #change<T>(apply: () => T): Promise<T> {
		const kind = this.fault
		this.fault = 'none'
		if (kind === 'throttled') throw fault('Throttled')
		if (kind === 'requestLost') throw fault('Unavailable')
		const result = apply()
		if (this.holdNext) {
			this.holdNext = false
			await new Promise<void>((resolve) => this.held.push(resolve))
		}
		if (kind === 'answerLost') throw fault('Unavailable')
		return result
	}
	#write(name: ObjectName, value: string): Truth & { kind: 'value' } {
		this.#count += 1
		const truth = { kind: 'value' as const, value, version: `${this.#label}${this.#count}` }
		this.history[name].push(truth)
		return truth
	}
}

const nameOf = (address: { objectName: string }) => address.objectName as ObjectName
const fault = (reason: ConstructorParameters<typeof VaultFault>[0]) => new VaultFault(reason, undefined)
const answer = ({ value, version }: { value: string; version: string }): VaultValue => ({
	value,
	version,
	contentType: undefined,
	tags: {},
	created: undefined,
	updated: undefined,
	notBefore: undefined,
	expires: undefined,
})

type Files = Partial<Record<Name, { value: string; secret: ManifestSecret; from: Url }>>

/** What the operator wrote at one look. */
interface Generation {
	readonly vault: Url
	readonly files: Files
	readonly wanted: Record<string, { objectName: string }>
}

interface Histories {
	readonly policy: 'Keep' | 'Remove'
	readonly manifest: boolean
}

/** How a mount begins. */
interface Beginning {
	/** False for one that comes late. */
	readonly there: boolean
	readonly covers: boolean
}

/** The operator and the kubelet. */
class ModelMount {
	readonly captured: Generation[] = []
	readonly pins = new Map<Name, string>()
	readonly everPinned = new Set<Name>()
	shown = 0
	/** Another name for each delivery, as the kubelet makes it. */
	generation = 0
	readonly watchers = new Set<() => void>()
	readonly #vaults: Record<Url, ModelVault>
	readonly #policy: 'Keep' | 'Remove'
	/** Without a manifest nothing tells an older generation from a new one: then none is delivered. */
	readonly manifest: boolean
	url: Url = 'https://v'
	/** The binding has x. */
	covers: boolean
	/** The kubelet has mounted it. */
	there: boolean
	/** What the binding always has, and what x is by it. */
	readonly #names: readonly (typeof MOUNTED)[number][]
	readonly #x: ObjectName

	constructor(
		vaults: Record<Url, ModelVault>,
		{ policy, manifest, there, covers }: Histories & Beginning,
		names: readonly (typeof MOUNTED)[number][],
		x: ObjectName,
	) {
		this.#vaults = vaults
		this.#policy = policy
		this.manifest = manifest
		this.there = there
		this.covers = manifest && covers
		this.#names = names
		this.#x = x
		this.look()
	}
	get files(): Files {
		return this.captured[this.shown]?.files ?? {}
	}
	appear(): void {
		this.there = true
		for (const watcher of this.watchers) watcher()
	}
	look(): void {
		const vault = this.#vaults[this.url]
		const before = this.captured.at(-1)?.files ?? {}
		const files: Files = {}
		const wanted: Generation['wanted'] = {}
		for (const name of [...this.#names, ...(this.covers ? (['x'] as const) : [])]) {
			const objectName = name === 'x' ? this.#x : name
			const pin = vault.versions(objectName).find((truth) => truth.version === this.pins.get(name))
			const now = pin === undefined ? vault.now(objectName) : { ...pin, kind: 'value' as const }
			const state = now.kind === 'value' ? 'Current' : now.kind === 'absent' ? 'Absent' : 'Disabled'
			const kept = before[name]
			if ((now.kind === 'absent' && this.#policy === 'Remove') || (now.kind !== 'value' && kept === undefined)) {
				wanted[name] = { objectName }
				continue
			}
			const from = now.kind === 'value' ? this.url : (kept?.from ?? this.url)
			const { value, version } =
				now.kind === 'value' ? now : { value: kept?.value ?? '', version: kept?.secret.version ?? '' }
			const moved = from === this.url ? {} : { vault: from }
			const pinned = pin !== undefined
			files[name] = { value, from, secret: { objectName, version, state, pinned, ...moved, tags: {}, previous: [] } }
		}
		this.captured.push({ vault: this.url, files, wanted })
	}
	deliver(index: number): void {
		this.shown = Math.min(Math.max(index, 0), this.captured.length - 1)
		this.generation += 1
		for (const watcher of this.watchers) watcher()
	}
	async read(known: string | undefined): Promise<MountRead> {
		if (!this.there) return { kind: 'missing' }
		const id = `..${this.generation}`
		if (id === known) return { kind: 'unchanged' }
		const files = new Map<string, Buffer>([['always', Buffer.from('here')]])
		const secrets: Record<string, ManifestSecret> = {}
		for (const [name, file] of Object.entries(this.files)) {
			files.set(name, Buffer.from(file.value))
			secrets[name] = file.secret
		}
		const binding = { namespace: 'n', name: 'n', uid: this.#x }
		const manifest = serializeManifest({
			schema: 1,
			revision: this.shown,
			binding,
			vault: this.captured[this.shown]?.vault ?? 'https://v',
			selectors: [],
			secrets,
			wanted: this.captured[this.shown]?.wanted ?? {},
		})
		if (this.manifest) files.set(MANIFEST_FILE, Buffer.from(manifest))
		return { kind: 'generation', id, files, faults: new Map(), subPath: false }
	}
}

const everywhere = (vaults: Record<Url, ModelVault>): Truth[][] =>
	Object.values(vaults).flatMap(({ history }) => Object.values(history))

/** Calls go to the vault that they are for. */
function routed(vaults: Record<Url, ModelVault>): Vault {
	const of = ({ vault }: SecretAddress) => vaults[(vault ?? 'https://v') as Url]
	return {
		get: (address) => of(address).get(address),
		set: (address, value) => of(address).set(address, value),
		remove: (address) => of(address).remove(address),
		recover: (address) => of(address).recover(address),
	}
}

const silent = Object.fromEntries(
	['info', 'warn', 'error', 'debug', 'trace', 'fatal'].map((key) => [key, () => {}]),
) as unknown as Logger

/** One pod. What it wrote last is remembered as the number of states that the vault had been in by then. */
class Process {
	readonly own = new Map<Name, { index: number; address: string }>()
	readonly until = new Map<Name, number>()
	readonly state: State
	readonly core: Core
	readonly calls = new Set<Promise<void>>()

	constructor(clock: Clock, vaults: Record<Url, ModelVault>, mounts: Record<string, ModelMount>) {
		const vault = routed(vaults)
		const at = (path: string): ModelMount => {
			const found = mounts[path]
			if (found === undefined) throw new Error(`no mount ${path}`)
			return found
		}
		const hot = new HotTexts(clock)
		const fallback = new Fallback({
			vault,
			clock,
			ttlMs: 60_000,
			absentTtlMs: 5_000,
			staleMs: 600_000,
			onStale: () => {},
			onReplaced: () => hot.clear(),
		})
		this.state = new State({
			paths: Object.keys(mounts),
			aliases: new Map(),
			clock,
			patienceMs: 10_000,
			logger: () => silent,
			onStart: () => {},
			mount: {
				read: (path, known) => at(path).read(known),
				turn: () => Promise.resolve(),
				resolve: async (path) => ({ path, id: path }),
				watch: (path, _scope, onEvent) => {
					at(path).watchers.add(onEvent)
					return { close: async () => void at(path).watchers.delete(onEvent) }
				},
				pollMs: 5_000,
				trim: false,
				absentIsFine: false,
				onProblem: () => {},
				onFlaw: () => {},
				onWatchLost: () => {},
			},
			// When the vault could not say, the mount decides: nothing is promised about writes from before.
			overlay: {
				keepMs: KEEP_MS,
				random: () => 0.5,
				ask: (address) => askCurrent(vault, address),
				onGivenUp: () => this.own.clear(),
			},
		})
		this.state.onView(() => hot.clear())
		const followed = new Followed({
			clock,
			intervalMs: 60_000,
			fileOf: (name) => this.state.resolve(name).fileName,
			read: (name) => this.core.beyond(name, true),
			emit: () => {},
		})
		const writer = new Writer({ vault, clock, write: {}, recoverDeleted: true, awaitDelete: false })
		this.core = new Core({
			state: this.state,
			vault,
			fallback,
			hot,
			followed,
			writer,
			readsVault: () => true,
			defaultVault: () => 'https://v',
			folder: undefined,
			logger: () => silent,
		})
		this.state.start()
	}

	/** The first mount that has the name or wants it. */
	claiming(name: Name): MountSnapshot | undefined {
		return this.state.mounts
			.map(({ snapshot }) => snapshot)
			.find((snapshot) => snapshot?.secrets.has(name) === true || snapshot?.sources.has(name) === true)
	}

	/** Where the name leads now. */
	addressOf(name: Name): { url: Url; objectName: ObjectName; key: string } {
		const { vault, objectName } = this.state.resolve(name)
		const url = (vault ?? 'https://v') as Url
		return { url, objectName: objectName as ObjectName, key: `${url} ${objectName}` }
	}

	/** Begins a change; when it is acknowledged, later reads may show nothing from before it. */
	change(clock: FakeClock, vaults: Record<Url, ModelVault>, name: Name, value: string | undefined): void {
		const call = (value === undefined ? this.core.remove(name) : this.core.set(name, value)).then(
			() => {
				const is = (truth: Truth) =>
					value === undefined ? truth.kind === 'absent' : truth.kind !== 'absent' && truth.value === value
				const { url, objectName, key: address } = this.addressOf(name)
				const index = vaults[url].history[objectName].findLastIndex(is)
				// The name may have got another meaning during the call: then the promise is over before it began.
				if (index < 0 && everywhere(vaults).some((history) => history.some(is))) return
				// No write lost: what was acknowledged is in the vault's history.
				expect(index, `${name} acknowledged and not in the vault`).toBeGreaterThanOrEqual(0)
				// A pinned name reads its pin: nothing is remembered of writes to it.
				const { pinned, token } = this.state.shown(name)
				if (pinned) return
				this.own.set(name, { index, address })
				// Of a name that no mount has, the promise ends at the deadline: then the vault answers, and a mount that begins to have the
				// name later than that may begin with something old. The same without a manifest, where equal bytes cannot be told apart.
				const known = token.startsWith('version')
				this.until.set(name, !known ? clock.time + KEEP_MS : Number.POSITIVE_INFINITY)
			},
			() => {},
		)
		this.calls.add(call)
		void call.then(() => this.calls.delete(call))
	}
}

class World {
	readonly clock = new FakeClock()
	readonly vaults = { 'https://v': new ModelVault('v'), 'https://w': new ModelVault('w') }
	readonly mount: ModelMount
	/** Behind the first; it has nothing but x, at times. */
	readonly second: ModelMount
	readonly processes: Process[]
	#values = 0

	constructor(histories: Histories, first: Beginning, second: Beginning) {
		this.mount = new ModelMount(this.vaults, { ...histories, ...first }, MOUNTED, 'y')
		this.second = new ModelMount(this.vaults, { ...histories, ...second }, [], 'z')
		this.processes = [0, 1].map(() => this.#start())
	}
	#start(): Process {
		return new Process(this.clock, this.vaults, { '/mount': this.mount, '/second': this.second })
	}
	/** A binding has x. */
	get covered(): boolean {
		return this.mount.covers || this.second.covers
	}
	/** The vault that the binding is of. */
	get vault(): ModelVault {
		return this.vaults[this.mount.url]
	}
	process(index: number): Process {
		const found = this.processes[index]
		if (found === undefined) throw new Error('no such process')
		return found
	}
	nextValue(): string {
		this.#values += 1
		return `own-${this.#values}`
	}
	async restart(index: number) {
		await this.process(index).state.destroy()
		this.processes[index] = this.#start()
	}
	/** An older generation does not stay for longer than the kubelet's sync period: then the newest comes again. */
	async advance(ms: number) {
		if (this.mount.shown < this.newestShown) {
			await this.clock.advance(Math.min(ms, 80_000))
			this.deliver(this.newestShown)
			await flush()
		}
		await this.clock.advance(ms)
	}
	newestShown = 0
	deliver(index: number) {
		this.mount.deliver(index)
		this.newestShown = Math.max(this.newestShown, this.mount.shown)
	}

	/** Reads a name in a process, and checks that it shows nothing from before the process's own last change. */
	async check(index: number, name: Name) {
		const { core, own, until, state } = this.process(index)
		const { url, objectName, key } = this.process(index).addressOf(name)
		// The promise was of what the name led to then; meanwhile it may lead elsewhere and back.
		if (own.get(name)?.address !== key) own.delete(name)
		if (!state.loaded) return
		const shown = state.shown(name)
		const claiming = this.process(index).claiming(name)
		if ((name !== 'x' || claiming !== undefined) && this.clock.time >= (until.get(name) ?? 0)) own.delete(name)
		// What is kept after a pin is what the pin was, so a name that was ever pinned promises nothing more.
		if (this.mount.everPinned.has(name)) own.delete(name)
		const history = this.vaults[url].history[objectName]
		const reading = (async () => core.texts([name]))().then(
			(texts) => ({ read: texts[name] }),
			() => undefined, // a read that fails is not a wrong one
		)
		const done = await Promise.race([reading, flush().then(flush)])
		if (done === undefined) return
		const { read } = done
		// A pinned name reads its pin, whatever this process wrote.
		if (shown.pinned) expect(read).toBe(claiming?.secrets.get(name)?.text)
		// No name ever shows another secret, nor a write of this process to what it was of before. (What the mount kept is the mount's.)
		const file = claiming?.secrets.get(name)?.text
		const values = history.flatMap((truth) => (truth.kind === 'absent' ? [] : [truth.value]))
		if (read !== undefined && read !== file)
			expect(values, `process ${index} read ${read} of ${name}, which is ${key}`).toContain(read)
		const since = own.get(name)
		if (since === undefined) return
		// What the mount kept of another secret is the mount's.
		if (file !== undefined && !values.includes(file)) return void own.delete(name)
		const states = history.slice(since.index)
		// A disabled version is nobody's to read: the policy of the binding decides what the file is.
		if (states.some((truth) => truth.kind === 'disabled')) own.delete(name)
		else {
			const fits = states.some((truth) => (truth.kind === 'value' ? truth.value === read : read === undefined))
			expect(
				fits,
				`process ${index} read ${read} of ${name}; since its own change there were ${JSON.stringify(states)}`,
			).toBe(true)
		}
	}
	async checkAll() {
		for (const index of [0, 1])
			for (const name of [...MOUNTED, ...(this.covered ? (['x'] as const) : [])]) await this.check(index, name)
	}
}

const name = fc.constantFrom<Name>('a', 'a', 'b', 'x')
const process = fc.constantFrom(0, 1)
const anyFault = fc.oneof(
	{ weight: 6, arbitrary: fc.constant<Fault>('none') },
	fc.constantFrom<Fault>('requestLost', 'answerLost', 'throttled'),
)
const action = fc.oneof(
	{
		weight: 6,
		arbitrary: fc.record({
			do: fc.constant('set' as const),
			process,
			name,
			fault: anyFault,
			hold: fc.boolean(),
			old: fc.nat(9),
		}),
	},
	{
		weight: 4,
		arbitrary: fc.record({
			do: fc.constant('remove' as const),
			process,
			name,
			fault: anyFault,
			hold: fc.boolean(),
			old: fc.constant(0),
		}),
	},
	{ weight: 2, arbitrary: fc.record({ do: fc.constantFrom('release' as const, 'holdGets' as const) }) },
	{
		weight: 3,
		arbitrary: fc.record({
			do: fc.constantFrom('foreignSet' as const, 'foreignRemove' as const, 'foreignRecover' as const),
			name,
		}),
	},
	{ weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const), name, back: fc.nat(4) }) },
	{
		weight: 1,
		arbitrary: fc.record({ do: fc.constantFrom('toggle' as const, 'pin' as const, 'unpin' as const), name }),
	},
	{ weight: 6, arbitrary: fc.record({ do: fc.constant('look' as const) }) },
	{
		weight: 6,
		arbitrary: fc.record({
			do: fc.constant('deliver' as const),
			which: fc.constantFrom('next', 'newest', 'again', 'older'),
			skip: fc.nat(2),
		}),
	},
	{
		weight: 4,
		arbitrary: fc.record({
			do: fc.constant('advance' as const),
			ms: fc.constantFrom(1_000, 30_000, 100_000, 220_000, 4_500_000),
		}),
	},
	{ weight: 2, arbitrary: fc.record({ do: fc.constant('read' as const), process, name }) },
	{ weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), process }) },
	{
		weight: 2,
		arbitrary: fc.record({
			do: fc.constantFrom('appear' as const, 'move' as const, 'cover' as const, 'uncover' as const),
		}),
	},
	{
		weight: 2,
		arbitrary: fc.record({
			do: fc.constantFrom(
				'appearSecond' as const,
				'coverSecond' as const,
				'uncoverSecond' as const,
				'lookSecond' as const,
			),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			do: fc.constant('outage' as const),
			kind: fc.constantFrom('no' as const, 'no' as const, 'unavailable' as const, 'denied' as const),
		}),
	},
)
const beginning = fc.record({ there: fc.boolean(), covers: fc.boolean() })
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

async function perform(world: World, step: Action): Promise<void> {
	const { vault, mount } = world
	switch (step.do) {
		case 'set':
		case 'remove': {
			// An earlier change of the same secret may still be under way; the fault would hit that one.
			vault.fault = vault.held.length === 0 ? step.fault : 'none'
			vault.holdNext = step.hold && vault.held.length === 0
			// One write in ten brings back a value that the secret had before.
			const again = step.old === 9 ? vault.versions(step.name).at(0)?.value : undefined
			const value = step.do === 'set' ? (again ?? world.nextValue()) : undefined
			world.process(step.process).change(world.clock, world.vaults, step.name, value)
			await flush()
			vault.holdNext = false
			vault.fault = 'none'
			return
		}
		case 'release':
			for (const each of Object.values(world.vaults)) each.release()
			return
		case 'holdGets':
			vault.holdGets = true
			return
		case 'foreignSet':
		case 'foreignRemove':
		case 'foreignRecover':
			return vault[step.do](step.name)
		case 'restore':
			// An old version is current again: a mount that still shows it, and only after the deadline what came between, deceives anybody.
			for (const { until } of world.processes)
				until.set(step.name, Math.min(until.get(step.name) ?? 0, world.clock.time + KEEP_MS))
			return vault.restore(step.name, step.back)
		case 'toggle':
			return vault.toggle(step.name)
		case 'pin':
			// A reader without a manifest cannot know of a pin.
			if (!mount.manifest) return
			mount.everPinned.add(step.name)
			return void mount.pins.set(step.name, vault.versions(step.name).at(0)?.version ?? '')
		case 'unpin':
			return void mount.pins.delete(step.name)
		case 'look':
			return mount.look()
		case 'appear':
			return mount.appear()
		case 'move':
			// A reader without a manifest cannot know of it, nor of a name that leads elsewhere.
			if (mount.manifest) mount.url = mount.url === 'https://v' ? 'https://w' : 'https://v'
			mount.pins.clear()
			return
		case 'cover':
		case 'uncover':
			if (mount.manifest) mount.covers = step.do === 'cover'
			return
		case 'appearSecond':
			return world.second.appear()
		case 'coverSecond':
		case 'uncoverSecond':
			if (mount.manifest) world.second.covers = step.do === 'coverSecond'
			return
		case 'lookSecond':
			world.second.look()
			return world.second.deliver(world.second.captured.length)
		case 'deliver': {
			const index = {
				next: mount.shown + 1 + step.skip,
				newest: mount.captured.length,
				again: mount.shown,
				older: mount.shown - (mount.manifest ? 1 + step.skip : 0),
			}
			return world.deliver(index[step.which])
		}
		case 'advance':
			return world.advance(step.ms)
		case 'read':
			return world.check(step.process, step.name)
		case 'restart':
			return world.restart(step.process)
		case 'outage':
			for (const each of Object.values(world.vaults)) each.outage = step.kind
			return
	}
}

/** All faults over, the operator and the kubelet do their work: then the mount and the vault are all there is. */
async function settles(world: World, policy: 'Keep' | 'Remove') {
	const { mount, second, clock } = world
	for (const vault of Object.values(world.vaults)) {
		vault.outage = 'no'
		vault.release()
	}
	mount.there = true
	second.there = true
	mount.pins.clear()
	await flush()
	// Calls that wait for a mount go on when a poll has found it.
	await clock.advance(10_000)
	for (const { calls } of world.processes) await Promise.all(calls)
	for (let round = 0; round < 4; round++) {
		mount.look()
		world.deliver(mount.captured.length)
		second.look()
		second.deliver(second.captured.length)
		await flush()
		await clock.advance(KEEP_MS + 70_000)
		await world.checkAll()
	}
	for (const process of world.processes) {
		const { core, state } = process
		for (const name of [...MOUNTED, ...(world.covered ? (['x'] as const) : [])]) {
			// Of a file that is not there the vault may say that the version is disabled.
			const read = await (async () => core.texts([name]))().then(
				(texts) => texts[name],
				() => undefined,
			)
			const file = (name === 'x' && !mount.covers ? second : mount).files[name]
			const removed = policy === 'Keep' && file?.secret.state === 'Absent' && read === undefined
			if (!removed) expect(read, `${name} at rest`).toBe(file?.value)
		}
		if (policy === 'Remove') expect(state.overlay.size, 'entries at rest').toBe(0)
		const now = world.vaults['https://v'].now('x')
		if (!world.covered && now.kind !== 'disabled')
			expect((await core.texts(['x']))['x']).toBe(now.kind === 'value' ? now.value : undefined)
	}
}

it('reads back its own writes and removals whatever vault, operator, kubelet and other writers do, and ends at what the mount shows', async () => {
	await fc.assert(
		fc.asyncProperty(
			// Long enough for write, look, delivery, another delivery and a turn of the clock to meet.
			fc.array(action, { minLength: 5, maxLength: 40, size: 'max' }),
			fc.constantFrom('Keep' as const, 'Remove' as const),
			fc.boolean(),
			beginning,
			beginning,
			async (steps, policy, manifest, first, second) => {
				const world = new World({ policy, manifest }, first, second)
				await flush()
				try {
					for (const step of steps) {
						await perform(world, step)
						await flush()
						await world.checkAll()
					}
					await settles(world, policy)
				} finally {
					for (const { state } of world.processes) await state.destroy()
				}
			},
		),
		{ numRuns: LONG ? 10_000 : 300 },
	)
	// A history takes some 15 ms of CPU; 10,000 beside other work are given half an hour.
}, 1_800_000)
