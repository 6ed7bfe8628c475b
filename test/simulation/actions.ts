// What may happen in a simulated history. Each action is plain data, so that a failure can be shrunk and told.
import type { VaultFault } from '../../operator/src/engine/fault.ts'
import type { Policy } from '../oracle/model.ts'
import { ApiRefusal } from './api-server.ts'
import { API_KINDS, type Kind, VAULT_KINDS } from './faults.ts'
import { type ObjectName, TAG, type VaultName } from './names.ts'
import type { FileName, Shape } from './spec.ts'
import type { World } from './world.ts'

export type Action =
	| {
			do: 'rotate' | 'delete' | 'recover' | 'disable' | 'enable' | 'tag' | 'untag'
			vault: VaultName
			object: ObjectName
	  }
	| { do: 'disable the one before'; vault: VaultName; object: ObjectName }
	/** two versions, so many milliseconds apart */
	| { do: 'rotate twice'; vault: VaultName; object: ObjectName; ms: number }
	| { do: 'times'; vault: VaultName; object: ObjectName; which: 'expires' | 'notBefore'; inSeconds: number }
	| { do: 'fault'; on: Kind | 'vault' | 'api'; fault: VaultFault; times: number }
	| { do: 'slow'; on: Kind | 'vault' | 'api'; ms: number; times: number }
	/** so many answers of the vault never come to an end */
	| { do: 'stall'; on: (typeof VAULT_KINDS)[number] | 'vault'; times: number }
	/** bindings of other namespaces ask the same vault: so many requests wait so long for their turn */
	| { do: 'crowd'; ms: number; times: number }
	| { do: 'lose'; what: 'lostRequest' | 'lostAnswer'; on: Kind | 'api'; times: number }
	| { do: 'refuse'; on: (typeof API_KINDS)[number]; times: number }
	| { do: 'role' | 'admission' | 'listing'; on: boolean }
	/** of Volume delivery: the node role is killed, the node loses its memory, its watch is silent, or its memory is full */
	| { do: 'kill node'; node: number; inFlight: boolean; downMs: number }
	| { do: 'reboot node'; node: number; downMs: number }
	| { do: 'silence node'; node: number; ms: number }
	| { do: 'fill node'; node: number; times: number }
	| { do: 'crash'; inFlight: boolean; downMs: number }
	| { do: 'jump'; ms: number }
	| { do: 'silence'; ms: number }
	/** `hasty`: also another name of the Secret while the operator has not followed the last edit yet */
	| { do: 'edit'; to: Partial<Omit<Shape, 'files' | 'policy' | 'pin'>>; hasty?: true }
	| { do: 'policy'; to: Partial<Policy> }
	| { do: 'toggle'; file: FileName }
	/** pins `pinned` to so many versions before the current one */
	| { do: 'pin'; back: number }
	| { do: 'hold'; file: 'alpha' | 'beta' | 'twin' | 'east'; back: number; ms?: number }
	/** so many writes get there so much later: a process that wrote them may be dead by then */
	| { do: 'late'; ms: number; times: number }
	/** `quietly`: nobody asks for a poll */
	| { do: 'settle'; quietly?: boolean }
	| { do: 'release' | 'request' | 'acknowledge' }
	| { do: 'intrude'; how: 'edit' | 'delete' | 'copy'; key: number }
	| { do: 'intrude'; how: 'deleteSecret' | 'editManifest' | 'breakManifest' | 'label'; key?: undefined }

const HOUR_MS = 3_600_000
const STRANGER = 'somebody'

/** What happens to a node. */
export type OnNode = Extract<Action, { node: number }>

