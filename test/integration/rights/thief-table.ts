// A table of deploy/README.md, "What a thief can do", is printed from its attacks: ASB_PRINT=1 writes it anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { GROUPS, judge, type Place, type Row } from './table.ts'

const README = join(import.meta.dirname, '../../../deploy/README.md')

interface ThiefTable {
	readonly columns: readonly string[]
	readonly rows: readonly Row[]
	/** by column; filled before the tests run */
	readonly places: ReadonlyMap<string, Place>
	/** comments of the page around the table */
	readonly begin: string
	readonly end: string
}

/** A test for each attack in each place, which leaves what is foreign as it was, and one that the page says what they found. */
export function testsOfThief({ columns, rows, places, begin, end }: ThiefTable): void {
	const verdicts = new Map<string, string>()
	it.each(columns.flatMap((column) => rows.map((row) => [column, row.group, row.what, row] as const)))(
		'%s, %s: %s',
		async (column, _group, what, row) => {
			const place = places.get(column)
			if (!place) throw new Error(column)
			const before = await place.scene.foreign()
			verdicts.set(`${column}/${what}`, await judge(row, place))
			expect(await place.scene.foreign()).toEqual(before)
		},
	)

	it('finds what deploy/README.md says', ({ task }) => {
		const cells = (row: Row) => columns.map((column) => verdicts.get(`${column}/${row.what}`) ?? '')
		const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |\n`
		const printed = [
			line(['', ...columns]),
			line(columns.map(() => '---').concat('---')),
			...rows.map((row) => line([`${GROUPS[row.group]} ${row.what}`, ...cells(row)])),
		].join('')
		const text = readFileSync(README, 'utf8')
		const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
		expect(from).toBeGreaterThan(begin.length)
		if (process.env['ASB_PRINT'] === '1') writeFileSync(README, text.slice(0, from) + printed + text.slice(to))
		else expect(text.slice(from, to), task.name).toBe(printed)
	})
}
