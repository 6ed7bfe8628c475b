// `azure-key-vault-emulator manifests`: what kubectl and kustomize need for an emulator in a cluster, as YAML.
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { UsageError } from '../cli/args.ts'
import { defaultCaFolder } from '../cli/run.ts'
import { VAULT_NAME } from '../names.ts'
import { CA_FILE, CA_KEY_FILE, loadAuthority } from '../tls/authority.ts'
import { DEFAULT_TENANT, identityObjects, OPERATOR_NAMESPACE, SECRETS_USER } from './identity.ts'
import { DEFAULT_IMAGE, emulatorObjects, operatorNamespace } from './objects.ts'
import { caConfigMap, type HostAlias, hostAliasesFor, operatorPatch, type PodParts, podParts } from './pods.ts'
import { parseServiceAccount, readSeed, type Seed, type SeedIdentity } from './seed.ts'

const MANIFESTS_HELP = `azure-key-vault-emulator manifests: the emulator for a cluster of your own tests, as YAML

Usage: azure-key-vault-emulator manifests --vault NAME [options] | kubectl apply -f -

  --vault NAME         a vault to have; may be repeated
  --seed FILE          YAML with secrets of vaults and identities; what is printed then has a Secret with the values
  --identity NS/NAME   a ServiceAccount that may read the vaults; may be repeated. Printed are its namespace, the
                       ServiceAccount with its annotations, the CA, and the grant for the operator
  --print WHAT         objects (default) | operator (a kustomize component that points azure-secret-binding to the
                       emulator) | pod (what a pod needs that calls the vault itself, for the first identity)
  --image IMAGE        the emulator's image (default ${DEFAULT_IMAGE})
  --cluster-ip IP      address of the emulator's Service (default 10.96.0.44). Pods are led to it by hostAliases, which
                       need it beforehand. The default is in the part that a cluster of kind or kubeadm keeps free
  --tenant ID          tenant id (default: always the same)
  --ca-folder FOLDER   where the certificate authority is kept (default: the emulator's own)
`

/** In 10.96.0.0/16 (kind) and /12 (kubeadm), and there among the first 256, which are given only to who asks for them. */
const DEFAULT_CLUSTER_IP = '10.96.0.44'

interface Options {
	readonly vaults: readonly string[]
	readonly seed: Seed
	readonly print: 'objects' | 'operator' | 'pod'
	readonly image: string
	readonly clusterIP: string
	readonly tenantId: string
	readonly caFolder: string
}

/** The text for standard output. Rejects with a UsageError when the command line or the seed is wrong. */
export async function manifests(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
	const options = await read(argv, environment)
	if (options === undefined) return MANIFESTS_HELP
	const { clusterIP, print, seed, tenantId, vaults } = options
	const hostAliases = hostAliasesFor(clusterIP, vaults)
	if (print === 'operator') return yaml(component(hostAliases))
	if (print === 'pod') {
		const [identity] = seed.identities
		if (!identity) throw new UsageError('--print pod needs an identity: --identity NAMESPACE/SERVICEACCOUNT')
		const { clientId, serviceAccount } = identity
		return podSnippet(podParts({ serviceAccountName: serviceAccount, clientId, tenantId, hostAliases }))
	}
	return (await objects(options)).map((object) => `---\n${yaml(object)}`).join('')
}

/** No folding: a value is written as it is. */
const yaml = (value: object): string => stringify(value, { lineWidth: 0 })

/** The ConfigMap with the CA that it mounts is among the objects. */
const component = (hostAliases: readonly HostAlias[]): object => ({
	apiVersion: 'kustomize.config.k8s.io/v1alpha1',
	kind: 'Component',
	patches: [{ patch: yaml(operatorPatch(hostAliases)) }],
})

