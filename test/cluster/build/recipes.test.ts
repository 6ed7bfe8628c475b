import { describe, expect, it } from 'vitest'
import { baseDockerfile } from './base-image.ts'
import { kubeadmImages } from './binaries.ts'
import { findMirrors } from './debian.ts'
import { readKindSource } from './kind.ts'
import { nodePrograms } from './programs.ts'

// The shape of kind v0.33.0's images/base/Dockerfile, with what we read and cut.
const DOCKERFILE = `ARG BASE_IMAGE=debian:trixie-slim
FROM $BASE_IMAGE AS base
RUN apt-get install systemd

# shared stage to setup go version for building binaries
FROM $BASE_IMAGE AS go-build
ARG CONTAINERD_VERSION="v2.3.4"
ARG RUNC_VERSION="v1.4.3"
ARG CRICTL_VERSION="v1.36.0"
ARG CNI_PLUGINS_VERSION="v1.9.1"
RUN git clone something

FROM base AS build
COPY --from=build-containerd /containerd/bin/containerd /usr/local/bin/
RUN ctr oci spec \\
        > /etc/containerd/cri-base.json \\
    && containerd --version
COPY --from=build-runc /runc/runc /usr/local/sbin/runc

# squash down to one compressed layer
FROM scratch
COPY --from=build / /
`

const source = {
	base: '/kind',
	dockerfile: DOCKERFILE,
	network: 'const kindnetdImage = "docker.io/kindest/kindnetd:v1"\n',
	storage:
		'const storageProvisionerImage = "docker.io/kindest/p:v2"\nconst storageHelperImage = "docker.io/kindest/h:v3"\n',
	containerd: '  sandbox_image = "registry.k8s.io/pause:3.10"\n',
}

describe('what is read from kind', () => {
	it('are versions and image names', () => {
		const { versions, images } = readKindSource(source)
		expect(versions).toEqual({ containerd: 'v2.3.4', runc: 'v1.4.3', crictl: 'v1.36.0', cni: 'v1.9.1' })
		expect(images).toEqual({
			kindnetd: 'docker.io/kindest/kindnetd:v1',
			provisioner: 'docker.io/kindest/p:v2',
			helper: 'docker.io/kindest/h:v3',
			pause: 'registry.k8s.io/pause:3.10',
		})
	})

	it('is reported by name when a new kind no longer says it', () => {
		expect(() => readKindSource({ ...source, network: '' })).toThrow('kindnetdImage not found')
		expect(() => baseDockerfile(DOCKERFILE.replace('# squash down', '# flatten'))).toThrow('squash down')
	})

	it('is its base image, with our binaries in place of the stages that compile', () => {
		const dockerfile = baseDockerfile(DOCKERFILE)
		expect(dockerfile).toMatch(
			/^ARG BASE_IMAGE[\s\S]*RUN apt-get install systemd[\s\S]*FROM base AS build\nCOPY --chmod=0755 bin\/containerd/,
		)
		expect(dockerfile).toMatch(
			/RUN ctr oci spec[\s\S]*containerd --version\nRUN runc --version[\s\S]*# squash down[\s\S]*FROM scratch/,
		)
		expect(dockerfile).not.toMatch(/git clone|--from=build-/)
	})
})

describe('what is read from others', () => {
	it('are the images that kubeadm wants', () => {
		const list =
			'registry.k8s.io/kube-apiserver:v1.36.3\nregistry.k8s.io/coredns/coredns:v1.14.2\nregistry.k8s.io/pause:3.10\nregistry.k8s.io/etcd:3.6.8-0\n'
		expect(kubeadmImages(list)).toEqual({
			etcd: 'registry.k8s.io/etcd:3.6.8-0',
			coredns: 'registry.k8s.io/coredns/coredns:v1.14.2',
			versions: { etcd: 'v3.6.8', coredns: 'v1.14.2' },
		})
		expect(() => kubeadmImages('')).toThrow('no image for etcd')
	})

	it("are the machine's own mirrors", () => {
		const targets =
			'http://mirror/debian/ bookworm\nhttp://mirror/debian/ bookworm-updates\nhttp://mirror/security/ bookworm-security\n'
		expect(findMirrors(targets, 'bookworm')).toEqual({
			main: 'http://mirror/debian/',
			security: 'http://mirror/security/',
		})
		expect(() => findMirrors('', 'bookworm')).toThrow('no apt source of this machine has Debian')
	})
})

it('builds every program of the base image under its own name, once', () => {
	const versions = { containerd: 'v1', runc: 'v1', crictl: 'v1', cni: 'v1', etcd: 'v1', coredns: 'v1' }
	const files = nodePrograms(versions).flatMap((program) => Object.keys(program.outputs))
	expect(new Set(files).size).toBe(files.length)
	for (const file of baseDockerfile(DOCKERFILE).matchAll(/ bin\/(\S+)/g)) expect(files).toContain(file[1])
})
