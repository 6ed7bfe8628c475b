// `docker run --privileged` asks for every capability. Where the machine itself lacks one (a container or a small virtual
// machine often lacks CAP_SYS_RESOURCE), runc then refuses: "unable to apply caps: operation not permitted". So our engine's
// runtime is a wrapper around runc that takes the missing names out of the request. On an ordinary machine it changes nothing.

/** In the order of their numbers (include/uapi/linux/capability.h). */
const NAMES =
	'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
	'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
	'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
	'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
const CAPABILITIES = NAMES.split(' ').map((name) => `CAP_${name}`)

/** Capabilities that are not in the bounding set, read from the text of /proc/self/status. */
export function missingCapabilities(status: string): string[] {
	const hex = /^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1]
	if (!hex) return []
	const bounding = BigInt(`0x${hex}`)
	return CAPABILITIES.filter((_, bit) => ((bounding >> BigInt(bit)) & 1n) === 0n)
}

/** The wrapper: edits the bundle (create, run) or the request of an exec, then becomes runc. */
export function runtimeWrapper(missing: readonly string[], runc: string): string {
	const expression = missing.map((name) => `s/"${name}",//g;s/,"${name}"//g;s/"${name}"//g`).join(';')
	return `#!/bin/bash
# runc, minus the capabilities this machine cannot grant
prev= bundle= file=
for a; do case $prev in --bundle|-b) bundle=$a;; --process|-p) file=$a;; esac; prev=$a; done
[ -z "$bundle" ] || file=$bundle/config.json
[ -z "$file" ] || [ ! -f "$file" ] || sed -i '${expression}' "$file"
exec ${runc} "$@"
`
}
