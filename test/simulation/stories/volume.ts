// Histories of Volume delivery that have found something, shrunk.
import type { Action } from '../actions.ts'
import type { History } from '../history.ts'
import type { Shape } from '../spec.ts'
import { KEEP, red, request, type Story, settle, step, story as storyOf } from './story.ts'

const AWAY_MS = 600_000
const away: Action = { do: 'crash', inFlight: false, downMs: AWAY_MS }
const story = (name: string, begin: Partial<Shape>, ...steps: History['steps']): Story => {
	const { history } = storyOf(name, { ...begin, volume: true }, ...steps)
	return { name, history: { ...history, nodes: 1 } }
}

export const volumeStories: readonly Story[] = [
	story('an entry that comes from a property is told of by lists', {}, step({ do: 'toggle', file: 'user' })),
	story(
		'what a hold pins is still pinned when the status is read back',
		{ files: ['beta', 'password', 'spare'], maxRemovals: 0 },
		step({ do: 'rotate', ...red, object: 'gamma' }, 152),
		step({ do: 'fault', on: 'list', fault: { kind: 'unreachable' }, times: 4 }),
		step({ do: 'hold', file: 'beta', back: 0 }),
		step(away, 17_647),
	),
	story(
		'what is told as pending is no removal that the controller has counted',
		{ files: ['beta'], policy: { ...KEEP, absent: 'Remove' }, maxRemovals: 0 },
		step({ do: 'delete', ...red, object: 'beta' }, 122),
		step({ do: 'hold', file: 'beta', back: 0 }),
		step(away, 1_000),
	),
	story(
		'an entry that is taken out beside a selector goes from the nodes that have not been told of it yet',
		{ files: ['gamma'], select: true },
		step({ do: 'toggle', file: 'gamma' }, 1_000),
	),
	story(
		'what a lost status told is told again, though the read back that shows the older one comes after the poll',
		{ files: ['password'], select: true },
		step({ do: 'enable', vault: 'blue', object: 'north' }, 1_000),
		step({ do: 'silence', ms: 67_555 }),
		step({ do: 'jump', ms: 7_200_000 }),
		step({ do: 'times', ...red, object: 'east', which: 'notBefore', inSeconds: 3_600 }),
		step({ do: 'release' }),
		step({ do: 'rotate', ...red, object: 'pair' }, 2_671),
	),
	story(
		'what is held of the vault of before is still told when the status is read back',
		{ select: true, maxRemovals: 1 },
		step({ do: 'listing', on: false }, 1_000),
		step({ do: 'edit', to: { vault: 'blue' } }),
		step({ do: 'fault', on: 'versions', fault: { kind: 'timeout' }, times: 2 }, 1_000),
		step({ do: 'hold', file: 'east', back: 0 }),
		step({ do: 'fault', on: 'vault', fault: { kind: 'firewall' }, times: 2 }, 161),
	),
	story(
		'what selectors of before brought is told until its removal was counted',
		{ select: true, maxRemovals: 0 },
		step({ do: 'recover', ...red, object: 'alpha' }, 1_000),
		step({ do: 'edit', to: { select: false } }),
		step({ do: 'fault', on: 'vault', fault: { kind: 'forbiddenPolicy' }, times: 4 }),
		step({ do: 'rotate', ...red, object: 'north' }, 1_000),
	),
	story(
		'files that were one secret in the spec that a node still follows count as one',
		{ files: ['beta', 'swap'], policy: { ...KEEP, disabled: 'Remove' }, maxRemovals: 1 },
		step({ do: 'silence node', node: 0, ms: 297_137 }, 79_341),
		step(away, 129_954),
		step({ do: 'edit', to: { swap: 'gamma' } }),
		step({ do: 'disable', ...red, object: 'beta' }),
		step(settle, 31_346),
	),
	story(
		'when a hold ends, nothing that was read before it comes back',
		{},
		step({ do: 'rotate', ...red, object: 'alpha' }, 1_000),
		step({ do: 'hold', file: 'alpha', back: 0 }),
	),
	story(
		'what a controller never knew goes by the policies all the same',
		{ select: true },
		step({ do: 'crash', inFlight: false, downMs: 60_000 }),
		step({ do: 'delete', ...red, object: 'north' }, 1_000),
	),
	story(
		'what is disabled and deselected at once, and told by nobody, stays as disabled',
		{ select: true },
		step({ do: 'untag', ...red, object: 'north' }, 117),
		step({ do: 'disable', ...red, object: 'north' }),
	),
	story(
		'what a policy took away does not come back while no older version can be listed',
		{
			policy: {
				absent: 'Remove',
				deselected: 'Keep',
				disabled: 'Previous',
				expired: 'Previous',
				notYetValid: 'Remove',
			},
		},
		step({ do: 'listing', on: false }),
		step({ do: 'rotate', ...red, object: 'alpha' }, 128, 5),
		step({ do: 'times', ...red, object: 'alpha', which: 'notBefore', inSeconds: 3_600 }, 28_895),
		step({ do: 'lose', what: 'lostRequest', on: 'write', times: 1 }, 30_000),
		step({ do: 'times', ...red, object: 'alpha', which: 'expires', inSeconds: 3 }),
		step({ do: 'rotate', ...red, object: 'pair' }, 30_000),
	),
	story(
		'when a hold ends, the older versions are looked for again',
		{ older: 2 },
		step({ do: 'rotate', ...red, object: 'alpha' }, 1_000),
		step({ do: 'hold', file: 'alpha', back: 0, ms: 3_600_000 }),
		step({ do: 'slow', on: 'list', ms: 1_652, times: 5 }, 1_000),
	),
	story(
		'what loses its tag and is disabled before a node reads it again stays on the node',
		{ select: true, policy: { ...KEEP, disabled: 'Remove' } },
		step({ do: 'rotate', ...red, object: 'east' }, 30_000),
		step(request),
		step({ do: 'untag', ...red, object: 'east' }, 1_800),
		step({ do: 'disable', ...red, object: 'east' }),
		step(request, 5_000),
	),
	story(
		'what a node has read before it was disabled is told as disabled, though the controller never knew it',
		{ files: ['twin', 'swap', 'spare'] },
		step({ do: 'silence', ms: 54_493 }, 28_179),
		step({ do: 'rotate', ...red, object: 'delta' }, 143),
		step({ do: 'disable', ...red, object: 'delta' }, 0, 7),
		step({ do: 'kill node', node: 1, inFlight: false, downMs: 0 }, 1_722),
		step({ do: 'rotate', ...red, object: 'beta' }, 1_000),
	),
	story(
		'a hold brings back nothing to a node that the spec does not select any more',
		{ select: true },
		step({ do: 'kill node', node: 0, inFlight: true, downMs: 0 }, 1_000),
		step({ do: 'edit', to: { select: false } }),
		step({ do: 'rotate', ...red, object: 'east' }),
		step({ do: 'hold', file: 'east', back: 1, ms: 40_000 }),
	),
	story(
		'an older version that is disabled before the controller has listed it goes from the node as well',
		{ older: 1 },
		step({ do: 'rotate', ...red, object: 'alpha' }, 1_000),
		step({ do: 'disable the one before', ...red, object: 'alpha' }, 3_000),
	),
	story(
		'a version that stands in on a node goes when it is disabled, though the controller never told of it',
		{ select: true },
		step({ do: 'times', ...red, object: 'north', which: 'expires', inSeconds: -3_600 }),
		step({ do: 'policy', to: { disabled: 'Previous' } }),
		step({ do: 'rotate', ...red, object: 'north' }, 1_000),
		step({ do: 'rotate', ...red, object: 'north' }, 1_000),
		step({ do: 'disable', ...red, object: 'north' }),
		step({ do: 'disable the one before', ...red, object: 'north' }, 3_000),
		step({ do: 'settle', quietly: true }),
	),
	story(
		'a pin of a secret and its current version count as two removals',
		{ files: ['alpha', 'pinned'], maxRemovals: 1 },
		step({ do: 'pin', back: 0 }),
		step({ do: 'listing', on: false }, 66_503),
		step({ do: 'policy', to: { absent: 'Remove' } }),
		step({ do: 'delete', ...red, object: 'alpha' }, 130_407),
		step({ do: 'lose', what: 'lostRequest', on: 'write', times: 2 }, 25_489),
	),
	story(
		'a version that a lost status told is told with its own times',
		{ files: ['twin', 'pinned', 'swap'] },
		step({ do: 'rotate', ...red, object: 'alpha' }, 1_000),
		step({ do: 'pin', back: 1 }, 1_000),
		step({ do: 'pin', back: 0 }, 1_000, 8),
		step({ do: 'crash', inFlight: false, downMs: 0 }),
		step({ do: 'edit', to: { suspend: true } }, 168),
	),
	story(
		'what is selected again is told as that, though the status that told it first was lost',
		{ select: true, maxRemovals: 0 },
		step({ do: 'edit', to: { select: false } }, 859),
		step({ do: 'edit', to: { select: true } }, 1_000),
	),
]
