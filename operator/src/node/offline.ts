import type { Manifest } from 'purista-azure-mounted-secret-store/manifest'
import type { Content } from '../engine/decode.ts'
import type { Source } from '../engine/source.ts'

/** What a volume held when the vault last said that it is right. */
export interface Snapshot {
	readonly files: ReadonlyMap<string, Content>
	readonly manifest: Manifest
}

/** What is kept of volumes, for pods that start while the vault is away. In the memory of this process alone. */
export interface OfflineValues {
	/** @param forMs from now on; 0 forgets */
	keep(binding: string, source: Source, snapshot: Snapshot, forMs: number): void
	/** undefined: nothing, or it is too old */
	get(binding: string, source: Source): Snapshot | undefined
	/** Forgets what is too old. */
	sweep(): void
	readonly size: number
}

// Of all bindings together, beside what the volumes hold: two volumes of the largest kind, or a hundred of the usual one.
const MAX_BYTES = 8 * 1024 * 1024

/**
 * Values are kept for a binding as it is (its UID and generation: another spec wants other secrets) and for one identity; nobody else is
 * given them. They end `forMs` after the vault last confirmed them, whoever asks.
 */
export function createOfflineValues(clock: { monotonic(): number }): OfflineValues {
	/** oldest first */
	const kept = new Map<string, { snapshot: Snapshot; endsAt: number; bytes: number }>()
	const keyOf = (binding: string, source: Source) => JSON.stringify([binding, source])
	const sweep = () => {
		const now = clock.monotonic()
		for (const [key, { endsAt }] of kept) if (endsAt <= now) kept.delete(key)
		let bytes = [...kept.values()].reduce((sum, each) => sum + each.bytes, 0)
		for (const [key, each] of kept) {
			if (bytes <= MAX_BYTES) break
			kept.delete(key)
			bytes -= each.bytes
		}
	}
	return {
		keep(binding, source, snapshot, forMs) {
			const key = keyOf(binding, source)
			kept.delete(key)
			if (forMs <= 0) return
			const bytes = [...snapshot.files.values()].reduce((sum, content) => sum + Buffer.byteLength(content), 0)
			kept.set(key, { snapshot, endsAt: clock.monotonic() + forMs, bytes })
			sweep()
		},
		get(binding, source) {
			const found = kept.get(keyOf(binding, source))
			return found && found.endsAt > clock.monotonic() ? found.snapshot : undefined
		},
		sweep,
		get size() {
			return kept.size
		},
	}
}
