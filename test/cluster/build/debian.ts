import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { artifact, keyOf } from '../artifact.ts'
import type { Context } from '../context.ts'
import { buildImage, type Docker, hasKey } from '../docker.ts'
import { run } from '../run.ts'
import { VERSIONS } from '../versions.ts'

export const DEBIAN_IMAGE = 'localhost/debian:12'
/** Debian with what kube-proxy and kindnetd call. */
export const NETWORK_IMAGE = 'localhost/debian-network:12'

/** The machine's own apt sources for our suite: the only ones known to be reachable. Throws when it has none. */
export function findMirrors(indexTargets: string, suite: string): { main: string; security: string } {
	const uri = (release: string) => {
		const found = indexTargets
			.split('\n')
			.map((line) => line.trim().split(' '))
			.find(([, each]) => each === release)?.[0]
		if (found) return found
		throw new Error(`no apt source of this machine has Debian's ${release}: add one, run apt-get update, and try again`)
	}
	return { main: uri(suite), security: uri(`${suite}-security`) }
}

/** The mirrors that apt of this machine has for Debian. */
export async function mirrorsOf(suite: string): Promise<{ main: string; security: string }> {
	const only = 'Created-By: Packages'
	return findMirrors(await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE)', only]), suite)
}

/** A minimal Debian as one tar file. */
async function rootFileSystem(context: Context): Promise<string> {
	const suite = VERSIONS.DEBIAN_SUITE
	const folder = await artifact(context, {
		name: 'debian',
		title: `debootstrap ${suite}`,
		inputs: { suite, include: 'ca-certificates' },
		build: async (out, { log }) => {
			const { main, security } = await mirrorsOf(suite)
			const root = join(context.paths.temporary, 'debian')
			rmSync(root, { recursive: true, force: true })
			mkdirSync(root, { recursive: true })
			// No abort signal and no Ctrl-C: debootstrap mounts /proc in its folder and takes it away only at its own end.
			await run(
				'setsid',
				['--wait', 'debootstrap', '--variant=minbase', '--include=ca-certificates', suite, root, main],
				{
					log,
					nice: true,
				},
			)
			const sources = [
				`deb ${main} ${suite} main`,
				`deb ${main} ${suite}-updates main`,
				`deb ${security} ${suite}-security main`,
			]
			writeFileSync(join(root, 'etc/apt/sources.list'), `${sources.join('\n')}\n`)
			const superfluous = 'rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/* dev/* etc/resolv.conf etc/hostname'
			await run('sh', ['-c', superfluous], { cwd: root, log })
			await run('tar', ['-C', root, '--numeric-owner', '--sort=name', '-cf', join(out, 'rootfs.tar'), '.'], { log })
			rmSync(root, { recursive: true, force: true })
		},
	})
	return join(folder, 'rootfs.tar')
}

/** Makes the two Debian images the others stand on. */
export async function debianImages(context: Context, engine: Docker): Promise<void> {
	const key = keyOf({ suite: VERSIONS.DEBIAN_SUITE, recipe: 1 })
	if ((await hasKey(engine, DEBIAN_IMAGE, key)) && (await hasKey(engine, NETWORK_IMAGE, key))) return
	const rootfs = await rootFileSystem(context)
	const log = join(context.paths.logs, 'image-debian.log')
	await context.progress.step('images: Debian', async () => {
		await buildImage(context, engine, {
			tag: DEBIAN_IMAGE,
			key,
			dockerfile: 'FROM scratch\nADD rootfs.tar /\nCMD ["bash"]\n',
			files: { 'rootfs.tar': rootfs },
			log,
		})
		await buildImage(context, engine, {
			tag: NETWORK_IMAGE,
			key,
			dockerfile: `FROM ${DEBIAN_IMAGE}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\
      iptables nftables conntrack iproute2 kmod ipset \\
 && apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
`,
			hostNetwork: true,
			log,
		})
	})
}
