// The operator's README names every flag and every metric, and the troubleshooting page every reason; none that is not there.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { REASONS } from '../../../operator/src/api/conditions.ts'
import { parseConfig } from '../../../operator/src/config.ts'
import { parseNodeConfig } from '../../../operator/src/node/config.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const README = readFileSync(join(ROOT, 'operator/README.md'), 'utf8')
const section = (heading: string) => README.split(`\n### ${heading}\n`)[1]?.split(/\n##+ /)[0] ?? ''
const sorted = (found: Iterable<RegExpMatchArray>) =>
	[...new Set(Array.from(found, ([, name = '']) => name))].toSorted()
const rows = (text: string) => text.split('\n').filter((line) => line.startsWith('| `'))
const firstCells = (text: string) => rows(text).map((row) => row.split('|')[1] ?? '')

describe('operator/README.md', () => {
	it.each([
		['the controller', parseConfig, (cells: string[]) => cells[3]?.trim() !== 'only'],
		['the node role', parseNodeConfig, (cells: string[]) => cells[3]?.trim() !== ''],
	])('names the flags of %s', (_, parse, isOf) => {
		const parsed = parse(['--help'], {})
		if (parsed.kind !== 'help') throw new Error('--help gave no help')
		const table = rows(section('Flags'))
			.filter((row) => isOf(row.split('|')))
			.map((row) => row.split('|')[1])
			.join('')
		expect(sorted(table.matchAll(/`(--[a-z-]+)`/g))).toEqual(sorted(parsed.text.matchAll(/^ +(--[a-z-]+)/gm)))
	})

	it('names the metrics', () => {
		const source = readdirSync(join(ROOT, 'operator/src'), { recursive: true, encoding: 'utf8' })
			.filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
			.map((path) => readFileSync(join(ROOT, 'operator/src', path), 'utf8'))
			.join('\n')
		const inSource = sorted(source.matchAll(/'(asb_[a-z_]+)'/g))
		expect(inSource.length).toBeGreaterThan(30)
		expect(
			sorted(
				firstCells(section('Metrics'))
					.join('')
					.matchAll(/`(asb_[a-z_]+)`/g),
			),
		).toEqual(inSource)
	})
})

describe('crds/troubleshooting.md', () => {
	const page = readFileSync(join(ROOT, 'crds/troubleshooting.md'), 'utf8')
	const sections = page
		.split(/^#### /m)
		.slice(1)
		.map((each) => each.split(/^#/m)[0] ?? '')
	const reasonOf = (text: string) => text.split('\n')[0] ?? ''

	it('has a section for every reason, and for nothing else', () => {
		expect(sections.map(reasonOf).toSorted()).toEqual(Object.keys(REASONS).toSorted())
	})

	it('says a way out of every reason but those that say that all is well', () => {
		expect(sections.filter((text) => !text.includes('**The way out**: ')).map(reasonOf)).toEqual([
			'Delivered',
			'Available',
			'Current',
		])
	})
})
