// All stories; and those at whose every question the operator is made to crash.
import { ofPlaces } from './places.ts'
import { crashing, KEEP, red, type Story, step } from './story.ts'
import { ofVaults } from './vaults.ts'

export const stories: readonly Story[] = [
	...ofPlaces,
	...ofVaults,
	crashing(
		'a first sync, two rotations within a second, and older versions',
		{ files: ['alpha', 'user', 'password', 'twin'], older: 2 },
		step({ do: 'rotate twice', ...red, object: 'pair', ms: 300 }, 2_000),
		step({ do: 'rotate', ...red, object: 'alpha' }, 5_000),
		step({ do: 'rotate', ...red, object: 'alpha' }, 70_000),
	),
	crashing(
		'what is gone is removed, and what is renamed moves',
		{ files: ['alpha', 'beta'], select: true, policy: { ...KEEP, absent: 'Remove', deselected: 'Remove' } },
		step({ do: 'delete', ...red, object: 'beta' }, 10_000),
		step({ do: 'untag', ...red, object: 'east' }, 30_000),
		step({ do: 'edit', to: { secretName: 'two' }, hasty: true }, 70_000),
	),
	crashing(
		'another vault, an edit by somebody and a policy that asks for the version before',
		{ files: ['alpha', 'beta', 'whole'], policy: { ...KEEP, disabled: 'Previous' } },
		step({ do: 'edit', to: { vault: 'blue' } }, 10_000),
		step({ do: 'rotate', vault: 'blue', object: 'beta' }, 10_000),
		step({ do: 'disable', vault: 'blue', object: 'beta' }, 5_000),
		step({ do: 'intrude', how: 'edit', key: 0 }, 5_000),
	),
]
