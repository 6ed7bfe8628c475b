import { createProgress } from '../cluster/progress.ts'
import { announceWorld, openWorld } from '../kit/world.ts'

/** One vault for each test file: hostAliases of the operator's pod need the names before it starts. */
export const VAULTS = [
	...[
		'rotation',
		'selectors',
		'denied',
		'subject',
		'absent',
		'outage',
		'killed',
		'deleted',
		'foreign',
		'drift',
		'quiet',
		'leak',
		'dead',
		'kubelet',
		'lab',
		'volume',
		// As README.md and the pages of crds/tasks call theirs.
		'payments',
		'payments-prod',
		'shop-prod',
	],
]

/** Installs the system once for all end-to-end test files. */
export async function setup(): Promise<() => Promise<void>> {
	const { world } = await openWorld({ progress: createProgress(), holder: 'end-to-end tests', vaults: VAULTS })
	announceWorld(world)
	return () => world.close()
}
