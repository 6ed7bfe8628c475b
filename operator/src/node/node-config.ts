import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import { DNS_NAME, DNS_SUFFIX, VAULT_SUFFIXES } from '../api/constants.ts'
import { LOG_LEVELS, type LogLevel } from '../process/log.ts'
import { type TokenProxy, tokenProxyOf } from '../vault/token-proxy.ts'

/** What the node role was told, by flags first, then by the environment. This file alone reads either. */
export interface NodeConfig {
	readonly nodeName: string
	readonly podName: string
	readonly driver: string
	readonly kubeletRoot: string
	readonly memoryRoot: string
	/** bytes of all volumes together */
	readonly nodeMemory: number
	readonly port: number
	readonly healthPort: number
	readonly logLevel: LogLevel
	readonly clusterName: string | undefined
	readonly vaultRate: number
	readonly vaultSuffixes: readonly string[]
	readonly noProxy: string | undefined
	readonly tokenProxy: TokenProxy | undefined
	readonly authorityHost: string | undefined
	readonly disableInstanceDiscovery: boolean
	readonly kubeconfig: string | undefined
	readonly context: string | undefined
}

export type ParsedNodeConfig =
	| { kind: 'run'; config: NodeConfig }
	| { kind: 'help'; text: string }
	| { kind: 'invalid'; problem: string }

const PATH = /^(\/[A-Za-z0-9._-]+)+$/
// A driver's name is shorter than others.
const DRIVER = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/
const MAX_NAME = 253
const AUTHORITY = /^https:\/\//
// sun_path has 108 bytes, the last of them 0; "/plugins_registry/" and "-reg.sock" are 27.
const MAX_SOCKET = 107 - 27

interface Flag {
	readonly what: string
	readonly env?: string
	readonly default?: string
	readonly form?: RegExp
	/** characters */
	readonly most?: number
	readonly range?: readonly [min: number, max: number]
	readonly problem?: string
	readonly isSwitch?: true
	readonly isList?: true
}

/** Every flag once: parsing, judging and --help are made of it. */
const FLAGS: Readonly<Record<string, Flag>> = {
	'node-name': { what: 'name of this node', env: 'NODE_NAME', form: DNS_NAME, most: MAX_NAME },
	'pod-name': { what: 'name of this pod, in events', env: 'POD_NAME', default: hostname() },
	driver: { what: 'name of the CSIDriver object', default: 'secrets.purista.dev', form: DRIVER },
	'kubelet-root': {
		what: 'directory of the kubelet, under the same path here',
		default: '/var/lib/kubelet',
		form: PATH,
	},
	'memory-root': { what: 'directory on a tmpfs of the node', default: '/run/secrets.purista.dev', form: PATH },
	'node-memory': { what: 'MiB of all volumes together', default: '64', range: [1, 4096] },
	port: { what: 'metrics', default: '8080', range: [0, 65_535] },
	'health-port': { what: '/healthz and /readyz', default: '8081', range: [0, 65_535] },
	'log-level': { what: LOG_LEVELS.join(', '), default: 'info', form: new RegExp(`^(${LOG_LEVELS.join('|')})$`) },
	'cluster-name': { what: "how this cluster is called in the vault's logs" },
	// Key Vault takes 400 calls a second from everybody (4,000 in 10 s). A quarter of the operator's
	// share: a first mount of 200 secrets takes 10 s of it (a burst of 100 goes before). A vault that throttles halves it (NODE_RATE).
	'vault-rate': { what: 'calls per second to one vault, sustained', default: '10', range: [1, 400] },
	'vault-suffix': { what: 'DNS suffix of vaults that may be read; repeatable', form: DNS_SUFFIX, isList: true },
	'authority-host': { what: 'Entra of another cloud', env: 'AZURE_AUTHORITY_HOST', form: AUTHORITY },
	'disable-instance-discovery': { what: "for an Entra that Microsoft's discovery does not know", isSwitch: true },
	kubeconfig: { what: "instead of the pod's own ServiceAccount", env: 'KUBECONFIG' },
	context: { what: 'context of the kubeconfig' },
	help: { what: 'this text', isSwitch: true },
}

