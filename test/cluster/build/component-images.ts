import { join } from 'node:path'
import type { Context } from '../context.ts'
import { buildImage, type Docker } from '../docker.ts'
import { VERSIONS } from '../versions.ts'
import type { Binaries } from './binaries.ts'
import { NETWORK_IMAGE } from './debian.ts'

export interface ComponentImages {
	/** The four that kind takes from a server tarball. */
	readonly kubernetes: readonly string[]
	/** The ones it would pull. */
	readonly others: readonly string[]
}

const PATH = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/** Images of everything that runs in a node, under the names kind and kubeadm expect. */
export async function buildComponentImages(
	context: Context,
	engine: Docker,
	binaries: Binaries,
): Promise<ComponentImages> {
	const log = join(context.paths.logs, 'component-images.log')
	const program = async (
		tag: string,
		options: {
			from?: string
			file: string
			to: string
			entry?: boolean
			more?: string[]
			files?: Record<string, string>
		},
	) => {
		const { from = 'scratch', file, to, entry, more = [], files = {} } = options
		const lines = [`FROM ${from}`, `COPY program ${to}`, PATH, ...(entry ? [`ENTRYPOINT ["${to}"]`] : []), ...more]
		await buildImage(context, engine, {
			tag,
			dockerfile: `${lines.join('\n')}\n`,
			files: { program: file, ...files },
			log,
		})
		return tag
	}
	const kubernetes: string[] = []
	for (const name of ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'] as const) {
		kubernetes.push(
			await program(`registry.k8s.io/${name}:${VERSIONS.KUBERNETES}`, {
				file: binaries.kubernetes[name],
				to: `/usr/local/bin/${name}`,
				...(name === 'kube-proxy' ? { from: NETWORK_IMAGE } : {}),
			}),
		)
	}
	const { images, node } = binaries
	const others = [
		await program(images.etcd, { file: node('etcd'), to: '/usr/local/bin/etcd' }),
		await program(images.coredns, {
			file: node('coredns'),
			to: '/coredns',
			entry: true,
			more: [`COPY certificates ${CERTIFICATES}`],
			files: { certificates: CERTIFICATES },
		}),
		await program(images.pause, { file: node('pause'), to: '/pause', entry: true, more: ['USER 65535:65535'] }),
		await program(images.kindnetd, { from: NETWORK_IMAGE, file: node('kindnetd'), to: '/bin/kindnetd', entry: true }),
		await program(images.provisioner, {
			file: node('local-path-provisioner'),
			to: '/usr/local/bin/local-path-provisioner',
		}),
		// The helper of local-path-provisioner needs sh, mkdir and rm.
		await program(images.helper, {
			file: '/bin/busybox',
			to: '/bin/busybox',
			more: ['RUN ["/bin/busybox","--install","-s","/bin"]'],
		}),
	]
	return { kubernetes, others }
}
