import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Progress } from '../progress.ts'
import { run, tryRun } from '../run.ts'

const POLICY = '/usr/sbin/policy-rc.d'
/** First line of a policy file of ours, so that one left by a killed run can be told from somebody else's. */
const OURS = '# azure-secret-binding: no service starts while its packages are installed\n'

/** Units that come with a package of ours and would start with the next boot. */
const UNITS: Record<string, readonly string[]> = {
	'docker.io': ['docker.service', 'docker.socket', 'containerd.service'],
	prometheus: ['prometheus.service'],
}

/** What an installation needs of its surroundings: somebody to tell, and a folder for its log. */
export interface AptContext {
	readonly progress: Progress
	readonly paths: { readonly logs: string }
}

/**
 * Installs the Debian packages that are missing, without starting any service they bring.
 *
 * 1. Which are missing? None: done.
 * 2. `policy-rc.d` that answers 101 keeps invoke-rc.d from starting daemons. An existing one is somebody's decision: it stays.
 * 3. Install; the package lists are updated first when they are absent or refuse.
 * 4. Remove our policy file, whatever happened, and disable units that came with the packages: a reboot must not start them.
 */
export async function aptInstall(context: AptContext, packages: readonly string[]): Promise<void> {
	removeOurPolicy()
	const missing: string[] = []
	for (const name of packages) {
		// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own syntax
		const status = await tryRun('dpkg-query', ['-W', '-f', '${db:Status-Status}', name])
		if (status !== 'installed') missing.push(name)
	}
	if (missing.length === 0) return
	await context.progress.step(`apt: ${missing.join(' ')}`, async () => {
		const log = join(context.paths.logs, 'apt.log')
		// apt must come to its end: an interrupted dpkg needs a repair by hand. So no abort signal, and a session without our
		// terminal's Ctrl-C.
		const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
		const install = () =>
			run('setsid', ['--wait', 'apt-get', 'install', '-y', '-q', '--no-install-recommends', ...missing], { env, log })
		const policy = !existsSync(POLICY)
		if (policy) writeFileSync(POLICY, `#!/bin/sh\n${OURS}exit 101\n`, { mode: 0o755 })
		try {
			await tryRun('apt-get', ['update', '-q'], { env, log })
			await install()
		} catch (error) {
			throw new Error(
				`the packages could not be installed. Install them by hand (apt-get install ${missing.join(' ')}).\n${String(error)}`,
			)
		} finally {
			if (policy) rmSync(POLICY, { force: true })
		}
		const units = missing.flatMap((name) => UNITS[name] ?? [])
		if (units.length > 0) await tryRun('systemctl', ['disable', ...units], { log })
	})
}

/** A run that was killed in the middle of an installation left this behind. */
function removeOurPolicy(): void {
	if (!existsSync(POLICY)) return
	if (readFileSync(POLICY, 'utf8').includes(OURS)) rmSync(POLICY, { force: true })
}