function help(): string {
	const lines = Object.entries(FLAGS).map(([name, { what, env, default: value }]) => {
		const more = [env, value].filter((each) => each !== undefined).join(', or ')
		return `  --${name.padEnd(28)}${what}${more === '' ? '' : ` (${more})`}`
	})
	return `azure-secret-binding-operator node: brings secrets of Azure Key Vault into the memory volumes of pods on one node\n\n${lines.join('\n')}\n`
}

export function parseNodeConfig(args: readonly string[], env: NodeJS.ProcessEnv): ParsedNodeConfig {
	const options = Object.fromEntries(
		Object.entries(FLAGS).map(([name, { isSwitch, isList }]) => [
			name,
			isSwitch ? ({ type: 'boolean' } as const) : ({ type: 'string', multiple: isList === true } as const),
		]),
	)
	let values: Record<string, unknown>
	try {
		values = parseArgs({ args: [...args], options }).values
	} catch (error) {
		return { kind: 'invalid', problem: error instanceof Error ? error.message : 'cannot read the flags' }
	}
	if (values['help'] === true) return { kind: 'help', text: help() }
	for (const [name, flag] of Object.entries(FLAGS)) {
		const problem = problemOf(name, flag, textsOf(name, values, env))
		if (problem !== undefined) return { kind: 'invalid', problem }
	}
	const text = (name: string) => textsOf(name, values, env)[0]
	const certain = (name: string) => text(name) ?? ''
	const nodeName = text('node-name')
	if (nodeName === undefined) return { kind: 'invalid', problem: 'write --node-name, or set NODE_NAME' }
	if (`${certain('kubelet-root')}${certain('driver')}`.length > MAX_SOCKET)
		return { kind: 'invalid', problem: 'the paths of the sockets would be too long: write a shorter --driver' }
	const suffixes = textsOf('vault-suffix', values, env)
	const tokenProxy = tokenProxyOf(env)
	if (tokenProxy && 'problem' in tokenProxy) return { kind: 'invalid', problem: tokenProxy.problem }
	return {
		kind: 'run',
		config: {
			nodeName,
			podName: certain('pod-name'),
			driver: certain('driver'),
			kubeletRoot: certain('kubelet-root'),
			memoryRoot: certain('memory-root'),
			nodeMemory: Number(certain('node-memory')) * 1024 * 1024,
			port: Number(certain('port')),
			healthPort: Number(certain('health-port')),
			logLevel: LOG_LEVELS.find((level) => level === certain('log-level')) ?? 'info',
			clusterName: text('cluster-name'),
			vaultRate: Number(certain('vault-rate')),
			vaultSuffixes: suffixes.length > 0 ? suffixes : VAULT_SUFFIXES,
			noProxy: env['NO_PROXY'] ?? env['no_proxy'],
			tokenProxy,
			authorityHost: text('authority-host'),
			disableInstanceDiscovery: values['disable-instance-discovery'] === true,
			kubeconfig: text('kubeconfig'),
			context: text('context'),
		},
	}
}

function textsOf(name: string, values: Record<string, unknown>, env: NodeJS.ProcessEnv): string[] {
	const flag = FLAGS[name]
	const given = values[name] ?? (flag?.env === undefined ? undefined : env[flag.env] || undefined) ?? flag?.default
	return [given].flat().filter((each) => typeof each === 'string')
}

function problemOf(name: string, { form, most, range }: Flag, texts: readonly string[]): string | undefined {
	for (const text of texts) {
		if (form && !form.test(text)) return `--${name} does not have the form ${form.source}`
		if (most !== undefined && text.length > most) return `--${name} has at most ${most} characters`
		const value = Number(text)
		if (range && !(Number.isInteger(value) && value >= range[0] && value <= range[1]))
			return `--${name} is a number from ${range[0]} to ${range[1]}`
	}
	return undefined
}
