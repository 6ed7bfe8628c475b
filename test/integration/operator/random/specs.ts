// The bindings of the random run. They share an identity and the secrets of one vault.
import { KEEP, type Policy } from '../../../oracle/model.ts'
import { type Asked, type FileWish, type Watching, watchingOf } from '../../../oracle/wishes.ts'

/** A file that a binding may have. */
export interface Entry {
	name: string
	objectName: string
	/** member of the JSON value */
	property?: 'user' | 'password'
	/** with older versions, as many as the shape says */
	older?: true
	/** comes and goes during the run */
	extra?: true
	/** what a selector asks for; undefined: the spec names the secret */
	tag?: readonly [string, string]
}

export interface BindingSpec {
	name: string
	/** the first one is that of the start; edits of the spec change to another one */
	policies: readonly [Policy, ...Policy[]]
	entries: readonly Entry[]
	/** tag that selects what the entries do not name */
	select?: readonly [string, string]
	maxRemovals: number
}

/** What edits change of a spec. */
export interface Shape {
	policy: Policy
	/** the entries that come and go are there */
	extras: boolean
	/** number of older versions */
	previous: number
	/** the selector is there */
	select: boolean
	suspend: boolean
}

/** Secrets of the vault. The values of `pair` are JSON with two members. */
export const OBJECTS = ['alpha', 'beta', 'gamma', 'pair', 'twin'] as const
/** Of these, versions may be of one second. No rule that asks which version is older is about them: ties have tests of their own. */
export const UNORDERED: ReadonlySet<string> = new Set(['pair', 'twin'])
/** The tag that comes and goes. */
export const TAG = ['team', 'payments'] as const

const entry = (name: string, objectName: string, rest: Partial<Entry> = {}): Entry => ({ name, objectName, ...rest })
const [alpha, beta, gamma] = [entry('alpha', 'alpha'), entry('beta', 'beta'), entry('gamma', 'gamma')]
const pair = [
	entry('user', 'pair', { property: 'user' }),
	entry('password', 'pair', { property: 'password' }),
	entry('whole', 'pair'),
]
const twin = entry('twin', 'twin')
// More than there are files.
const ANY = 500

export const SPECS: readonly BindingSpec[] = [
	{
		name: 'keep',
		policies: [KEEP],
		entries: [alpha, beta, entry('extra', 'gamma', { extra: true }), ...pair, twin],
		maxRemovals: ANY,
	},
	{
		name: 'remove',
		policies: [{ ...KEEP, absent: 'Remove' }, KEEP],
		entries: [alpha, entry('second', 'beta'), gamma, ...pair, twin],
		maxRemovals: ANY,
	},
	{
		name: 'flawed',
		policies: [{ ...KEEP, disabled: 'Remove', expired: 'Remove', notYetValid: 'Remove' }, KEEP],
		entries: [alpha, beta, gamma, ...pair],
		maxRemovals: ANY,
	},
	{
		name: 'stand-in',
		policies: [
			{ ...KEEP, disabled: 'Previous', expired: 'Previous', notYetValid: 'Previous' },
			{ ...KEEP, disabled: 'Previous', expired: 'Remove' },
		],
		entries: [alpha, beta, gamma],
		maxRemovals: ANY,
	},
	{
		name: 'older',
		policies: [KEEP],
		entries: [entry('alpha', 'alpha', { older: true }), entry('beta', 'beta', { older: true })],
		maxRemovals: ANY,
	},
	{
		name: 'select-keep',
		policies: [KEEP, { ...KEEP, deselected: 'Remove' }],
		entries: [entry('named', 'alpha')],
		select: TAG,
		maxRemovals: ANY,
	},
	{
		name: 'select-remove',
		policies: [{ ...KEEP, absent: 'Remove', deselected: 'Remove' }],
		entries: [],
		select: TAG,
		maxRemovals: ANY,
	},
	{
		name: 'braked',
		policies: [{ ...KEEP, absent: 'Remove', deselected: 'Remove' }],
		entries: [alpha, beta, gamma],
		select: TAG,
		maxRemovals: 1,
	},
]

export const firstShape = ({ policies, select }: BindingSpec): Shape => ({
	policy: policies[0],
	extras: false,
	previous: 2,
	select: select !== undefined,
	suspend: false,
})

/** All files that a binding may ever have: those that it names and those that it may select. */
export function entriesOf({ entries, select }: BindingSpec): Entry[] {
	if (!select) return [...entries]
	const named = new Set(entries.map(({ objectName }) => objectName))
	const selected = OBJECTS.filter((name) => !named.has(name)).map((name) => entry(name, name, { tag: select }))
	return [...entries, ...selected]
}

/** Whether a spec of this shape asks for the file at all. */
export const isWanted = ({ extra, tag }: Entry, { extras, select }: Shape) => (extra ? extras : tag ? select : true)

/** Name of the vault in the model. */
export const VAULT = 'v-random'

/** What the oracle is told of a spec. */
export function askedOf(spec: BindingSpec, shape: Shape, generation: number, hold: Asked['hold']): Asked {
	const wish = ({ objectName, tag, older }: Entry): FileWish => ({
		vault: VAULT,
		objectName,
		tag,
		older: older ? shape.previous : 0,
		group: objectName,
	})
	return {
		generation,
		wishes: new Map(
			entriesOf(spec)
				.filter((each) => isWanted(each, shape))
				.map((each) => [each.name, wish(each)]),
		),
		policy: shape.policy,
		maxRemovals: spec.maxRemovals,
		suspend: shape.suspend,
		hold,
	}
}

/** A binding of the run, and what the oracle has seen of it. */
export interface RunBinding {
	spec: BindingSpec
	shape: Shape
	watching: Watching
}

export function runBindingOf(spec: BindingSpec): RunBinding {
	const shape = firstShape(spec)
	const entries = entriesOf(spec)
	const selected = new Set(entries.filter(({ tag }) => tag).map(({ name }) => name))
	const names = entries.map(({ name }) => name)
	return { spec, shape, watching: watchingOf(spec.name, askedOf(spec, shape, 1, undefined), names, selected) }
}

/** As the resource has it. */
export function specOf({ entries, select, maxRemovals }: BindingSpec, shape: Shape): Record<string, unknown> {
	const secrets = entries
		.filter((each) => isWanted(each, shape))
		.map(({ name, objectName, property, older }) => ({
			name,
			objectName,
			...(property ? { property: `/${property}` } : {}),
			...(older ? { previous: shape.previous } : {}),
		}))
	return {
		secrets,
		policy: { ...shape.policy, maxRemovals },
		...(select && shape.select ? { select: [{ tags: { [select[0]]: select[1] } }] } : {}),
		suspend: shape.suspend,
	}
}
