// The status of a binding as a place to deliver to, answered without a promise (operator/src/destinations/status).
import type { VolumeBinding } from '../../../operator/src/api/parse.ts'
import type { BindingStatus } from '../../../operator/src/api/schema.ts'
import {
	holdingAfter,
	holdingOfStatus,
	statusRules,
} from '../../../operator/src/destinations/status/status-destination.ts'
import type { SimulatedDestination } from '../secret-destination.ts'
import type { World } from '../world.ts'

export function statusDestination(
	{ agenda }: World,
	binding: VolumeBinding,
	status: BindingStatus,
	vaultUrl: string,
): SimulatedDestination {
	return {
		rules: statusRules,
		readBack(arrive) {
			const holding = holdingOfStatus(binding, status, vaultUrl)
			agenda.after(0, () => arrive(holding ? { kind: 'ours', holding } : { kind: 'none' }))
		},
		write(change, arrive) {
			agenda.after(0, () => arrive({ kind: 'written', holding: holdingAfter(binding, change) }))
		},
		removeFormer(_, arrive) {
			agenda.after(0, () => arrive({ kind: 'done' }))
		},
	}
}
