import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { json, TENANT, useHostile, VAULT } from '../../../operator/src/vault/testing/hostile.ts'
import { LIMIT_MIB, type Limit, limitOf, MIB, startChild } from './memory-limit.ts'

const SECRETS = 4_000
const SESSIONS = 10

const hostile = useHostile()

/** Lists in a child under the limit. */
async function list(tags: string[], limit: Limit) {
	const { child, ended } = startChild('list-child.ts', limit)
	const { port, ca } = hostile
	const plan = { port, ca, vaultUrl: `https://${VAULT}`, authorityHost: 'https://login.test', tenantId: TENANT }
	child.stdin.write(`${JSON.stringify({ ...plan, sessions: SESSIONS, tags })}\n`)
	const said = await text(child.stdout)
	expect(await ended).toBe(0)
	return JSON.parse(said) as { found: (number | string)[]; rss: number }
}

const TAGS = Array.from({ length: 15 }, (_, i) => `tag-${i}`)

it.each([
	['a selector names one of the tags', ['team'], SECRETS],
	['selectors name all of them', TAGS, 'listTooLarge'],
] as const)(
	'ten sessions that list 4,000 secrets with 15 long tags stay within the memory of the pod: %s',
	async (_, tags, all) => {
		const labels = Object.fromEntries(TAGS.map((tag) => [tag, 'x'.repeat(512)]))
		hostile.vault = (request, response) => {
			const first = Number(new URL(request.url ?? '', `https://${VAULT}`).searchParams.get('first'))
			const value = Array.from({ length: 25 }, (__, i) => ({
				id: `https://${VAULT}/secrets/s${first + i}`,
				attributes: { enabled: true, updated: 1 },
				tags: { ...labels, team: 'a' },
			}))
			const next = first + 25 < SECRETS ? { nextLink: `https://${VAULT}/secrets?first=${first + 25}` } : {}
			json(response, { value, ...next })
		}
		const limit = limitOf()
		try {
			const { found, rss } = await list([...tags], limit)
			expect(found).toEqual(Array.from({ length: SESSIONS }, () => all))
			expect(rss).toBeLessThan(LIMIT_MIB * MIB)
		} finally {
			limit.remove()
		}
	},
	240_000,
)
