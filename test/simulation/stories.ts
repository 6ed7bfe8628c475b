// Histories that have found something, shrunk; and those at whose every question the operator is made to crash.
import type { Action } from './actions.ts'
import type { History } from './history.ts'
import { FIRST, type Shape } from './spec.ts'

interface Story {
	name: string
	history: History
	/** it is told again with a crash at each question */
	crashes?: true
}

const KEEP = FIRST.policy
const step = (action: Action, pause = 0, requests = 0) => ({ pause, requests, action })
const story = (name: string, begin: Partial<Shape>, ...steps: History['steps']): Story => ({
	name,
	history: { seed: 0, begin, steps },
})
const crashing = (name: string, begin: Partial<Shape>, ...steps: History['steps']): Story => ({
	...story(name, begin, ...steps),
	crashes: true,
})
const settle: Action = { do: 'settle' }
const throttled: Action = { do: 'fault', on: 'vault', fault: { kind: 'throttled' }, times: 4 }
const red = { vault: 'red' } as const

export const stories: readonly Story[] = [
	story(
		'another vault in the spec, filled in the same second: its values are delivered',
		{},
		step(settle),
		step({ do: 'edit', to: { vault: 'blue' } }),
	),
	story(
		'another vault by the annotation of the ServiceAccount',
		{ byAccount: true },
		step(settle),
		step({ do: 'edit', to: { vault: 'blue' } }),
	),
	story(
		'nothing is called delivered while a Secret of type tls waits for a key that could not be read',
		{ tls: true },
		step(throttled),
	),
	story(
		'a required key that a policy would remove stays, and its neighbour rotates',
		{ tls: true, policy: { ...KEEP, absent: 'Remove' } },
		step(settle),
		step({ do: 'delete', ...red, object: 'gamma' }),
		step({ do: 'rotate', ...red, object: 'alpha' }, 30_000),
		step({ do: 'rotate', ...red, object: 'beta' }, 30_000),
	),
	story(
		'the value of another secret, back in the vault that it is of, is not what is asked for',
		{},
		step({ do: 'toggle', file: 'swap' }),
		step({ do: 'edit', to: { vault: 'blue' } }, 1_000),
		step({ do: 'role', on: false }),
		step({ do: 'edit', to: { swap: 'gamma' } }),
		step({ do: 'edit', to: { vault: 'red' } }, 317),
		step({ do: 'fault', on: 'vault', fault: { kind: 'connection' }, times: 3 }),
		step({ do: 'policy', to: { absent: 'Keep' } }, 1_000),
	),
	story(
		'a renamed Secret is remembered until the new one holds everything',
		{ select: true },
		step({ do: 'fault', on: 'read', fault: { kind: 'throttled' }, times: 3 }, 163),
		step({ do: 'edit', to: { secretName: 'two' }, hasty: true }, 45),
		step(settle, 194),
	),
	story(
		'an object that is absent does not count as delivered by the bytes of the one before',
		{ files: ['swap', 'spare'] },
		step({ do: 'delete', ...red, object: 'gamma' }),
		step({ do: 'edit', to: { swap: 'gamma' } }),
	),
	story(
		'nor one that a policy removes',
		{ files: ['swap'], policy: { ...KEEP, disabled: 'Remove' } },
		step({ do: 'disable', ...red, object: 'gamma' }),
		step({ do: 'edit', to: { swap: 'gamma' } }),
	),
	story(
		'a status that could not be written does not make the next one say that what was removed is there',
		{ files: ['user', 'spare'] },
		step({ do: 'delete', ...red, object: 'pair' }, 405, 4),
		step({ do: 'policy', to: { absent: 'Remove' } }, 73_151),
		step({ do: 'rotate', ...red, object: 'gamma' }, 200),
		step({ do: 'policy', to: { disabled: 'Remove' } }),
		step({ do: 'fault', on: 'vault', fault: { kind: 'identityNotFound', code: '700016' }, times: 1 }),
	),
	story(
		'a Secret that was renamed there and back does not keep what it held before',
		{ files: ['alpha', 'swap', 'spare'] },
		step({ do: 'edit', to: { secretName: 'two' }, hasty: true }),
		step({ do: 'rotate', ...red, object: 'beta' }, 1_000),
		step({ do: 'toggle', file: 'gamma' }, 2_176),
		step({ do: 'edit', to: { secretName: 'one' }, hasty: true }),
	),
	story(
		'a write whose answer is lost counts its revision',
		{ files: ['password', 'spare'] },
		step({ do: 'lose', what: 'lostAnswer', on: 'write', times: 2 }, 1_000),
		step({ do: 'toggle', file: 'beta' }),
		step({ do: 'intrude', how: 'deleteSecret' }, 1_000),
		step({ do: 'fault', on: 'vault', fault: { kind: 'throttled' }, times: 8 }),
		step({ do: 'lose', what: 'lostRequest', on: 'status', times: 1 }, 30_000),
	),
	story(
		'what was held when the answer of the write was lost is delivered again as the vault has it',
		{ files: ['alpha', 'beta', 'gamma', 'spare'] },
		step({ do: 'slow', on: 'list', ms: 6_072, times: 7 }, 4_831),
		step({ do: 'lose', what: 'lostAnswer', on: 'write', times: 2 }),
		step({ do: 'hold', file: 'beta', back: 0 }),
		step({ do: 'rotate twice', ...red, object: 'pair', ms: 807 }, 12_520),
	),
	story(
		'after a refused token nothing is called Ready that was taken away before',
		{ files: ['gamma', 'spare'] },
		step({ do: 'toggle', file: 'gamma' }, 1_000),
		step({ do: 'refuse', on: 'account', times: 3 }, 0, 4),
		step({ do: 'toggle', file: 'gamma' }, 0, 3),
		step({ do: 'request' }, 1_000),
	),
	story(
		'what a selector brought from another vault goes when the vault is changed back, whatever a stranger wrote into it',
		{ files: ['spare'], select: true, byAccount: true },
		step({ do: 'disable', ...red, object: 'east' }),
		step({ do: 'toggle', file: 'pinned' }, 4_230),
		step({ do: 'intrude', how: 'edit', key: 20 }, 4_990),
		step({ do: 'edit', to: { vault: 'blue' } }),
		step({ do: 'request' }, 4_374),
		step({ do: 'untag', ...red, object: 'north' }),
		step({ do: 'rotate twice', ...red, object: 'twin', ms: 320 }, 4_994),
		step({ do: 'edit', to: { vault: 'red' } }),
		step({ do: 'lose', what: 'lostAnswer', on: 'api', times: 1 }, 22_071),
		step({ do: 'intrude', how: 'copy', key: 6 }),
		step(settle, 30_827),
	),
	story(
		'older versions stay in the manifest while the file beside them is gone and cannot be read',
		{ older: 1 },
		step({ do: 'rotate', ...red, object: 'west' }, 1_000),
		step({ do: 'rotate', ...red, object: 'alpha' }),
		step({ do: 'role', on: false }, 66_196),
		step({ do: 'rotate twice', ...red, object: 'twin', ms: 899 }),
		step({ do: 'intrude', how: 'delete', key: 18 }),
		step({ do: 'hold', file: 'twin', back: 2 }, 1_000),
		step({ do: 'intrude', how: 'edit', key: 8 }, 1_000),
	),
	story(
		'a new generation is not Ready while it cannot be read which vault the ServiceAccount names',
		{ byAccount: true },
		step({ do: 'edit', to: { vault: 'blue' } }, 168),
		step({ do: 'refuse', on: 'account', times: 1 }),
		step({ do: 'policy', to: { deselected: 'Remove' } }),
		step({ do: 'enable', vault: 'blue', object: 'gamma' }, 1_000),
	),
	story(
		'nor when a restart does not find out of which vault the bytes are',
		{},
		step({ do: 'edit', to: { byAccount: true } }, 1_000),
		step({ do: 'refuse', on: 'account', times: 2 }),
		step({ do: 'edit', to: { vault: 'blue' } }),
		step({ do: 'policy', to: { expired: 'Remove' } }),
		step({ do: 'crash', inFlight: false, downMs: 1_000 }, 1_000),
	),
	story(
		'an entry that is taken out goes at once though it is absent, and the selectors go with it: no brake counts it',
		{ files: ['gamma', 'twin'], select: true },
		step({ do: 'edit', to: { maxRemovals: 0 } }),
		step({ do: 'delete', ...red, object: 'gamma' }, 1_000),
		step({ do: 'crash', inFlight: false, downMs: 60_000 }, 30_000),
		step({ do: 'edit', to: { select: false } }),
		step({ do: 'toggle', file: 'gamma' }),
	),
	story(
		'a Secret of a type that needs keys is renamed before the first poll after a restart has read anything',
		{ select: true, tls: true },
		step(settle),
		step({ do: 'fault', on: 'vault', fault: { kind: 'federationRefused', code: '700024' }, times: 7 }),
		step({ do: 'crash', inFlight: true, downMs: 0 }),
		step({ do: 'edit', to: { secretName: 'two' } }, 1_000),
	),
	story(
		'a hold brings back nothing that the spec does not select any more',
		{ select: true },
		step({ do: 'rotate', ...red, object: 'east' }, 1_000),
		step({ do: 'edit', to: { select: false } }, 30_000),
		step({ do: 'hold', file: 'east', back: 1 }),
	),
	story(
		'a clock that was set back takes no revision twice',
		{},
		step({ do: 'intrude', how: 'deleteSecret' }, 1_000),
		step({ do: 'crash', inFlight: true, downMs: 0 }),
		step({ do: 'jump', ms: -7_200_000 }, 197),
		step({ do: 'intrude', how: 'deleteSecret' }),
		step({ do: 'crash', inFlight: false, downMs: 0 }),
	),
	story(
		'nor does one that was set back before',
		{ files: ['pinned'] },
		step({ do: 'jump', ms: -7_200_000 }, 445),
		step({ do: 'intrude', how: 'deleteSecret' }),
		step({ do: 'crash', inFlight: false, downMs: 0 }),
		step({ do: 'rotate', ...red, object: 'north' }, 1_000),
		step({ do: 'intrude', how: 'breakManifest' }),
		step({ do: 'crash', inFlight: false, downMs: 60_000 }),
		step({ do: 'rotate', ...red, object: 'alpha' }),
	),
	story(
		'beside a gap that is absent, older versions stay and the status tells of none',
		{ older: 1 },
		step({ do: 'rotate', ...red, object: 'alpha' }, 1_000),
		step({ do: 'edit', to: { maxRemovals: 500 } }, 75_143),
		step({ do: 'delete', ...red, object: 'alpha' }),
		step({ do: 'intrude', how: 'delete', key: 8 }),
	),
	story(
		'a selected secret that was held and lost its tag is kept after a restart',
		{ files: [], select: true },
		step({ do: 'hold', file: 'east', back: 0 }, 1_000),
		step({ do: 'untag', ...red, object: 'east' }),
		step(settle),
		step({ do: 'crash', inFlight: false, downMs: 0 }),
		step({ do: 'toggle', file: 'beta' }),
	),
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
