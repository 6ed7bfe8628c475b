import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import { DNS_SUFFIX, VAULT_SUFFIXES } from './api/constants.ts'
import { DURATION, parseDuration } from './api/duration.ts'
import { type PodAccessOptions, podOf, SERVICE_ACCOUNT_FOLDER } from './cluster/pod-access.ts'
import { LOG_LEVELS, type LogLevel } from './process/log.ts'
import { type TokenProxy, tokenProxyOf } from './vault/token-proxy.ts'

/** What the process was told, by flags first, then by the environment. This file alone reads either. */
export interface Config {
	namespace: string
	serviceAccount: string
	identity: string
	port: number
	healthPort: number
	metricsAuth: boolean
	logLevel: LogLevel
	allowUnfenced: boolean
	/** undefined: all */
	namespaces: readonly string[] | undefined
	clusterName: string | undefined
	concurrency: number | undefined
	/** calls per second to one vault */
	vaultRate: number | undefined
	/** for one binding, milliseconds */
	minIntervalMs: number | undefined
	vaultSuffixes: readonly string[]
	noProxy: string | undefined
	tokenProxy: TokenProxy | undefined
	authorityHost: string | undefined
	disableInstanceDiscovery: boolean
	/** undefined: in the cluster, by the pod's own ServiceAccount */
	kubeconfig: string | undefined
	context: string | undefined
	/** how a pod reaches the API server; undefined: this is no pod */
	pod: PodAccessOptions | undefined
}

export type ParsedConfig =
	| { kind: 'run'; config: Config }
	| { kind: 'help'; text: string }
	| { kind: 'invalid'; problem: string }

// RFC 1123 label, as the API server asks of namespaces. The names become parts of paths.
const NAMESPACE_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

const HELP = `azure-secret-binding-operator: mirrors Azure Key Vault secrets into Kubernetes Secrets
azure-secret-binding-operator node: brings them into memory volumes of pods (node --help lists its flags)

  --namespace NAME                 namespace of the operator (POD_NAMESPACE)
  --service-account NAME           ServiceAccount of the operator (POD_SERVICE_ACCOUNT)
  --identity NAME                  name in the leader lease (POD_NAME, or the host's name)
  --port N                         metrics (8080)
  --health-port N                  /healthz and /readyz (8081)
  --metrics-auth                   /metrics only with a token whose user may get that path (METRICS_AUTH=true)
  --log-level LEVEL                ${LOG_LEVELS.join(', ')} (info)
  --namespaces NAME,NAME           only bindings of these namespaces, one watch each; default: all of the cluster
  --cluster-name NAME              how this cluster is called in the vault's logs
  --concurrency N                  bindings worked on at once (32)
  --vault-rate N                   calls per second to one vault, sustained; ten times as many may come at once (40)
  --min-interval TIME              shortest time between two polls for one binding, from 5s to 24h; its interval may be longer (5s)
  --vault-suffix SUFFIX            DNS suffix of vaults that may be read; repeatable (${VAULT_SUFFIXES.join(', ')})
  --authority-host URL             Entra of another cloud (AZURE_AUTHORITY_HOST)
  --disable-instance-discovery     for an Entra that Microsoft's discovery does not know
  --allow-unfenced                 run although the admission policies of deploy/kustomize/fence are not in force
  --kubeconfig FILE                instead of the pod's own ServiceAccount (KUBECONFIG)
  --context NAME                   context of the kubeconfig
  --service-account-folder DIR     where token and ca.crt of the pod lie (${SERVICE_ACCOUNT_FOLDER})
  --help

HTTPS_PROXY, or else ALL_PROXY, names a proxy for vaults and Entra; NO_PROXY who is reached without, in curl's forms.
`

function readFlags(args: readonly string[]) {
	const text = { type: 'string' } as const
	const flag = { type: 'boolean', default: false } as const
	return parseArgs({
		args: [...args],
		options: {
			namespace: text,
			'service-account': text,
			identity: text,
			port: text,
			'health-port': text,
			'metrics-auth': flag,
			'log-level': text,
			namespaces: text,
			'cluster-name': text,
			concurrency: text,
			'vault-rate': text,
			'min-interval': text,
			'vault-suffix': { type: 'string', multiple: true },
			'authority-host': text,
			'disable-instance-discovery': flag,
			'allow-unfenced': flag,
			kubeconfig: text,
			context: text,
			'service-account-folder': text,
			help: flag,
		},
	}).values
}

const isWhole = (value: number, min: number, max: number) => Number.isInteger(value) && value >= min && value <= max

