import type { VaultFault } from '../../engine/fault.ts'
import { type ListedSecret, VaultError, type VaultSession, type VersionFacts } from '../../ports/vault.ts'
import type { Clock } from '../../process/clock.ts'

interface Version extends VersionFacts {
	value: string
}

/** A vault in memory, as one session sees it. */
export interface VaultModel {
	session: VaultSession
	/** a new version; ids count up in every vault alike, so that those of two vaults are the same */
	set(name: string, value: string, more?: Partial<VersionFacts>): void
	remove(name: string): void
	/** what a question about a secret (or `*`: any question) is answered with; undefined: nothing is the matter */
	break(name: string, fault: VaultFault | undefined): void
	/** names whose value was read, in order */
	reads: string[]
	/** Called when a value is asked for, before it is answered. */
	onRead: () => void
}

export function createVaultModel(clock: Clock): VaultModel {
	const secrets = new Map<string, Version[]>()
	const faults = new Map<string, VaultFault>()
	/** versions that a name ever had: one that was deleted and made anew goes on counting */
	const counts = new Map<string, number>()
	const reads: string[] = []
	const check = (name: string) => {
		const fault = faults.get(name) ?? faults.get('*')
		if (fault) throw new VaultError(fault)
	}
	const session: VaultSession = {
		issuer: 'https://issuer',
		lists: { pages: undefined, at: 0, denied: false },
		follow: () => {},
		followed: () => secrets.size,
		nextTick: (interval) => clock.monotonic() + interval,
		async list() {
			check('*')
			const items = [...secrets].map(([objectName, versions]): [string, ListedSecret] => {
				const {
					version: _,
					value: __,
					...facts
				} = versions.at(-1) ?? { value: '', version: '', enabled: true, tags: {} }
				return [objectName, { ...facts, objectName }]
			})
			return { complete: true, pages: 1, items: new Map(items), serverTime: clock.now() }
		},
		async read(objectName, version) {
			model.onRead()
			check(objectName)
			reads.push(objectName)
			const versions = secrets.get(objectName.toLowerCase()) ?? []
			const stored = version === undefined ? versions.at(-1) : versions.find((each) => each.version === version)
			if (!stored) throw new VaultError({ kind: 'absent' })
			if (!stored.enabled) throw new VaultError({ kind: 'disabled' })
			const { value, version: id, ...facts } = stored
			return { version: id, value: () => value, facts, serverTime: clock.now() }
		},
		async versions(objectName) {
			check(objectName)
			return { complete: true, versions: secrets.get(objectName.toLowerCase()) ?? [] }
		},
	}
	const model: VaultModel = {
		session,
		reads,
		onRead: () => {},
		set(name, value, more = {}) {
			const versions = secrets.get(name) ?? []
			const seconds = Math.floor(clock.now() / 1000)
			const count = (counts.get(name) ?? 0) + 1
			counts.set(name, count)
			const version = String(count).padStart(32, '0')
			const before = versions.at(-1)
			const dates = { created: seconds, updated: seconds }
			versions.push({ enabled: true, tags: {}, ...before, version, value, ...dates, ...more })
			secrets.set(name, versions)
		},
		remove: (name) => void secrets.delete(name),
		break(name, fault) {
			if (fault) faults.set(name, fault)
			else faults.delete(name)
		},
	}
	return model
}
