// What there is in a simulated history.
export const VAULTS = ['red', 'blue'] as const
export type VaultName = (typeof VAULTS)[number]

/**
 * Secrets of each vault. Of those that are `ordered`, no two versions are of one second. `flaws`: they are disabled, expire
 * and get times; without order nobody could say which version stands in.
 */
export const OBJECTS = {
	alpha: { ordered: true },
	beta: { ordered: true },
	gamma: { ordered: true },
	/** JSON in every other version: what a Secret of a type that needs JSON takes, and what it does not */
	login: { ordered: true, json: 'every other' },
	/** JSON with two members */
	pair: { ordered: false, json: true },
	twin: { ordered: false },
	/** not there at the beginning */
	delta: { ordered: true },
	/** named by no entry: selectors bring them */
	east: { ordered: true },
	west: { ordered: true },
	north: { ordered: true },
} as const satisfies Record<string, ObjectTraits>
export type ObjectName = keyof typeof OBJECTS

interface ObjectTraits {
	ordered: boolean
	json?: true | 'every other'
}
export const traitsOf = (name: ObjectName): ObjectTraits => OBJECTS[name]

export const OBJECT_NAMES = Object.keys(OBJECTS) as ObjectName[]
export const ORDERED = OBJECT_NAMES.filter((name) => OBJECTS[name].ordered)
export const SELECTABLE = ['east', 'west', 'north'] as const satisfies ObjectName[]
/** The tag that comes and goes. */
export const TAG = ['team', 'payments'] as const

export const NAMESPACE = 'payments'
export const BINDING = 'payments'
