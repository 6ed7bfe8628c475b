import { describe, expect, it } from 'vitest'
import {
	Course,
	type Item,
	KEEP,
	type Policy,
	previousOf,
	type Target,
	targetOf,
	type Version,
	type Wish,
} from './model.ts'

const NOW = 1_000
const one: Version = { id: 'v1', value: 'a', enabled: true }
const two: Version = { id: 'v2', value: 'b', enabled: true }
const item = (versions: Version[], rest: Partial<Item> = {}): Item => ({ versions, deleted: false, tags: {}, ...rest })
const off = { ...two, enabled: false }

describe('what the policies make of the vault', () => {
	const tag = ['team', 'x'] as const
	const rows: [string, Item | undefined, Partial<Policy>, Target, Wish?][] = [
		['the current version is delivered', item([one, two]), {}, { kind: 'version', id: 'v2' }],
		['what never was there is kept as it is', undefined, {}, { kind: 'keep', why: 'absent' }],
		['deleted is absent', item([one], { deleted: true }), { absent: 'Remove' }, { kind: 'remove', why: 'absent' }],
		['a disabled version keeps what is there', item([one, off]), {}, { kind: 'keep', why: 'disabled' }],
		['or is removed', item([one, off]), { disabled: 'Remove' }, { kind: 'remove', why: 'disabled' }],
		[
			'or an older one stands in',
			item([one, off]),
			{ disabled: 'Previous' },
			{ kind: 'version', id: 'v1', why: 'disabled' },
		],
		['unless there is none', item([off]), { disabled: 'Previous' }, { kind: 'keep', why: 'disabled' }],
		['expiry is only a word', item([one, { ...two, expires: NOW }]), {}, { kind: 'version', id: 'v2' }],
		[
			'that a policy may heed',
			item([{ ...two, expires: NOW }]),
			{ expired: 'Remove' },
			{ kind: 'remove', why: 'expired' },
		],
		['validity is as well', item([{ ...two, notBefore: NOW + 1 }]), {}, { kind: 'version', id: 'v2' }],
		[
			'a stand-in is in its time and enabled',
			item([
				one,
				{ ...two, id: 'v3', expires: NOW - 1 },
				{ ...off, id: 'v4' },
				{ ...two, id: 'v5', notBefore: NOW + 9 },
			]),
			{ notYetValid: 'Previous' },
			{ kind: 'version', id: 'v1', why: 'notYetValid' },
		],
		[
			'a selector wants what has its tag',
			item([one], { tags: { team: 'x' } }),
			{},
			{ kind: 'version', id: 'v1' },
			{ tag },
		],
		['and nothing else', item([one]), { deselected: 'Remove' }, { kind: 'remove', why: 'deselected' }, { tag }],
		[
			'a pin of a version that is not there takes nothing away',
			item([one]),
			{ absent: 'Remove' },
			{ kind: 'keep', why: 'versionAbsent' },
			{ pin: 'v9' },
		],
		['a pin wants that version', item([one, two]), {}, { kind: 'version', id: 'v1' }, { pin: 'v1' }],
		[
			'and nothing stands in for it',
			item([one, off]),
			{ disabled: 'Previous' },
			{ kind: 'keep', why: 'disabled' },
			{ pin: 'v2' },
		],
	]
	it.each(rows)('%s', (_, vault, policy, target, wanted) => {
		expect(targetOf(vault, { ...KEEP, ...policy }, NOW, wanted)).toEqual(target)
	})
})

it('the older versions of a version are those before it that are enabled, newest first', () => {
	const all = item([one, two, { ...off, id: 'v3' }, { ...two, id: 'v4', expires: 1 }, { ...two, id: 'v5' }])
	expect(previousOf(all, 'v5', 2)).toEqual(['v4', 'v2'])
	expect(previousOf(all, 'v2', 2)).toEqual(['v1'])
	expect(previousOf(all, 'v9', 2)).toEqual([])
})

describe('the course of a file', () => {
	const version = (id: string): Target => ({ kind: 'version', id })
	const along = (...targets: Target[]) => {
		const course = new Course()
		for (const [i, target] of targets.entries()) course.want(target, i * 100)
		return course
	}
	it('may skip versions and lag behind', () => {
		const course = along(version('1'), version('2'), version('3'))
		expect([course.see('2'), course.see('3')]).toEqual([true, true])
	})
	it('never goes back', () => {
		const course = along(version('1'), version('2'), version('3'))
		expect([course.see('2'), course.see('1')]).toEqual([true, false])
	})
	it('unless the older one was wanted again', () => {
		const course = along(version('1'), version('2'), version('1'))
		expect([course.see('2'), course.see('1'), course.see('2')]).toEqual([true, true, false])
	})
	it('is not left for what was never wanted', () => {
		expect(along(version('1')).see('9')).toBe(false)
		expect(along(version('1'), { kind: 'keep', why: 'absent' }).seeRemoved(1_000, 50)).toBe(false)
	})
	it('ends when that was asked for, and for absence only after its time', () => {
		const absent: Target = { kind: 'remove', why: 'absent' }
		expect(along(version('1'), { kind: 'remove', why: 'disabled' }).seeRemoved(101, 50)).toBe(true)
		expect(along(version('1'), absent).seeRemoved(149, 50)).toBe(false)
		expect(along(version('1'), absent).seeRemoved(150, 50)).toBe(true)
		expect(along(version('1'), absent, version('2')).seeRemoved(900, 101)).toBe(false)
		// Absent since 100, and to be removed for that since 200.
		expect(along(version('1'), { kind: 'keep', why: 'absent' }, absent).seeRemoved(210, 110)).toBe(true)
	})
})
