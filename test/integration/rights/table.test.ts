// The table of deploy/README.md, "What a thief of the token can do", is printed from these attacks: `npx vitest run -u` writes it anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { connectTarget, installProfile, type Profile } from './profile.ts'
import { openScene, type Scene } from './scene.ts'
import { judge, type Place, ROWS, type Row } from './table.ts'

const README = join(import.meta.dirname, '../../../deploy/README.md')
const [BEGIN, END] = ['<!-- thief: printed by test/integration/rights/table.test.ts -->\n', '<!-- /thief -->']
const COLUMNS = [
	'no grant here',
	'RoleBinding here',
	'Role with names: these',
	'Role with names: others',
	'everywhere',
	'namespaced: these names',
	'namespaced: other names',
	'namespaced: other namespaces',
] as const
const GROUPS: Record<Row['group'], string> = { read: 'Read', write: 'Write', become: 'Become' }

describe('a thief of the token', () => {
	const opened: { profiles: Profile[]; scenes: Scene[] } = { profiles: [], scenes: [] }
	const places = new Map<string, Place>()

	beforeAll(async () => {
		const target = await connectTarget()
		const profiles = await Promise.all(
			(['default', 'everywhere', 'namespaced'] as const).map((name) => installProfile(target, name)),
		)
		opened.profiles.push(...profiles)
		const [byDefault, everywhere, namespaced] = profiles
		const at = async (profile: Profile | undefined, name: string): Promise<Place> => {
			if (!profile) throw new Error('no profile')
			const scene = await openScene(target, `${profile.tag}-${name}`)
			opened.scenes.push(scene)
			const { thief, tag } = profile
			return { thief, tag, scene, account: 'boss', foreign: 'foreign', own: 'others-secrets' }
		}
		const named = (place: Place): Place => ({ ...place, account: 'payments', own: 'payments-secrets' })
		const [none, granted, role, all, names, unnamed] = await Promise.all([
			at(byDefault, 'none'),
			at(byDefault, 'granted'),
			at(byDefault, 'role'),
			at(everywhere, 'any'),
			at(namespaced, 'names'),
			at(namespaced, 'unwatched'),
		])
		await byDefault?.grant(granted.scene.namespace)
		await byDefault?.grantNamed(role.scene.namespace)
		await namespaced?.grantNamed(names.scene.namespace)
		// The one Secret that a Role with names reaches is ours; that it is foreign shows what the name gives.
		const reached = (place: Place): Place => ({ ...named(place), foreign: 'payments-secrets' })
		for (const [column, place] of [
			['no grant here', none],
			['RoleBinding here', granted],
			['Role with names: these', reached(role)],
			['Role with names: others', role],
			['everywhere', all],
			['namespaced: these names', reached(names)],
			['namespaced: other names', names],
			['namespaced: other namespaces', unnamed],
		] as const)
			places.set(column, place)
		// The authoriser learns of Roles by watches of its own.
		for (const place of [granted, role, names, all])
			await until('the grant', async () => {
				const path = `/api/v1/namespaces/${place.scene.namespace}/pods`
				return (await place.thief({ method: 'GET', path })).status === 200
			})
	})
	afterAll(async () => {
		await Promise.all(opened.scenes.map((scene) => scene.remove()))
		await Promise.all(opened.profiles.map((profile) => profile.remove()))
	})

	const verdicts = new Map<string, string>()
	it.each(COLUMNS.flatMap((column) => ROWS.map((row) => [column, row.group, row.what, row] as const)))(
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
		const cells = (row: Row) => COLUMNS.map((column) => verdicts.get(`${column}/${row.what}`) ?? '')
		const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |\n`
		const printed = [
			line(['', ...COLUMNS]),
			line(COLUMNS.map(() => '---').concat('---')),
			...ROWS.map((row) => line([`${GROUPS[row.group]} ${row.what}`, ...cells(row)])),
		].join('')
		const text = readFileSync(README, 'utf8')
		const [from, to] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)]
		expect(from).toBeGreaterThan(BEGIN.length)
		const isUpdate = process.argv.includes('-u') || process.env['ASB_PRINT'] === '1'
		if (isUpdate) writeFileSync(README, text.slice(0, from) + printed + text.slice(to))
		else expect(text.slice(from, to), task.name).toBe(printed)
	})
})
