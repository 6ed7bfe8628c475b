// The workflows run on machines that we do not have. What can be read in them is checked here.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ROOT } from './release.ts'

interface Step {
	uses?: string
	run?: string
	with?: Record<string, unknown>
}
interface Workflow {
	permissions?: Record<string, string>
	jobs: Record<string, { permissions?: Record<string, string>; 'timeout-minutes'?: number; steps: Step[] }>
}

const FOLDER = join(ROOT, '.github/workflows')
const workflows = readdirSync(FOLDER).map((name) => {
	const text = readFileSync(join(FOLDER, name), 'utf8')
	return { name, text, workflow: parse(text) as Workflow }
})

describe.each(workflows)('$name', ({ text, workflow }) => {
	const jobs = Object.entries(workflow.jobs)
	it('pins each action by the digest of a commit, and says which version that is', () => {
		const lines = text.split('\n').filter((line) => /^\s*(- )?uses:/.test(line))
		expect(lines.length).toBeGreaterThan(0)
		expect(lines.filter((line) => !/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([])
	})
	it('gives each job the rights that it needs, and none by default beyond reading', () => {
		expect([{}, { contents: 'read' }]).toContainEqual(workflow.permissions)
		for (const [, { permissions, steps }] of jobs) {
			const publishes = steps.some(({ run = '' }) => /cosign|npm publish|gh release/.test(run))
			const writes = Object.entries(permissions ?? {}).filter(([, right]) => right === 'write')
			expect(writes.length > 0).toBe(publishes)
		}
	})
	it('leaves no credentials in a checkout, and no job without an end', () => {
		for (const [, { steps, 'timeout-minutes': timeout }] of jobs) {
			expect(timeout).toBeLessThanOrEqual(90)
			for (const step of steps.filter(({ uses = '' }) => uses.startsWith('actions/checkout@')))
				expect(step.with?.['persist-credentials']).toBe(false)
		}
	})
	it('puts no text of others into a script', () => {
		// A value of an event in `run` is code there; by the environment it is text.
		const scripts = jobs.flatMap(([, { steps }]) => steps.map(({ run = '' }) => run))
		expect(scripts.filter((run) => /\$\{\{\s*(github|secrets|needs|steps)\b/.test(run))).toEqual([])
	})
})

it('all test files of the cluster belong to one part of the CI', () => {
	const parts = workflows.find(({ name }) => name === 'ci.yml')?.text ?? ''
	const excluded = [...parts.matchAll(/--exclude=test\/e2e\/(\w+)\*/g)].map(([, name]) => name)
	const apart = [...parts.matchAll(/--only=e2e test\/e2e\/(\w+) /g)].map(([, name]) => name)
	expect(excluded.length).toBeGreaterThan(1)
	expect(apart).toEqual(excluded)
})
