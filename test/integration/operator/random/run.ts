// The random fault run: what it does to vault, Entra, API server, operator and Secrets, and what must hold meanwhile.
import { randomBytes } from 'node:crypto'
import { watchCollection } from '../../../../operator/src/adapters/kube/watch.ts'
import { systemClock } from '../../../../operator/src/runtime/clock.ts'
import { until } from '../../../kit/until.ts'
import type { TcpProxy } from '../../runtime/proxy.ts'
import { condition, manifest, ROLE, type RunningOperator, type SecretView, type Stage } from '../stage.ts'
import { Course, type Item, type Policy, targetOf } from './model.ts'

/** A binding of the run. A file has the name of its secret in the vault. */
export interface RandomBinding {
	name: string
	policy: Policy
	/** named in the spec; otherwise by the tag */
	objects: readonly string[]
	tag?: [string, string]
}

const MANIFEST = '.binding.json'
/** Ten seconds of the operator's clock, which passes ten times as fast: absent counts after that. */
const ABSENT_MS = 1_000

export class RandomRun {
	readonly #stage: Stage
	readonly #proxy: TcpProxy
	readonly #bindings: readonly RandomBinding[]
	readonly #random: () => number
	readonly #items = new Map<string, Item>()
	/** value → version */
	readonly #versions = new Map<string, string>()
	readonly #courses = new Map<string, Course>()
	/** files whose bytes somebody else took away or changed, until they were seen right again */
	readonly #tampered = new Set<string>()
	readonly #broken: string[] = []
	readonly #faults: string[] = []
	#operator: RunningOperator | undefined
	#role = true
	#writtenAt = 0
	readonly steps: string[] = []
	readonly logs: string[] = []

	constructor(stage: Stage, proxy: TcpProxy, bindings: readonly RandomBinding[], random: () => number) {
		this.#stage = stage
		this.#proxy = proxy
		this.#bindings = bindings
		this.#random = random
	}