async function objects({ caFolder, clusterIP, image, seed, tenantId, vaults }: Options): Promise<object[]> {
	const { certPem } = await loadAuthority(caFolder, Date.now())
	const key = await readFile(join(caFolder, CA_KEY_FILE), 'utf8')
	const document = {
		vaults: Object.fromEntries(
			vaults.map((vault) => [
				vault,
				Object.fromEntries((seed.vaults[vault] ?? []).map(({ name, ...secret }) => [name, secret])),
			]),
		),
		identities: seed.identities.map(({ namespace, serviceAccount, ...more }) => ({
			serviceAccount: `${namespace}/${serviceAccount}`,
			...more,
		})),
	}
	// Another seed makes a new pod. Keyed, so that nobody guesses a value by trying.
	const runId = createHmac('sha256', key)
		.update(JSON.stringify([document, tenantId]))
		.digest('hex')
		.slice(0, 16)
	const ca = { [CA_FILE]: certPem, [CA_KEY_FILE]: key }
	const namespaces = new Map(seed.identities.map((identity) => [identity.namespace, identity]))
	return [
		...emulatorObjects({ image, tenantId, vaults: [], ca, runId, clusterIP, seed: document }),
		operatorNamespace(),
		caConfigMap(OPERATOR_NAMESPACE, certPem),
		...seed.identities.flatMap((identity) =>
			identityObjects(identity, tenantId).filter(
				// One namespace and one grant for all its ServiceAccounts.
				(object) =>
					(object as { kind: string }).kind === 'ServiceAccount' || namespaces.get(identity.namespace) === identity,
			),
		),
		...[...namespaces.keys()].map((namespace) => caConfigMap(namespace, certPem)),
	]
}

async function read(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<Options | undefined> {
	const { values } = parse(argv)
	if (values.help) return undefined
	const seed: Seed = values.seed === undefined ? { vaults: {}, identities: [] } : await readSeed(values.seed)
	for (const vault of values.vault ?? [])
		if (!VAULT_NAME.test(vault))
			throw new UsageError(`--vault is 3-24 lower-case letters, digits and hyphens, not ${vault}`)
	const vaults = [...new Set([...(values.vault ?? []), ...Object.keys(seed.vaults)])]
	if (vaults.length === 0) throw new UsageError('name a vault: --vault payments')
	const clusterIP = values['cluster-ip'] ?? DEFAULT_CLUSTER_IP
	if (isIP(clusterIP) === 0) throw new UsageError(`--cluster-ip is an IP address, not ${clusterIP}`)
	const print = values.print ?? 'objects'
	if (print !== 'objects' && print !== 'operator' && print !== 'pod')
		throw new UsageError(`--print is objects, operator or pod, not ${print}`)
	const identities: SeedIdentity[] = (values.identity ?? []).map((text) => {
		const identity = parseServiceAccount(text)
		if (!identity) throw new UsageError(`--identity is NAMESPACE/SERVICEACCOUNT, not ${text}`)
		return { ...identity, role: SECRETS_USER }
	})
	return {
		vaults,
		seed: { vaults: seed.vaults, identities: [...identities, ...seed.identities] },
		print,
		image: values.image ?? DEFAULT_IMAGE,
		clusterIP,
		tenantId: values.tenant ?? DEFAULT_TENANT,
		caFolder: resolve(values['ca-folder'] ?? defaultCaFolder(environment)),
	}
}

function parse(argv: readonly string[]) {
	const text = { type: 'string' } as const
	const texts = { type: 'string', multiple: true } as const
	try {
		return parseArgs({
			args: [...argv],
			options: {
				help: { type: 'boolean' },
				...{ vault: texts, identity: texts, seed: text, print: text, image: text, tenant: text },
				...{ 'cluster-ip': text, 'ca-folder': text },
			},
		})
	} catch (error) {
		throw new UsageError((error as Error).message)
	}
}

function podSnippet({ env, volumeMounts, ...pod }: PodParts): string {
	return `# Into the pod spec:\n${yaml(pod)}# Into the container:\n${yaml({ env, volumeMounts })}`
}
