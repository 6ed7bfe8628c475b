// The commands of the README, "Five minutes on a laptop", as they stand there and in that order.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { blocksOf } from '../kit/pages.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

it('the commands of the README give a binding, its fault, and its mending', { timeout: 120_000 }, async () => {
	const commands = blocksOf('README.md', 'test/demo/readme.test.ts').map(({ text }) => text)
	expect(commands).toHaveLength(2)
	// The commands put everything into a new folder of TMPDIR; the emulator ends with the shell that started it.
	const folder = mkdtempSync(join(tmpdir(), 'asb-readme-'))
	try {
		const options = { cwd: ROOT, env: { ...process.env, TMPDIR: folder } }
		const { stdout } = await promisify(execFile)('bash', ['-c', `set -e\n${commands.join('\n')}`], options)
		expect(stdout).toContain('SecretAbsent')
		expect(stdout).toContain('Help: crds/troubleshooting.md#secretabsent')
		expect(stdout).toMatch(/payments\s+True\s+True\s+2\/2/)
		expect(stdout.trimEnd().endsWith('k-1')).toBe(true)
	} finally {
		rmSync(folder, { recursive: true, force: true })
	}
})
