// Situations that single steps, drawn one by one, hardly ever come to: a few steps in an order and at times that belong
// together. Each is what some operator that was broken on purpose needs to show what is wrong with it.
import fc from 'fast-check'
import type { Action } from './actions.ts'
import type { Step } from './history.ts'
import { type ObjectName, ORDERED, SELECTABLE } from './names.ts'
import { FIRST, objectsOf, type Shape } from './spec.ts'

const at = (action: Action, pause = 0, requests = 0): Step => ({ pause, requests, action })
const red = { vault: 'red' } as const
/** A poll with everything in it sends less than twenty requests; what is about the first read comes earlier. */
const requests = fc.integer({ min: 1, max: 12 })
const request: Action = { do: 'request' }
const settle: Action = { do: 'settle' }
/** Nobody asks for a poll: what comes by itself shows. */
const quietly: Action = { do: 'settle', quietly: true }

/** What somebody edited is seen when another secret is written, and its own rotates between the list and the read. */
const mend = (object: ObjectName) =>
	fc
		.record({ requests, how: fc.constantFrom('edit', 'delete'), key: fc.nat(20) })
		.map(({ requests, how, key }) => [
			at(settle),
			at({ do: 'intrude', how, key }, 3_000),
			at({ do: 'rotate', ...red, object }),
			at({ do: 'rotate', ...red, object: 'pair' }, 0, requests),
			at(quietly, 60_000),
		])

/** A write that is late gets there after a newer one of the process that came next. */
const overtaken = (object: ObjectName) =>
	fc
		.record({ late: fc.integer({ min: 1_000, max: 9_000 }), pause: fc.integer({ min: 100, max: 900 }) })
		.map(({ late, pause }) => [
			at(settle),
			at({ do: 'late', ms: late, times: 1 }, 3_000),
			at({ do: 'rotate', ...red, object }),
			at(request),
			at({ do: 'crash', inFlight: true, downMs: 0 }, pause),
			at({ do: 'rotate', ...red, object }, 1_000),
			at(request),
		])

/** A secret loses its tag, and then rotates, between the list that showed an earlier rotation and the read. */
const untagged = fc
	.record({ requests, object: fc.constantFrom(...SELECTABLE) })
	.map(({ requests, object }) => [
		at(settle),
		at({ do: 'rotate', ...red, object }, 3_000),
		at(request, 1_500),
		at({ do: 'untag', ...red, object }, 0, requests),
		at({ do: 'rotate', ...red, object }, 0, requests),
	])

/** Of two versions of one second the first is written, and the process ends before it can tell. */
const untold = fc
	.record({ object: fc.constantFrom('pair', 'twin'), ms: fc.integer({ min: 200, max: 800 }), pause: fc.nat(900) })
	.map(({ object, ms, pause }) => [
		at(settle),
		at({ do: 'lose', what: 'lostRequest', on: 'status', times: 3 }, 3_000 + pause),
		at({ do: 'rotate twice', ...red, object, ms }),
		at(request),
		at({ do: 'crash', inFlight: false, downMs: 60_000 }, 1_500),
		at(quietly, 60_100),
	])

/** The Secret gets another name while some of what it is to hold cannot be read. */
const renamed = fc
	.record({
		secretName: fc.constantFrom('one' as const, 'two' as const),
		times: fc.integer({ min: 1, max: 3 }),
		fault: fc.constantFrom('throttled' as const, 'server' as const),
	})
	.map(({ secretName, times, fault }) => [
		at(settle),
		at({ do: 'fault', on: 'read', fault: { kind: fault }, times }),
		at({ do: 'edit', to: { secretName } }),
		at(settle, 2_000),
	])

/** The version that stands in is disabled in its turn. */
const standsIn = (object: ObjectName) =>
	fc
		.constantFrom('disabled' as const)
		.map((flaw) => [
			at({ do: 'policy', to: { [flaw]: 'Previous' } }),
			at({ do: 'enable', ...red, object }),
			at({ do: 'rotate', ...red, object }, 1_500),
			at({ do: 'rotate', ...red, object }, 1_500),
			at({ do: 'disable', ...red, object }, 1_500),
			at(quietly),
			at({ do: 'disable the one before', ...red, object }, 3_000),
			at(quietly),
		])

/** A hold, a rotation meanwhile, and its end. */
const heldShortly = fc
	.constantFrom('alpha' as const, 'beta' as const, 'twin' as const)
	.map((file) => [
		at({ do: 'hold', file, back: 0, ms: 40_000 }),
		at({ do: 'rotate', ...red, object: file }, 3_000),
		at(quietly, 2_000),
	])

/** A name that the type of the Secret needs is to be removed. */
const required = fc
	.constantFrom('beta' as const, 'gamma' as const)
	.map((object) => [
		at({ do: 'policy', to: { absent: 'Remove' } }),
		at({ do: 'delete', ...red, object }),
		at(settle, 30_000),
	])

/** A value comes that the type of the Secret does not take, and stays for some polls. */
const refused = fc
	.nat(90_000)
	.map((ms) => [
		at({ do: 'rotate', ...red, object: 'login' }, 3_000),
		at({ do: 'rotate', ...red, object: 'alpha' }),
		at(quietly, 60_000 + ms),
	])

/** For longer than a secret must be absent the identity may not read, where what is absent goes. */
const denied = fc
	.constantFrom(30_000, 70_000)
	.map((ms) => [
		at({ do: 'policy', to: { absent: 'Remove' } }),
		at({ do: 'role', on: false }, 1_000),
		at(request, ms),
		at(request, 10_000),
		at({ do: 'role', on: true }, 10_000),
	])

/** Those that can come to something with this binding. */
export function motifsOf(shape: Partial<Shape>): fc.Arbitrary<Step[]> {
	const asked = { ...FIRST, ...shape }
	const ordered = objectsOf(asked).filter((name) => (ORDERED as readonly ObjectName[]).includes(name))
	const one = fc.constantFrom<ObjectName>(...(ordered.length > 0 ? ordered : (['alpha'] as const)))
	const isSplit = asked.files.includes('user') && asked.files.includes('password')
	return fc.oneof(
		...(asked.volume ? [] : [one.chain(overtaken), renamed]),
		...(asked.volume || !isSplit ? [] : [one.chain(mend), one.chain(mend)]),
		...(asked.tls ? [required] : []),
		...(asked.docker ? [refused] : []),
		...(asked.select ? [untagged] : []),
		untold,
		one.chain(standsIn),
		heldShortly,
		denied,
	)
}
