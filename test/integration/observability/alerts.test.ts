import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Binaries, prometheusBinaries } from './prometheus.ts'

const run = promisify(execFile)
const ALERTS = join(import.meta.dirname, '../../../deploy/grafana/alerts.yaml')
const RULES = join(import.meta.dirname, 'rules.yaml')

interface Alert {
	alert: string
	labels: Record<string, string>
	annotations: Record<string, string>
}
const alerts = (parse(readFileSync(ALERTS, 'utf8')) as { groups: { rules: Alert[] }[] }).groups.flatMap((g) => g.rules)

let binaries: Binaries
beforeAll(async () => {
	binaries = await prometheusBinaries()
})

test('each alert says what is, what it means and what to do, and a unit test fires it', () => {
	const tests = readFileSync(RULES, 'utf8')
	expect(alerts.length).toBeGreaterThan(10)
	for (const { alert, labels, annotations } of alerts) {
		expect(Object.keys(annotations).sort(), alert).toEqual(['description', 'runbook', 'summary'])
		for (const text of Object.values(annotations)) expect(text.length, alert).toBeGreaterThan(20)
		expect(annotations['runbook'], alert).not.toContain('\n')
		expect(['critical', 'warning', 'info'], alert).toContain(labels['severity'])
		expect(tests, `a test that fires ${alert}`).toContain(`"${alert}"`)
	}
})

test('promtool finds nothing wrong with the rules', async (context) => {
	if (binaries.kind === 'missing') return context.skip(`the rules were not checked: ${binaries.reason}`)
	const { stdout } = await run(binaries.promtool, ['check', 'rules', ALERTS])
	expect(stdout).toContain(`SUCCESS: ${alerts.length} rules found`)
})

test('the alerts fire when they should and at no other time', async (context) => {
	if (binaries.kind === 'missing') return context.skip(`the rules were not tried: ${binaries.reason}`)
	const { stdout } = await run(binaries.promtool, ['test', 'rules', RULES])
	expect(stdout).toContain('SUCCESS')
})
