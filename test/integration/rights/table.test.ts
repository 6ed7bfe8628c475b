// The table of deploy/README.md, "What a thief of the token can do", is printed from these attacks: ASB_PRINT=1 writes it anew.
import { afterAll, beforeAll, describe } from 'vitest'
import { until } from '../../kit/until.ts'
import { ACCOUNT, connectTarget, installProfile, type Profile } from './profile.ts'
import { openScene, type Scene } from './scene.ts'
import { type Place, ROWS } from './table.ts'
import { testsOfThief } from './thief-table.ts'

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
	'its own namespace',
] as const

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
		const at = async (profile: Profile | undefined, name: string, named?: 'foreign'): Promise<Place> => {
			if (!profile) throw new Error('no profile')
			const namespace = name === 'home' ? profile.home : `${profile.tag}-${name}`
			const scene = await openScene(target, namespace, named && { named })
			opened.scenes.push(scene)
			const { thief, tag } = profile
			return { thief, tag, scene, account: 'boss', foreign: 'foreign', own: 'others-secrets' }
		}
		/** Of a Role with names: what it names. */
		const named = (place: Place, whereForeign: Place): Place => {
			const names = { account: 'payments', own: 'payments-secrets' }
			return { ...place, ...names, whereForeign: { ...whereForeign, ...names, foreign: 'payments-secrets' } }
		}
		const [none, granted, role, roleForeign, all, names, namesForeign, unwatched, home] = await Promise.all([
			at(byDefault, 'none'),
			at(byDefault, 'granted'),
			at(byDefault, 'role'),
			at(byDefault, 'role2', 'foreign'),
			at(everywhere, 'any'),
			at(namespaced, 'names'),
			at(namespaced, 'names2', 'foreign'),
			at(namespaced, 'unwatched'),
			at(byDefault, 'home'),
		])
		await byDefault?.grant(granted.scene.namespace)
		for (const place of [role, roleForeign]) await byDefault?.grantNamed(place.scene.namespace)
		for (const place of [names, namesForeign]) await namespaced?.grantNamed(place.scene.namespace)
		for (const [column, place] of [
			['no grant here', none],
			['RoleBinding here', granted],
			['Role with names: these', named(role, roleForeign)],
			['Role with names: others', role],
			['everywhere', all],
			['namespaced: these names', named(names, namesForeign)],
			['namespaced: other names', names],
			['namespaced: other namespaces', unwatched],
			['its own namespace', { ...home, account: ACCOUNT }],
		] as const)
			places.set(column, place)
		// The authoriser learns of Roles by watches of its own.
		for (const place of [granted, role, roleForeign, names, namesForeign, all])
			await until('the grant', async () => {
				const path = `/api/v1/namespaces/${place.scene.namespace}/pods`
				return (await place.thief({ method: 'GET', path })).status === 200
			})
	})
	afterAll(async () => {
		await Promise.all(opened.scenes.map((scene) => scene.remove()))
		await Promise.all(opened.profiles.map((profile) => profile.remove()))
	})

	testsOfThief({ columns: COLUMNS, rows: ROWS, places, begin: BEGIN, end: END })
})