	get values(): string[] {
		return [...this.#versions.keys()]
	}

	/** What must never have been, and was. */
	get broken(): readonly string[] {
		return this.#broken
	}

	async begin(objects: readonly string[], signal: AbortSignal): Promise<void> {
		for (const object of objects) await this.rotate(object)
		for (const { name, objects: named, tag, policy } of this.#bindings) {
			await this.#stage.apply(name, {
				secrets: named.map((each) => ({ name: each })),
				...(tag ? { select: [{ tags: { [tag[0]]: tag[1] } }] } : {}),
				policy: { ...policy, maxRemovals: 500 },
			})
		}
		void this.#follow(signal)
		await this.startOperator()
	}

	/** Every version that the Secrets have is looked at. */
	async #follow(signal: AbortSignal): Promise<void> {
		const path = `/api/v1/namespaces/${this.#stage.namespace}/secrets`
		const before = new Map<string, Set<string>>()
		const take = (secret: SecretView & { metadata: { name: string } }) => {
			const binding = this.#bindings.find(({ name }) => secret.metadata.name === `${name}-secrets`)
			if (!binding) return
			const now = new Set(Object.keys(secret.data ?? {}).filter((name) => name !== MANIFEST))
			for (const file of now)
				this.#see(binding, file, Buffer.from(secret.data?.[file] ?? '', 'base64').toString('utf8'))
			for (const file of before.get(binding.name) ?? []) if (!now.has(file)) this.#seeGone(binding, file)
			before.set(binding.name, now)
		}
		const options = { transport: this.#stage.api, path, clock: systemClock, random: Math.random, signal }
		try {
			for await (const event of watchCollection<SecretView & { metadata: { name: string } }>(options)) {
				if (event.kind === 'synced') for (const item of event.items) take(item)
				if (event.kind === 'applied') take(event.item)
				if (event.kind === 'deleted') before.delete(event.item.metadata.name.replace(/-secrets$/, ''))
			}
		} catch (error) {
			if (!signal.aborted) this.#broken.push(`the watch of the test ended: ${String(error)}`)
		}
	}

	#see({ name }: RandomBinding, file: string, value: string): void {
		const key = `${name}/${file}`
		const version = this.#versions.get(value)
		if (version === undefined) {
			if (!this.#tampered.has(key)) this.#broken.push(`${key} holds bytes that never were in the vault`)
			return
		}
		this.#tampered.delete(key)
		if (!this.#courseOf(key).see(version)) this.#broken.push(`${key} went back to version ${version}`)
	}

	#seeGone({ name }: RandomBinding, file: string): void {
		const key = `${name}/${file}`
		if (this.#tampered.has(key)) return
		if (!this.#courseOf(key).seeRemoved(performance.now(), ABSENT_MS)) this.#broken.push(`${key} was removed`)
	}

	#courseOf(key: string): Course {
		let course = this.#courses.get(key)
		if (!course) {
			course = new Course()
			this.#courses.set(key, course)
		}
		return course
	}

	/** Changes a secret in the vault and, before that is done, what is wanted: the operator may be faster than the answer. */
	async #change(object: string, model: (item: Item) => Item, work: () => Promise<unknown>): Promise<void> {
		const item = model(this.#items.get(object) ?? { versions: [], deleted: false, tags: {} })
		this.#items.set(object, item)
		const at = performance.now()
		for (const { name, policy, objects, tag } of this.#bindings) {
			if (!objects.includes(object) && !tag) continue
			const target = targetOf(item, policy, Date.now() / 1000, objects.includes(object) ? undefined : tag)
			this.#courseOf(`${name}/${object}`).want(target, at)
		}
		await work()
	}

	async rotate(object: string): Promise<void> {
		// Versions of one second could not be ordered.
		await until('the next second', async () => Math.floor(Date.now() / 1000) > this.#writtenAt, { everyMs: 50 })
		this.#writtenAt = Math.floor(Date.now() / 1000)
		const value = randomBytes(18).toString('base64')
		const id = `${object}#${(this.#items.get(object)?.versions.length ?? 0) + 1}`
		this.#versions.set(value, id)
		const { control } = this.#stage.emulator
		await this.#change(
			object,
			(item) => ({ ...item, versions: [...item.versions, { id, value, enabled: true }] }),
			() =>
				control.setSecret({ vault: this.#stage.vault, name: object, value, tags: this.#items.get(object)?.tags ?? {} }),
		)
	}

	async #enable(object: string, enabled: boolean): Promise<void> {
		await this.#change(
			object,
			(item) => ({
				...item,
				versions: item.versions.map((each, i) => (i === item.versions.length - 1 ? { ...each, enabled } : each)),
			}),
			() => this.#stage.emulator.control.updateSecret({ vault: this.#stage.vault, name: object, enabled }),
		)
	}

	async #tag(object: string, tags: Record<string, string>): Promise<void> {
		await this.#change(
			object,
			(item) => ({ ...item, tags }),
			() => this.#stage.emulator.control.updateSecret({ vault: this.#stage.vault, name: object, tags }),
		)
	}

	async #delete(object: string, deleted: boolean): Promise<void> {
		const { control } = this.#stage.emulator
		const ref = { vault: this.#stage.vault, name: object }
		await this.#change(
			object,
			(item) => ({ ...item, deleted }),
			() => (deleted ? control.deleteSecret(ref) : control.recoverSecret(ref)),
		)
	}

	async startOperator(): Promise<void> {
		const kubeConfig = this.#stage.connect({ server: this.#proxy.server })
		this.#operator = await this.#stage.start({ kubeConfig, wait: false })
	}

	async #restart(): Promise<void> {
		if (this.#operator) this.logs.push(...this.#operator.logs)
		await this.#operator?.stop().catch(() => {})
		await this.startOperator()
	}

	async #tamper(how: 'edit' | 'delete' | 'all'): Promise<void> {
		const binding = this.#pick(this.#bindings)
		const path = `/api/v1/namespaces/${this.#stage.namespace}/secrets/${binding.name}-secrets`
		const secret = await this.#stage.secret(`${binding.name}-secrets`)
		const files = Object.keys(secret?.data ?? {}).filter((name) => name !== MANIFEST)
		if (!secret || files.length === 0) return
		const hit = how === 'all' ? files : [this.#pick(files)]
		for (const file of hit) this.#tampered.add(`${binding.name}/${file}`)
		if (how === 'all') await this.#stage.api.request({ method: 'DELETE', path })
		else {
			const value = how === 'edit' ? Buffer.from('edited by somebody').toString('base64') : null
			await this.#stage.merge(path, { data: { [hit[0] ?? '']: value } }, { fieldManager: 'somebody' })
		}
		// It is seen at the next data write, every five minutes, or when somebody asks.
		await this.#ask(binding)
	}

	#ask({ name }: RandomBinding): Promise<void> {
		return this.#stage.annotate(name, { 'secrets.purista.dev/requested-at': `${performance.now()}` })
	}

	#pick<T>(list: readonly T[]): T {
		return list[Math.floor(this.#random() * list.length)] as T
	}

	/** One random step, and a pause of up to a second and a half: the pace is part of the schedule, nothing waits for it. */
	async step(): Promise<void> {
		const object = this.#pick([...this.#items.keys()])
		const item = this.#items.get(object)
		const { control } = this.#stage.emulator
		const { vault, clientId } = this.#stage
		const fault = async (rest: object) => {
			const times = 1 + Math.floor(this.#random() * 4)
			const { id } = await control.addFault({ match: { vault }, times, ...rest } as never)
			this.#faults.push(id)
		}
		const choices: [string, () => Promise<unknown>][] = [
			[`rotate ${object}`, () => (item?.deleted ? this.#delete(object, false) : this.rotate(object))],
			[`rotate ${object}`, () => (item?.deleted ? this.#delete(object, false) : this.rotate(object))],
			[`delete or recover ${object}`, () => this.#delete(object, !item?.deleted)],
			[
				`disable or enable ${object}`,
				async () => item?.deleted || (await this.#enable(object, !item?.versions.at(-1)?.enabled)),
			],
			[
				`tag of ${object}`,
				async () => item?.deleted || (await this.#tag(object, item?.tags['team'] ? {} : { team: 'x' })),
			],
			[
				'role off or on',
				async () => {
					this.#role = !this.#role
					await (this.#role ? control.grant : control.revoke)({ clientId, role: ROLE, vault })
				},
			],
			['429', () => fault({ action: 'status', status: 429, ...(this.#random() < 0.5 ? { retryAfter: 1 } : {}) })],
			['503', () => fault({ action: 'status', status: 503 })],
			['reset', () => fault({ action: 'reset' })],
			['hang', () => fault({ action: 'hang', times: 1 })],
			['garbage', () => fault({ action: 'garbage' })],
			["a proxy's 404", () => fault({ action: 'html', status: 404 })],
			['Entra down', () => fault({ match: { route: 'token' }, action: 'status', status: 500 })],
			['API server: connections reset', async () => this.#proxy.reset()],
			['API server: half-open', async () => this.#proxy.freeze()],
			[
				'API server gone',
				async () => {
					this.#proxy.cut()
					await systemClock.sleep(this.#random() * 2_000)
					this.#proxy.restore()
				},
			],
			['operator restarted', () => this.#restart()],
			['a key edited', () => this.#tamper('edit')],
			['a key deleted', () => this.#tamper('delete')],
			['the Secret deleted', () => this.#tamper('all')],
		]
		const [name, work] = this.#pick(choices)
		this.steps.push(name)
		await work()
		await systemClock.sleep(this.#random() * 1_500)
	}

	/** Takes all faults away and waits until every Secret is what the model says. */
	async heal(): Promise<void> {
		const { control } = this.#stage.emulator
		await control.clearFaults()
		this.#proxy.restore()
		if (!this.#role) await control.grant({ clientId: this.#stage.clientId, role: ROLE, vault: this.#stage.vault })
		this.#role = true
		for (const binding of this.#bindings) {
			await this.#ask(binding)
			let why = ''
			await until(
				`the Secret of ${binding.name} as the model has it`,
				async () => {
					why = await this.#difference(binding)
					return why === ''
				},
				// The longest backoff, ten times as fast, and once more.
				{ timeoutMs: 90_000 },
			).catch((error: unknown) => {
				throw new Error(`${binding.name}: ${why}`, { cause: error })
			})
		}
	}

	/** What of a Secret is not as the model says; empty when nothing is. */
	async #difference(binding: RandomBinding): Promise<string> {
		const secret = await this.#stage.secret(`${binding.name}-secrets`)
		const told = manifest(secret) as { secrets: Record<string, { state: string }> } | null
		const fresh = condition(await this.#stage.binding(binding.name), 'Fresh')
		let kept = false
		for (const object of this.#items.keys()) {
			if (!binding.objects.includes(object) && !binding.tag) continue
			const target = this.#courseOf(`${binding.name}/${object}`).target
			const data = secret?.data?.[object]
			const version = data === undefined ? undefined : this.#versions.get(Buffer.from(data, 'base64').toString('utf8'))
			if (target?.kind === 'version' && version !== target.id) return `${object} is ${version} and not ${target.id}`
			if (target?.kind === 'remove' && data !== undefined) return `${object} is still there`
			if (target?.kind === 'keep') kept = true
			if (secret && (told?.secrets[object] !== undefined) !== (data !== undefined)) return `${object} and its manifest`
		}
		if (!kept && fresh?.status !== 'True') return `Fresh is ${fresh?.status} ${fresh?.reason}`
		return ''
	}

	async end(): Promise<void> {
		if (this.#operator) this.logs.push(...this.#operator.logs)
		await this.#operator?.stop().catch(() => {})
	}
}
