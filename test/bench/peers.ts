// What peers do in the same place, as their own sources say: text with its source, and arithmetic. Only ESO is run, and an older version of it
// (`npm run bench -- peer`, 0.16.2): its start had the GET per entry and the token per refresh that are reckoned here.
//
//   ESO        external-secrets/external-secrets cc5bfbc2 (2.9.0): a GET per entry of `data`, in pkg/controllers/externalsecret; `find` lists
//              the whole vault and then reads each match (providers/v1/azure/keyvault/keyvault.go). Each refresh makes a client and a token.
//   SSCSI      Azure/secrets-store-csi-driver-provider-azure d5f7cf5b (1.8.2): pkg/provider/provider.go makes a client for each mount, so a
//              401 and a GET per object for each pod; with history a list of versions and a GET more per object.
//   akv2k8s    SparebankenVest/azure-key-vault-to-kubernetes 4d59110a (1.8.4): one object a resource, pkg/azure/keyvault/client/service.go
//              makes a client for each GET, so a 401 and a 200.

/** Objects that want `entries` secrets each. */
export interface Wants {
	readonly objects: number
	readonly entries: number
	/** secrets in the vault, when they are selected by name instead of listed one by one */
	readonly selectedOf?: number
	/** one previous version of each */
	readonly previous?: boolean
}

/** Vault calls of one refresh in which nothing changed; undefined when the peer cannot do it. */
export interface Peer {
	readonly name: string
	calls(wants: Wants): number | undefined
}

/** What the service puts on a page at most. */
const PAGE_SIZE = 25

export const peers: readonly Peer[] = [
	{
		name: 'ESO',
		calls({ objects, entries, selectedOf, previous }) {
			if (previous) return undefined
			return objects * (entries + (selectedOf === undefined ? 0 : Math.ceil(selectedOf / PAGE_SIZE)))
		},
	},
	{
		// One pod for each object; the real number is a multiple by the pods of a workload.
		name: 'SSCSI',
		calls({ objects, entries, selectedOf, previous }) {
			if (selectedOf !== undefined) return undefined
			return objects * (entries * (previous ? 3 : 1) + 1)
		},
	},
	{
		name: 'akv2k8s',
		calls({ objects, entries, selectedOf, previous }) {
			return selectedOf === undefined && !previous ? 2 * objects * entries : undefined
		},
	},
]

/** Published figures of scale and memory, each on its own machine, so not to be divided by ours. */
export const published: ReadonlyArray<readonly [figure: string, source: string]> = [
	['ESO: 600 ExternalSecrets take up to 3 min', 'external-secrets#3258'],
	['ESO: 2,000 at an interval of 30 s, a new one waits 5-15 min', 'external-secrets#4180'],
	['ESO: 2,500, 300 MB used, a new one waits up to 8 min', 'external-secrets#2878'],
	['ESO with --concurrent=50: 10,000 secrets at 15 min, a new one 0-15 s', 'external-secrets#2878'],
	['ESO --enable-secrets-caching: memory about 2 Gi', 'external-secrets#2837'],
	['VSO: 61 VaultStaticSecrets, 189 Mi to 426 Mi', 'vault-secrets-operator#969'],
	['SSCSI driver: 51-54 Mi on each of 250 nodes, 10,000 pods', 'SSCSI docs/book/src/load-tests.md'],
	['SSCSI, same load: 20,000 vault GETs per poll', 'provider-azure#1416'],
]
