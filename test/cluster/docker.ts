import { cpSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Context } from './context.ts'
import { run, tryRun } from './run.ts'
import { parseVersion } from './versions.ts'
import { which } from './which.ts'

/** A docker command line and the engine it talks to. */
export interface Docker {
	/** Absolute path of a CLI whose `docker build` has BuildKit. */
	readonly cli: string
	readonly env: Record<string, string | undefined>
}

/** Label with the key of an image's inputs: an image is up to date when it carries the present one. */
const KEY_LABEL = 'dev.purista.secrets.inputs'

/**
 * A docker CLI that can build with BuildKit: 23 and newer need the buildx plugin for it, older ones have it built in.
 * Debian's own is 20.10 in /usr/bin, and may be hidden by a newer one on PATH without the plugin.
 */
export async function findDockerCli(): Promise<string | undefined> {
	for (const name of new Set([which('docker'), '/usr/bin/docker'])) {
		if (name === undefined) continue
		const version = await tryRun(name, ['version', '--format', '{{.Client.Version}}'])
		// Without an engine the command fails, but the version of the client is asked for in any case.
		const client =
			parseVersion(version ?? '') ??
			parseVersion((await tryRun(name, ['--version']))?.replace('Docker version ', '') ?? '')
		if (!client) continue
		if (client[0] < 23 || (await tryRun(name, ['buildx', 'version'])) !== undefined) return name
	}
	return undefined
}

export const docker = (
	engine: Docker,
	args: readonly string[],
	options: { signal?: AbortSignal | undefined; log?: string } = {},
) => run(engine.cli, args, { env: engine.env, ...options })

export const tryDocker = (engine: Docker, args: readonly string[]) => tryRun(engine.cli, args, { env: engine.env })

export async function hasImage(engine: Docker, tag: string): Promise<boolean> {
	return (await tryDocker(engine, ['image', 'inspect', '--format', '{{.Id}}', tag])) !== undefined
}

export async function hasKey(engine: Docker, tag: string, key: string): Promise<boolean> {
	const label = await tryDocker(engine, [
		'image',
		'inspect',
		'--format',
		`{{index .Config.Labels "${KEY_LABEL}"}}`,
		tag,
	])
	return label?.trim() === key
}

/** Removes images we built that a newer build replaced: those without a tag, and other tags of `repository` than `tag`. */
export async function removeReplaced(engine: Docker, repository: string, tag: string): Promise<void> {
	const tags = await docker(engine, ['image', 'ls', repository, '--format', '{{.Repository}}:{{.Tag}}'])
	const others = tags.split('\n').filter((each) => each !== '' && each !== tag)
	// One that a container uses refuses, and goes next time.
	for (const other of others) await tryDocker(engine, ['image', 'rm', other])
	await tryDocker(engine, ['image', 'prune', '--force', '--filter', `label=${KEY_LABEL}`])
}

export interface ImageBuild {
	readonly tag: string
	readonly dockerfile: string
	/** Name in the build context → file or folder on this machine. */
	readonly files?: Readonly<Record<string, string>>
	readonly key?: string
	readonly target?: string
	readonly args?: Readonly<Record<string, string>>
	/** For apt in a RUN: the mirror may only be reachable by the way the host uses. */
	readonly hostNetwork?: boolean
	readonly log: string
}

/** Builds an image from a context made of links, so that nothing large is copied twice. */
export async function buildImage(context: Context, engine: Docker, build: ImageBuild): Promise<void> {
	const folder = join(context.paths.temporary, `image-${process.pid}`)
	rmSync(folder, { recursive: true, force: true })
	mkdirSync(folder, { recursive: true })
	try {
		for (const [name, source] of Object.entries(build.files ?? {})) {
			const destination = join(folder, name)
			mkdirSync(dirname(destination), { recursive: true })
			try {
				linkSync(source, destination)
			} catch {
				// A folder, a symbolic link or another file system.
				cpSync(source, destination, { recursive: true, dereference: true })
			}
		}
		writeFileSync(join(folder, 'Dockerfile'), build.dockerfile)
		const args = ['build', '--progress=plain', '--tag', build.tag]
		if (build.key) args.push('--label', `${KEY_LABEL}=${build.key}`)
		if (build.target) args.push('--target', build.target)
		if (build.hostNetwork) args.push('--network', 'host')
		for (const [name, value] of Object.entries(build.args ?? {})) args.push('--build-arg', `${name}=${value}`)
		const env = { ...engine.env, DOCKER_BUILDKIT: '1' }
		await run(engine.cli, [...args, folder], { env, log: build.log, signal: context.signal, nice: true })
	} finally {
		rmSync(folder, { recursive: true, force: true })
	}
}
