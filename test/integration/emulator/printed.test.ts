// The `az` lines that conditions print, read by the real Azure CLI. What they do is done to the emulator elsewhere
// (operator/fault-permission.test.ts): Azure's resource manager, which these commands ask, is not there.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accessPolicyLine, federatedCredentialLine, roleAssignmentLine } from '../../../operator/src/status/commands.ts'
import { contextOf } from '../../cluster/index.ts'
import { createProgress } from '../../cluster/progress.ts'
import { Missing, prepare } from './clients/toolchains.ts'

const clientId = '11111111-2222-4333-8444-555555555555'
const LINES = {
	'az identity federated-credential create': federatedCredentialLine({
		issuer: 'https://westeurope.oic.prod-aks.azure.com/tenant/cluster/',
		audience: 'api://AzureADTokenExchange',
		namespace: 'team-a',
		serviceAccount: 'app.v2',
		clientId,
	}),
	'az role assignment create': roleAssignmentLine(clientId, 'payments-prod'),
	'az keyvault set-policy': accessPolicyLine(clientId, 'payments-prod'),
}
// What its parser refuses ends with 2, and what was not logged in, after it was parsed, with 1.
const [NOT_LOGGED_IN, NOT_PARSED] = [1, 2]

describe('az lines of conditions, by the parser of the real Azure CLI', () => {
	let folder: string
	let missing: string | undefined

	beforeAll(async () => {
		folder = mkdtempSync(join(tmpdir(), 'printed-'))
		try {
			const trust = { caFile: '', folder, proxy: new URL('http://127.0.0.1:1') }
			const { command, args, env = {} } = await prepare('az', contextOf(createProgress()), trust)
			const variables = Object.entries(env).map(([name, value]) => `${name}='${value}'`)
			// Inner commands of a line answer something once they were parsed, so that the outer one is parsed too.
			const script = `#!/bin/sh
env ${[...variables, command, ...args].join(' ')} "$@" 2> "$ASB_FOLDER/said.$$"
code=$?
printf '%s %s\\n' "$code" "$*" >> "$ASB_FOLDER/codes"
case "$*" in *--query*) echo answer; exit 0;; esac
cat "$ASB_FOLDER/said.$$" >&2
exit $code
`
			writeFileSync(join(folder, 'az'), script, { mode: 0o700 })
		} catch (error) {
			if (!(error instanceof Missing)) throw error
			missing = error.message
		}
	}, 600_000)
	afterAll(() => rmSync(folder, { recursive: true, force: true }))

	/** Runs a line as it stands; @returns what it and its inner commands ended with, and what it said. */
	const read = async (line: string): Promise<{ codes: number[]; said: string }> => {
		const at = mkdtempSync(join(folder, 'line-'))
		const env = {
			HOME: at,
			PATH: `${folder}:${process.env['PATH']}`,
			AZURE_CONFIG_DIR: join(at, 'login'),
			AZURE_CORE_COLLECT_TELEMETRY: '0',
			// Nothing is asked of anybody: who is not logged in is told so before.
			HTTPS_PROXY: 'http://127.0.0.1:1',
			ASB_FOLDER: at,
		}
		const said = await new Promise<string>((resolve) =>
			execFile('bash', ['-c', `${line}; cat "$ASB_FOLDER/codes"`], { env }, (_, stdout, stderr) =>
				resolve(stdout + stderr),
			),
		)
		return { codes: [...said.matchAll(/^(\d+) /gm)].map(([, code]) => Number(code)), said }
	}

	// A Python that reads all of the Azure CLI, for each command.
	it.for(Object.entries(LINES))('%s', { timeout: 300_000 }, async ([command, line = ''], context) => {
		if (missing !== undefined) return context.skip(missing)
		expect(line).toContain(command)
		const { codes, said } = await read(line)
		expect(said).toContain('az login')
		expect(codes).toHaveLength(line.split('az ').length - 1)
		expect(new Set(codes)).toEqual(new Set([NOT_LOGGED_IN]))
	})

	it('which says no to an option that there is not', { timeout: 300_000 }, async (context) => {
		if (missing !== undefined) return context.skip(missing)
		expect((await read('az keyvault set-policy --name v --spm x')).codes).toEqual([NOT_PARSED])
	})
})
