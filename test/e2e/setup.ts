import { createProgress } from '../cluster/progress.ts'
import { removeNodeRole } from '../kit/node-role.ts'
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
		'helm',
		'upgrade',
		// As README.md and the pages of crds/tasks call theirs.
		'payments',
		'payments-prod',
		'shop-prod',
		'volume-content',
		'volume-denied',
		'volume-down',
		'volume-inline',
		'volume-attack',
		'volume-life',
		'volume-many',
		'volume-canary',
	],
]

/** Installs the system once for all end-to-end test files. */
export async function setup(): Promise<() => Promise<void>> {
	const { world } = await openWorld({ progress: createProgress(), holder: 'end-to-end tests', vaults: VAULTS })
	announceWorld(world)
	return async () => {
		// Files that need it install it once and leave it to the next.
		await removeNodeRole(world)
		await world.close()
	}
}
