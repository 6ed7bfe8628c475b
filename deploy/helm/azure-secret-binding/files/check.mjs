// What `helm test` runs, in the operator's image and with the operator's own ServiceAccount: it needs no right more.
import { readFileSync } from 'node:fs'

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port, POD_NAMESPACE: own, NAMESPACES } = process.env
const api = `https://${host.includes(':') ? `[${host}]` : host}:${port}`

async function ask(path, body) {
	const headers = { authorization: `Bearer ${readFileSync(`${FOLDER}/token`, 'utf8')}`, 'content-type': 'application/json' }
	const init = body ? { method: 'POST', body: JSON.stringify(body), headers } : { headers }
	const answer = await fetch(`${api}${path}`, init)
	return { status: answer.status, body: await answer.json() }
}

let failed = false
function tell(ok, what, fix) {
	console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}${ok ? '' : `: ${fix}`}`)
	failed ||= !ok
}

for (const namespace of NAMESPACES ? NAMESPACES.split(',') : ['']) {
	const where = namespace ? `/namespaces/${namespace}` : ''
	const { status } = await ask(`/apis/secrets.purista.dev/v1alpha1${where}/azuresecretbindings?limit=1`)
	const fix = status === 404 ? 'install the CRD (crds.enabled)' : `the API server answered ${status}: see rbac.scope`
	tell(status === 200, `the operator may list bindings ${namespace ? `of ${namespace}` : 'of all namespaces'}`, fix)
}

// A Secret without our label, which nobody wants: a dry run makes nothing.
const foreign = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'fence-check' } }
const secret = await ask(`/api/v1/namespaces/${own}/secrets?dryRun=All`, foreign)
const refused = secret.status >= 400 && String(secret.body.message).includes("'azure-secret-binding-secrets'")
tell(refused, 'the admission policies refuse a foreign Secret', 'install them (fence.enabled); they take a second')

const lease = await ask(`/apis/coordination.k8s.io/v1/namespaces/${own}/leases/azure-secret-binding-operator`)
// The operator renews every 2 s; a minute allows for clocks that differ.
const fresh = Date.now() - Date.parse(lease.body.spec?.renewTime) < 60_000
const holder = lease.body.spec?.holderIdentity
tell(Boolean(holder) && fresh, 'an operator leads and renews its lease', 'read its log: kubectl logs deployment/azure-secret-binding-operator')
process.exitCode = failed ? 1 : 0
