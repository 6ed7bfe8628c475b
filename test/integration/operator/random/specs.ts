// The bindings of the random run. They share an identity and the secrets of one vault.
import { KEEP, type Policy } from './model.ts'

export interface Entry {
	name: string
	objectName: string
	/** member of the JSON value */
	property?: 'user' | 'password'
	/** wanted from the start; the others come and go during the run */
	always: boolean
}

export interface BindingSpec {
	name: string
	policy: Policy
	entries: readonly Entry[]
}

/** Secrets of the vault. The values of `pair` are JSON with two members. */
export const OBJECTS = ['alpha', 'beta', 'gamma', 'pair'] as const

const entry = (name: string, objectName: string, rest: Partial<Entry> = {}): Entry => ({
	name,
	objectName,
	always: true,
	...rest,
})
const pair = [
	entry('user', 'pair', { property: 'user' }),
	entry('password', 'pair', { property: 'password' }),
	entry('whole', 'pair'),
]

/** Of the policies only `absent` counts as yet. */
export const SPECS: readonly BindingSpec[] = [
	{
		name: 'keep',
		policy: KEEP,
		entries: [entry('alpha', 'alpha'), entry('beta', 'beta'), entry('extra', 'gamma', { always: false }), ...pair],
	},
	{
		name: 'remove',
		policy: { ...KEEP, absent: 'Remove' },
		entries: [entry('alpha', 'alpha'), entry('second', 'beta'), entry('gamma', 'gamma'), ...pair],
	},
	{ name: 'single', policy: KEEP, entries: [entry('only', 'gamma'), entry('extra', 'alpha', { always: false })] },
]