function portsOf(values: ReturnType<typeof readFlags>): { port: number; healthPort: number } | { problem: string } {
	const port = Number(values.port ?? '8080')
	if (!isWhole(port, 0, 65_535)) return { problem: '--port is a number from 0 to 65535' }
	const healthPort = Number(values['health-port'] ?? '8081')
	if (!isWhole(healthPort, 0, 65_535)) return { problem: '--health-port is a number from 0 to 65535' }
	if (healthPort === port && port !== 0) return { problem: '--health-port is another one than --port' }
	return { port, healthPort }
}

function limitsOf({ concurrency, 'vault-rate': vaultRate, 'min-interval': minInterval }: ReturnType<typeof readFlags>) {
	const limits = {
		concurrency: concurrency === undefined ? undefined : Number(concurrency),
		vaultRate: vaultRate === undefined ? undefined : Number(vaultRate),
		minIntervalMs: minInterval === undefined ? undefined : intervalOf(minInterval),
	}
	if (limits.concurrency !== undefined && !isWhole(limits.concurrency, 1, 100))
		return { problem: '--concurrency is a number from 1 to 100' }
	// Key Vault takes 400 calls a second from everybody together (4,000 in 10 s).
	if (limits.vaultRate !== undefined && !isWhole(limits.vaultRate, 1, 400))
		return { problem: '--vault-rate is a number from 1 to 400' }
	if (Number.isNaN(limits.minIntervalMs)) return { problem: '--min-interval is a time from 5s to 24h, such as 1m30s' }
	return limits
}

/** As `spec.refresh.interval` is written, and within the same bounds. @returns NaN for anything else */
function intervalOf(text: string): number {
	const ms = DURATION.test(text) ? parseDuration(text) : Number.NaN
	return ms >= 5_000 && ms <= 24 * 3_600_000 ? ms : Number.NaN
}

export function parseConfig(
	args: readonly string[] = process.argv.slice(2),
	env: NodeJS.ProcessEnv = process.env,
): ParsedConfig {
	let values: ReturnType<typeof readFlags>
	try {
		values = readFlags(args)
	} catch (error) {
		return invalid(error instanceof Error ? error.message : 'cannot read the flags')
	}
	if (values.help) return { kind: 'help', text: HELP }

	const namespace = values.namespace ?? env['POD_NAMESPACE']
	if (!namespace) return invalid('write --namespace, or set POD_NAMESPACE')
	const serviceAccount = values['service-account'] ?? env['POD_SERVICE_ACCOUNT']
	if (!serviceAccount) return invalid('write --service-account, or set POD_SERVICE_ACCOUNT')
	const ports = portsOf(values)
	if ('problem' in ports) return invalid(ports.problem)
	const limits = limitsOf(values)
	if ('problem' in limits) return invalid(limits.problem)
	const logLevel = LOG_LEVELS.find((level) => level === (values['log-level'] ?? 'info'))
	if (!logLevel) return invalid(`--log-level is one of ${LOG_LEVELS.join(', ')}`)
	const vaultSuffixes = values['vault-suffix'] ?? VAULT_SUFFIXES
	if (!vaultSuffixes.every((suffix) => DNS_SUFFIX.test(suffix)))
		return invalid('--vault-suffix is a DNS suffix such as vault.azure.net')
	const namespaces = values.namespaces === undefined ? undefined : [...new Set(values.namespaces.split(','))]
	if (!(namespaces ?? []).every((name) => NAMESPACE_NAME.test(name)))
		return invalid('--namespaces is a list of names of namespaces, such as payments,shop')
	const kubeconfig = values.kubeconfig ?? env['KUBECONFIG']
	const pod = podOf(env, values['service-account-folder'] ?? SERVICE_ACCOUNT_FOLDER)
	if (!kubeconfig && !pod)
		return invalid('this is no pod (KUBERNETES_SERVICE_HOST is not set): write --kubeconfig, or set KUBECONFIG')
	const authorityHost = values['authority-host'] ?? env['AZURE_AUTHORITY_HOST']
	if (authorityHost && !authorityHost.startsWith('https://')) return invalid('--authority-host starts with https://')
	const tokenProxy = tokenProxyOf(env)
	if (tokenProxy && 'problem' in tokenProxy) return invalid(tokenProxy.problem)
	return {
		kind: 'run',
		config: {
			namespace,
			serviceAccount,
			identity: values.identity ?? env['POD_NAME'] ?? hostname(),
			...ports,
			metricsAuth: values['metrics-auth'] || env['METRICS_AUTH'] === 'true',
			logLevel,
			allowUnfenced: values['allow-unfenced'],
			namespaces,
			clusterName: values['cluster-name'],
			...limits,
			vaultSuffixes,
			noProxy: env['NO_PROXY'] ?? env['no_proxy'],
			tokenProxy,
			authorityHost,
			disableInstanceDiscovery: values['disable-instance-discovery'],
			kubeconfig,
			context: values.context,
			pod,
		},
	}
}

const invalid = (problem: string): ParsedConfig => ({ kind: 'invalid', problem })
