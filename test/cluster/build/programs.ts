import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { artifact } from '../artifact.ts'
import type { Context } from '../context.ts'
import { run } from '../run.ts'
import { libraryVersion, VERSIONS } from '../versions.ts'
import type { Go } from './go.ts'

/** A Go program, or several of one module, built as static binaries. */
export interface Program {
	readonly name: string
	readonly version: string
	/** File name → package path; `.` is `main` below. */
	readonly outputs: Readonly<Record<string, string>>
	/** `main.go` of our own (a file) and the modules it needs. */
	readonly main?: { readonly file: string; readonly modules: readonly string[] }
	readonly cgo?: boolean
	readonly tags?: string
	readonly variables?: Readonly<Record<string, string>>
}

const asset = (name: string) => join(import.meta.dirname, '..', 'assets', name)

export interface NodeVersions {
	readonly containerd: string
	readonly runc: string
	readonly crictl: string
	readonly cni: string
	readonly etcd: string
	readonly coredns: string
}

/** The programs of a node image beside Kubernetes' own. */
export function nodePrograms(versions: NodeVersions): Program[] {
	const containerd = 'github.com/containerd/containerd/v2'
	const plugins = 'github.com/containernetworking/plugins/plugins'
	const kubernetes = libraryVersion(VERSIONS.KUBERNETES)
	return [
		{
			name: 'containerd',
			version: versions.containerd,
			outputs: {
				containerd: `${containerd}/cmd/containerd`,
				ctr: `${containerd}/cmd/ctr`,
				'containerd-shim-runc-v2': `${containerd}/cmd/containerd-shim-runc-v2`,
			},
			// Snapshotters that need C libraries, left out as in kind's own build.
			tags: 'no_aufs no_zfs no_btrfs no_devmapper',
			variables: { [`${containerd}/version.Version`]: versions.containerd },
		},
		{
			name: 'runc',
			version: versions.runc,
			outputs: { runc: 'github.com/opencontainers/runc' },
			cgo: true,
			tags: 'seccomp',
			variables: { 'main.version': versions.runc.replace(/^v/, '') },
		},
		{
			name: 'cni-plugins',
			version: versions.cni,
			outputs: {
				'host-local': `${plugins}/ipam/host-local`,
				loopback: `${plugins}/main/loopback`,
				ptp: `${plugins}/main/ptp`,
				portmap: `${plugins}/meta/portmap`,
				bridge: `${plugins}/main/bridge`,
			},
		},
		{
			name: 'crictl',
			version: versions.crictl,
			outputs: { crictl: 'sigs.k8s.io/cri-tools/cmd/crictl' },
			variables: { 'sigs.k8s.io/cri-tools/pkg/version.Version': versions.crictl.replace(/^v/, '') },
		},
		{ name: 'etcd', version: versions.etcd, outputs: { etcd: 'go.etcd.io/etcd/server/v3' } },
		{
			name: 'local-path-provisioner',
			version: VERSIONS.LOCAL_PATH_PROVISIONER,
			outputs: { 'local-path-provisioner': 'github.com/rancher/local-path-provisioner' },
		},
		{
			name: 'coredns',
			version: versions.coredns,
			outputs: { coredns: '.' },
			main: { file: asset('coredns/main.go'), modules: [`github.com/coredns/coredns@${versions.coredns}`] },
		},
		{
			name: 'kindnetd',
			version: kubernetes,
			outputs: { kindnetd: '.' },
			main: {
				file: asset('kindnetd/main.go'),
				modules: ['client-go', 'api', 'apimachinery'].map((module) => `k8s.io/${module}@${kubernetes}`),
			},
		},
	]
}

const linkerFlags = (variables: Program['variables']) =>
	['-s', '-w', ...Object.entries(variables ?? {}).map(([name, value]) => `-X ${name}=${value}`)].join(' ')

/**
 * Builds a program; answers the folder with its binaries.
 *
 * `go install PACKAGE@VERSION` refuses modules with replace directives, and one module cannot hold all versions, so each
 * program gets a module of its own: `go mod init`, `go get PACKAGE@VERSION`, `go build`.
 */
export async function buildProgram(context: Context, go: Go, program: Program): Promise<string> {
	const main = program.main ? readFileSync(program.main.file, 'utf8') : undefined
	return artifact(context, {
		name: program.name,
		title: `Go: ${program.name} ${program.version}`,
		inputs: { ...program, main: main && { main, modules: program.main?.modules } },
		build: async (out, { say, log }) => {
			const module = join(context.paths.temporary, `module-${program.name}`)
			rmSync(module, { recursive: true, force: true })
			mkdirSync(module, { recursive: true })
			const options = { cwd: module, log, signal: context.signal, nice: true }
			const env = { ...go.env, CGO_ENABLED: program.cgo ? '1' : '0' }
			const command = (...args: string[]) => run(go.command, args, { ...options, env })
			await command('mod', 'init', `local/${program.name}`)
			if (program.main) {
				copyFileSync(program.main.file, join(module, 'main.go'))
				for (const each of program.main.modules) await command('get', each)
				await command('mod', 'tidy')
			} else {
				for (const each of Object.values(program.outputs)) await command('get', `${each}@${program.version}`)
			}
			for (const [file, each] of Object.entries(program.outputs)) {
				if (Object.keys(program.outputs).length > 1) say(file)
				const flags = ['-trimpath', '-tags', program.tags ?? '', '-ldflags', linkerFlags(program.variables)]
				await command('build', ...flags, '-o', join(out, file), each)
			}
			rmSync(module, { recursive: true, force: true })
		},
	})
}

/** The pause container's program: C, because nothing smaller does. */
export async function buildPause(context: Context): Promise<string> {
	const source = asset('pause.c')
	return artifact(context, {
		name: 'pause',
		inputs: { source: readFileSync(source, 'utf8') },
		build: async (out, { log }) => {
			await run('gcc', ['-Os', '-Wall', '-static', '-s', '-o', join(out, 'pause'), source], {
				log,
				signal: context.signal,
			})
		},
	})
}