export function act(world: World, action: Action): void {
	const { vaults, agenda, faults } = world
	switch (action.do) {
		case 'rotate':
			vaults.rotate(action.vault, action.object)
			return
		case 'rotate twice':
			vaults.rotate(action.vault, action.object)
			agenda.after(action.ms, () => vaults.rotate(action.vault, action.object))
			return
		case 'delete':
			vaults.delete(action.vault, action.object)
			return
		case 'recover':
			vaults.recover(action.vault, action.object)
			return
		case 'disable':
			vaults.describe(action.vault, action.object, { enabled: false })
			return
		case 'disable the one before':
			vaults.describe(action.vault, action.object, { enabled: false }, 1)
			return
		case 'enable':
			vaults.describe(action.vault, action.object, { enabled: true })
			return
		case 'times': {
			const at = Math.floor(agenda.serverNow() / 1000) + action.inSeconds
			vaults.describe(action.vault, action.object, { [action.which]: at })
			return
		}
		case 'tag':
			vaults.tag(action.vault, action.object, { [TAG[0]]: TAG[1] })
			return
		case 'untag':
			vaults.tag(action.vault, action.object, {})
			return
		case 'fault':
			faults.add(kindsOf(action.on), { kind: 'fault', fault: action.fault }, action.times)
			return
		case 'slow':
			faults.add(kindsOf(action.on), { kind: 'slow', ms: action.ms }, action.times)
			return
		case 'stall':
			faults.add(kindsOf(action.on), { kind: 'stall' }, action.times)
			return
		case 'crowd':
			faults.add(VAULT_KINDS, { kind: 'late', ms: action.ms }, action.times)
			return
		case 'late':
			faults.add(['write'], { kind: 'late', ms: action.ms }, action.times)
			return
		case 'lose':
			faults.add(kindsOf(action.on), { kind: action.what }, action.times)
			return
		case 'refuse':
			faults.add([action.on], { kind: 'refused' }, action.times)
			return
		case 'role':
			faults.role = action.on
			return
		case 'admission':
			faults.admission = action.on
			return
		case 'listing':
			faults.listing = action.on
			return
		case 'kill node':
		case 'reboot node':
		case 'silence node':
		case 'fill node':
			world.onNode(action)
			return
		case 'crash':
			world.restart(action.inFlight, action.downMs)
			return
		case 'jump':
			world.jump(action.ms)
			return
		case 'silence':
			world.silence(action.ms)
			return
		case 'edit':
			if (action.to.secretName === undefined || action.hasty || isRenameOver(world)) world.edit(action.to)
			return
		case 'policy':
			world.edit({ policy: { ...world.shape.policy, ...action.to } })
			return
		case 'toggle': {
			const { files } = world.shape
			const without = files.filter((each) => each !== action.file)
			world.edit({ files: without.length < files.length ? without : [...files, action.file] })
			return
		}
		case 'pin': {
			const pin = versionOf(world, 'alpha', action.back)
			if (pin !== undefined) world.edit({ pin })
			return
		}
		case 'hold': {
			const id = versionOf(world, action.file, action.back)
			const until = Math.floor((agenda.now() + (action.ms ?? HOUR_MS)) / 1000) * 1000
			const text = new Date(until).toISOString().replace('.000Z', 'Z')
			if (id !== undefined) world.hold({ name: action.file, id, until }, `${action.file}=${id}; until=${text}`)
			return
		}
		case 'release':
			world.hold(undefined, null)
			return
		case 'request':
			world.annotate('secrets.purista.dev/requested-at', `at ${agenda.monotonic}`)
			return
		case 'acknowledge':
			acknowledge(world)
			return
		case 'settle':
			world.settle(action.quietly)
			return
		case 'intrude':
			intrude(world, action)
	}
}

/**
 * The operator has followed the last edit, and no Secret waits under a former name: the status remembers one alone, so of one
 * that is renamed again while it is incomplete a process that starts in between does not know.
 */
function isRenameOver({ watching, binding, shape }: World): boolean {
	const shown = binding.status?.['secretName']
	return watching.before.length === 0 && (shown === undefined || shown === shape.secretName)
}

function kindsOf(on: Kind | 'vault' | 'api'): readonly Kind[] {
	if (on === 'vault') return VAULT_KINDS
	return on === 'api' ? API_KINDS : [on]
}

const versionOf = ({ vaults, shape }: World, object: ObjectName, back: number) =>
	vaults.item(shape.vault, object)?.versions.at(-1 - back)?.id

/** Somebody runs the printed line that lets held removals go. */
function acknowledge(world: World): void {
	const conditions = (world.binding.status?.['conditions'] ?? []) as { type: string; reason: string; message: string }[]
	const fresh = conditions.find(({ type }) => type === 'Fresh')
	if (fresh?.reason !== 'RemovalsHeld') return
	const digest = /allow-removals=([0-9a-f]+)/.exec(fresh.message)?.[1]
	const names = /none of them was: (.*?)\.(?:\s|$)/.exec(fresh.message)?.[1]?.split(', ') ?? []
	if (digest === undefined) throw new Error(`no line in: ${fresh.message}`)
	for (const watching of world.watchings) watching.acknowledged = new Set([...watching.acknowledged, ...names])
	world.annotate('secrets.purista.dev/allow-removals', digest)
}

/** Somebody else has his hands on our Secret. */
function intrude(world: World, action: Extract<Action, { do: 'intrude' }>): void {
	const name = world.shape.secretName
	const secret = world.secrets.get(name)
	if (!secret) return
	const keys = Object.keys(secret.data ?? {}).filter((key) => key !== '.binding.json')
	const patch = (body: Record<string, unknown>) => {
		try {
			world.secrets.patch(name, body, STRANGER)
			world.seen(name, false)
		} catch (error) {
			// A Secret of this type takes no such value, or is none without the key.
			if (!(error instanceof ApiRefusal)) throw error
		}
	}
	if (action.how === 'deleteSecret') {
		world.secrets.remove(name)
		world.seen(name, false)
	} else if (action.how === 'editManifest') {
		const manifest = Buffer.from(secret.data?.['.binding.json'] ?? '', 'base64').toString('utf8')
		patch({ stringData: { '.binding.json': manifest.replace('vault.azure.net', 'vault.example.org') } })
	} else if (action.how === 'breakManifest') {
		patch({ stringData: { '.binding.json': '{"schema":1' } })
	} else if (action.how === 'label') {
		patch({ metadata: { labels: { somebody: `${world.agenda.monotonic}` } } })
	} else {
		const key = keys[(action.key ?? 0) % keys.length]
		if (key === undefined) return
		if (action.how === 'delete') patch({ data: { [key]: null } })
		else if (action.how === 'edit') patch({ stringData: { [key]: `edited at ${world.agenda.monotonic}` } })
		else {
			// The value of now, as a restore from a backup or another tool would write it.
			const wish = world.watching.asked.wishes.get(key)
			const value = wish && world.vaults.item(wish.vault, wish.objectName)?.versions.at(-1)?.value
			if (value !== undefined) patch({ stringData: { [key]: value } })
		}
	}
}
