import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { json, TENANT, useHostile, VAULT } from '../../../operator/src/vault/testing/hostile.ts'

const MIB = 1024 * 1024
// What the Deployment may use (deploy/kustomize/base/deployment.yaml).
const LIMIT_MIB = 384
const SECRETS = 4_000
const SESSIONS = 10

interface Limit {
	/** what limits the memory */
	kind: 'cgroup' | 'heap'
	take(pid: number): void
	/** bytes that were used at most; undefined where nobody counts */
	peak(): number | undefined
	remove(): void
}

/** A memory cgroup of version 1 or 2, as root; elsewhere only V8's heap has a limit. */
function limitOf(): Limit {
	const name = `asb-${randomUUID()}`
	for (const [parent, limit, peak] of [
		['/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.max_usage_in_bytes'],
		['/sys/fs/cgroup', 'memory.max', 'memory.peak'],
	] as const) {
		const folder = join(parent, name)
		try {
			mkdirSync(folder)
		} catch {
			continue
		}
		try {
			writeFileSync(join(folder, limit), String(LIMIT_MIB * MIB))
			return {
				kind: 'cgroup',
				take: (pid) => writeFileSync(join(folder, 'cgroup.procs'), String(pid)),
				peak: () => Number(readFileSync(join(folder, peak), 'utf8')),
				remove: () => rmdirSync(folder),
			}
		} catch {
			rmdirSync(folder)
		}
	}
	return { kind: 'heap', take: () => {}, peak: () => undefined, remove: () => {} }
}

const hostile = useHostile()

/** Lists in a child under the limit. */
async function list(tags: string[], limit: Limit) {
	const flags = limit.kind === 'heap' ? [`--max-old-space-size=${LIMIT_MIB}`] : []
	// As the image starts it (Dockerfile).
	const like = ['--max-semi-space-size=8', '--heap-growing-percent=30', '--conditions=asb-source']
	const script = join(import.meta.dirname, 'list-child.ts')
	const child = spawn(process.execPath, [...flags, ...like, script], { stdio: ['pipe', 'pipe', 'inherit'] })
	const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
	limit.take(child.pid ?? 0)
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
