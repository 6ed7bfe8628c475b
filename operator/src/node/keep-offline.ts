import { MANIFEST_FILE } from 'purista-azure-mounted-secret-store/manifest'
import type { VolumeBinding } from '../api/parse.ts'
import type { Content } from '../engine/decode.ts'
import type { Holding } from '../engine/destination.ts'
import type { Source } from '../engine/source.ts'
import type { Destination } from '../ports/destination.ts'
import type { OfflineValues } from './offline.ts'

const keyOf = ({ uid, generation }: VolumeBinding) => `${uid}/${generation}`

export interface Place {
	readonly binding: VolumeBinding
	readonly source: Source
	readonly destination: Destination
	readonly offline: OfflineValues
	readonly signal: AbortSignal
}

/** Fills a volume with what is kept in memory. @returns false: nothing is kept, or it does not fit */
export async function fillOffline(place: Place, on: Holding | undefined): Promise<boolean> {
	const { binding, source, destination, offline, signal } = place
	const snapshot = binding.delivery.offlineFor > 0 ? offline.get(keyOf(binding), source) : undefined
	if (!snapshot) return false
	const change = { set: snapshot.files, drop: [], manifest: snapshot.manifest, on, create: true }
	const verdict = destination.rules.judge(change)
	if (verdict.kind !== 'fits') return verdict.kind === 'nothing'
	return (await destination.write(change, signal)).kind === 'written'
}

/** Keeps what the vault has just confirmed, if the binding asks for it. */
export async function keepOffline({ binding, source, destination, offline, signal }: Place): Promise<void> {
	const { offlineFor } = binding.delivery
	if (offlineFor === 0) return
	const answer = await destination.readBack(signal)
	if (answer.kind !== 'ours' || !answer.holding.manifest) return
	const { files, content, manifest } = answer.holding
	const contents = [...files.keys()].flatMap((name): [string, Content][] => {
		const bytes = name === MANIFEST_FILE ? undefined : content?.(name)
		return bytes === undefined ? [] : [[name, bytes]]
	})
	offline.keep(keyOf(binding), source, { files: new Map(contents), manifest }, offlineFor)
}
