import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tryRun } from '../run.ts'
import type { MachineBefore } from '../state.ts'
import { saveRules } from './iptables.ts'

/** Settings of the whole machine that come with a node: it is privileged, so what it sets is not only its own. */
const SYSCTLS = [
	// The kubelet.
	'vm.overcommit_memory',
	'vm.panic_on_oom',
	'kernel.panic',
	'kernel.panic_on_oops',
	'kernel.keys.root_maxkeys',
	'kernel.keys.root_maxbytes',
	// systemd, itself and by the files in /usr/lib/sysctl.d.
	'fs.file-max',
	'fs.nr_open',
	'fs.protected_fifos',
	'fs.protected_hardlinks',
	'fs.protected_regular',
	'fs.protected_symlinks',
	'fs.suid_dumpable',
	'kernel.core_pattern',
	'kernel.core_pipe_limit',
	'kernel.core_uses_pid',
	'kernel.pid_max',
	'kernel.sysrq',
	'vm.max_map_count',
	// kube-proxy, kind and the engine.
	'fs.inotify.max_user_instances',
	'fs.inotify.max_user_watches',
	'fs.may_detach_mounts',
	'net.bridge.bridge-nf-call-arptables',
	'net.bridge.bridge-nf-call-ip6tables',
	'net.bridge.bridge-nf-call-iptables',
	'net.ipv4.conf.all.forwarding',
	'net.ipv4.conf.all.route_localnet',
	'net.ipv4.conf.default.forwarding',
	'net.ipv4.ip_forward',
	'net.ipv6.conf.all.forwarding',
	'net.ipv6.conf.default.forwarding',
	'net.netfilter.nf_conntrack_max',
]

/** Any engine makes it as the source of a mount that kind asks for. */
const MADE_FOR_KIND = ['/lib/modules']
/** Files and folders that an engine makes outside of its own. */
const MADE_BY_ENGINE = [
	'/etc/docker',
	'/etc/docker/key.json',
	'/run/docker',
	'/opt/containerd',
	'/var/lib/docker',
	'/run/containerd',
]

const fileOf = (name: string) => join('/proc/sys', name.replaceAll('.', '/'))

function readSysctls(): Record<string, string> {
	const values: Record<string, string> = {}
	for (const name of SYSCTLS) {
		try {
			values[name] = readFileSync(fileOf(name), 'utf8').trim()
		} catch {
			// Not in this kernel, or its module is not loaded.
		}
	}
	return values
}

/** Notes how the machine is. `withEngine`: an engine of our own will change packet filter rules, too. */
export async function noteMachine(withEngine: boolean): Promise<MachineBefore> {
	return {
		sysctls: readSysctls(),
		...(withEngine ? { iptables: await saveRules() } : {}),
		absent: [...MADE_FOR_KIND, ...(withEngine ? MADE_BY_ENGINE : [])].filter((path) => !existsSync(path)),
	}
}

/** Sysctls that are not as they were. */
export function changedSysctls(
	before: Readonly<Record<string, string>>,
	present: Readonly<Record<string, string>>,
): Array<[string, string]> {
	return Object.entries(before).filter(([name, value]) => present[name] !== undefined && present[name] !== value)
}

/** Puts settings and files back. Answers what it may not: commands for a person with the right to. */
export async function restoreMachine(before: MachineBefore): Promise<string[]> {
	const left: string[] = []
	for (const [name, value] of changedSysctls(before.sysctls, readSysctls())) {
		try {
			writeFileSync(fileOf(name), value)
		} catch {
			left.push(`sudo sysctl -w ${name}='${value}'`)
		}
	}
	for (const path of before.absent.toReversed()) removeIfUnused(path)
	if (before.iptables) await removeControlGroups()
	return left
}

/** Removes a file, or a tree of empty folders; anything with content is somebody's. */
function removeIfUnused(path: string): void {
	if (!existsSync(path)) return
	try {
		if (statSync(path).isDirectory()) {
			for (const entry of readdirSync(path, { withFileTypes: true }))
				if (entry.isDirectory()) removeIfUnused(join(path, entry.name))
			rmdirSync(path)
		} else rmSync(path)
	} catch {
		// Not empty, or not ours to remove.
	}
}

/** Docker's control groups stay as empty folders. A group with processes refuses to be removed. */
async function removeControlGroups(): Promise<void> {
	const root = '/sys/fs/cgroup'
	if (!existsSync(root)) return
	await tryRun('find', [
		root,
		'-depth',
		'-mindepth',
		'1',
		'-type',
		'd',
		'-path',
		'*/docker*',
		'-exec',
		'rmdir',
		'--ignore-fail-on-non-empty',
		'{}',
		';',
	])
}
