// Run as a process of its own by limits.test.ts: what 10,000 secrets with three versions each cost.
import { startEmulator } from '../src/index.ts'

const SECRETS = 10_000
const VERSIONS = 3

const emulator = await startEmulator({ vaults: ['payments'] })
for (let version = 0; version < VERSIONS; version += 1) {
	const secrets = Array.from({ length: SECRETS }, (_, i) => ({
		name: `secret-${String(i).padStart(5, '0')}`,
		// About what a connection string has.
		value: `${version}-${i}-`.padEnd(200, 'v'),
		contentType: 'text/plain',
		tags: { team: 'payments', number: String(i) },
	}))
	await emulator.control.setSecrets({ vault: 'payments', secrets })
}
const [vault] = await emulator.control.listVaults()
process.stdout.write(`${JSON.stringify({ secrets: vault?.secrets, rss: process.memoryUsage.rss() })}\n`)
await emulator.close()
