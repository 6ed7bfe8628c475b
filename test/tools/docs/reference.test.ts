// The operator's README names every flag and every metric, and the troubleshooting page every reason; none that is not there.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { REASONS } from '../../../operator/src/api/conditions.ts'
import { OWNER_LABEL } from '../../../operator/src/api/constants.ts'
import { parseConfig } from '../../../operator/src/config.ts'
import { parseNodeConfig } from '../../../operator/src/node/node-config.ts'
import { adoptLine } from '../../../operator/src/status/commands.ts'

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

describe('the line that hands a Secret over', () => {
	// Without `--overwrite` it fails for the Secret of a renamed binding, without `-n` it labels another one.
	it('stands in each page as the operator prints it', () => {
		const pages = readdirSync(join(ROOT, 'crds'), { recursive: true, encoding: 'utf8' })
			.filter((path) => path.endsWith('.md'))
			.map((path) => readFileSync(join(ROOT, 'crds', path), 'utf8'))
			.join('\n')
		const lines = Array.from(pages.matchAll(/kubectl[^`\n]* label [^`\n]*/g), ([line]) => line.replaceAll(/[<>]/g, ''))
		const printed = lines.map((line) => {
			const [, namespace = 'payments'] = / -n (\S+)/.exec(line) ?? []
			const [, name = '', binding = ''] = / secret (\S+) \S+=(\S+)$/.exec(line) ?? []
			return adoptLine(namespace, name, OWNER_LABEL, binding)
		})
		expect(lines.length).toBeGreaterThan(2)
		expect(lines).toEqual(printed)
	})
})

describe('pages by task', () => {
	const folder = join(ROOT, 'crds/tasks')
	const pages = readdirSync(folder).filter((path) => path.endsWith('.md') && path !== 'README.md')
	const index = readFileSync(join(folder, 'README.md'), 'utf8')

	it.each(pages)('%s says the goal, the commands, what you see and what goes wrong, and the index has it', (path) => {
		const page = readFileSync(join(folder, path), 'utf8')
		expect(page).toMatch(/^\*\*Goal\*\*: /m)
		const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
		expect(headings).toEqual(expect.arrayContaining(['Commands', 'What you see', 'What goes wrong']))
		expect(index).toContain(`](${path})`)
	})
})
