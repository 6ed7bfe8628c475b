import { describe, expect, it } from 'vitest'
import { chooseSituation, explainMissing, type Facts } from './situation.ts'

const nothing: Facts = {
	engine: false,
	officialImage: false,
	builtImage: false,
	linux: false,
	root: false,
	debian: false,
}
const debianRoot = { linux: true, root: true, debian: true }

describe('situation', () => {
	it.each<[string, Partial<Facts>, string]>([
		['an engine and a registry', { engine: true, officialImage: true }, 'official'],
		['an engine and a registry, as root on Debian', { engine: true, officialImage: true, ...debianRoot }, 'official'],
		['an engine without a registry, as root on Debian', { engine: true, ...debianRoot }, 'packages'],
		['an engine that has the built image already', { engine: true, builtImage: true, linux: true }, 'packages'],
		['no engine, as root on Debian', debianRoot, 'private'],
	])('%s', (_, facts, kind) => {
		expect(chooseSituation({ ...nothing, ...facts }).kind).toBe(kind)
	})

	it.each<[string, Partial<Facts>, RegExp]>([
		['nothing at all', {}, /Docker engine[\s\S]*Linux, Debian \(apt-get\), root/],
		['Debian without root', { linux: true, debian: true }, /engine of our own: root$/m],
		[
			'an engine without a registry, not on Debian',
			{ engine: true, linux: true, root: true },
			/image registry[\s\S]*package registries: Debian \(apt-get\)$/m,
		],
	])('%s: says what is missing', (_, facts, pattern) => {
		const situation = chooseSituation({ ...nothing, ...facts })
		expect(situation.kind).toBe('none')
		if (situation.kind === 'none') expect(explainMissing(situation.missing)).toMatch(pattern)
	})
})
