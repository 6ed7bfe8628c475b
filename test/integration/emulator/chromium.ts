// Debian's Chromium, driven by playwright-core: what a user's browser does, without a download of its own.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BrowserContext, chromium } from 'playwright-core'

const run = promisify(execFile)
const EXECUTABLE = '/usr/bin/chromium'
/** Milliseconds: 300 MB of packages on a slow line. */
const INSTALL_TIMEOUT_MS = 10 * 60_000

/** Undefined when there is a Chromium, installed now if need be; else why there is none. */
export async function whyNoChromium(): Promise<string | undefined> {
	if (existsSync(EXECUTABLE)) return undefined
	if (!existsSync('/etc/debian_version')) return `no ${EXECUTABLE}, and this is not Debian`
	if (process.getuid?.() !== 0) return `no ${EXECUTABLE}: run \`apt-get install chromium\` (this user is not root)`
	const apt = (...args: string[]) =>
		run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
			env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
			timeout: INSTALL_TIMEOUT_MS,
			// apt says a line for each package.
			maxBuffer: 64 * 1024 * 1024,
		})
	try {
		await apt('update')
		await apt('install', '-y', '--no-install-recommends', 'chromium')
		return undefined
	} catch (error) {
		return `chromium could not be installed: ${(error as Error).message.slice(0, 300)}`
	}
}

export interface Browser {
	readonly context: BrowserContext
	close(): Promise<void>
}

/** A browser with a profile of its own that asks nobody but the pages it is told to open. */
export async function openBrowser(
	options: {
		colorScheme?: 'light' | 'dark'
		width?: number
		height?: number
		/** Host names that lead to loopback, as an attacker's DNS would have it. */
		loopbackNames?: readonly string[]
	} = {},
): Promise<Browser> {
	const { colorScheme = 'light', width = 1360, height = 860, loopbackNames = [] } = options
	const profile = await mkdtemp(join(tmpdir(), 'emulator-chromium-'))
	const context = await chromium.launchPersistentContext(profile, {
		executablePath: EXECUTABLE,
		headless: true,
		colorScheme,
		viewport: { width, height },
		timezoneId: 'UTC',
		locale: 'en-GB',
		args: [
			...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
			...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
			...(loopbackNames.length === 0
				? []
				: [`--host-resolver-rules=${loopbackNames.map((name) => `MAP ${name} 127.0.0.1`).join(',')}`]),
		],
	})
	return {
		context,
		close: async () => {
			await context.close()
			await rm(profile, { recursive: true, force: true })
		},
	}
}
