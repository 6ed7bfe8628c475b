// A test of somebody else, as test/emulator/docs/kind.md has it: run in a folder with the packed package and nothing of this
// repository. Prints what it saw as one line of JSON.
import { openLab, until } from 'azure-key-vault-emulator/kind'

const { KUBECTL, KUBECONFIG_FILE, CONTEXT, SERVICE_IMAGE, FIRST, SECOND } = process.env
const lab = await openLab({
	kubectl: KUBECTL,
	kubeconfig: KUBECONFIG_FILE,
	context: CONTEXT,
	vaults: { lab: { 'payments-db': FIRST } },
	bindings: [{ name: 'payments', vault: 'lab', secrets: [{ name: 'db', objectName: 'payments-db' }] }],
})
const seen = {}
try {
	seen.first = (await lab.waitFresh('payments')).status.synced
	const { namespace, secretName, pod } = lab.tenant('payments')
	seen.namespace = namespace
	const { env, volumeMounts, volumes, ...spec } = pod
	const labels = { app: 'payments' }
	const container = {
		name: 'service',
		image: SERVICE_IMAGE,
		imagePullPolicy: 'IfNotPresent',
		env: [...env, { name: 'MOUNT_PATH', value: '/secrets' }, { name: 'VAULT_URL', value: lab.vaultUrl('lab') }],
		readinessProbe: { httpGet: { path: '/readyz', port: 8080 }, periodSeconds: 1 },
		volumeMounts: [...volumeMounts, { name: 'secrets', mountPath: '/secrets', readOnly: true }],
	}
	await lab.apply('payments', [
		{
			apiVersion: 'apps/v1',
			kind: 'Deployment',
			metadata: { name: 'payments' },
			spec: {
				selector: { matchLabels: labels },
				template: {
					metadata: { labels },
					spec: {
						...spec,
						terminationGracePeriodSeconds: 5,
						containers: [container],
						volumes: [...volumes, { name: 'secrets', secret: { secretName } }],
					},
				},
			},
		},
	])
	// The pod is there when the forward works and the service answers.
	const forwarded = await until('the service', () => lab.forward('payments', 'deployment/payments', 8080))
	const files = async () => (await (await fetch(`${forwarded.url}/files`)).json()).files.db?.sha256
	seen.mountedFirst = await until('the mounted file', files)
	seen.version = (await lab.rotate('lab', 'payments-db', SECOND)).version
	seen.statusVersion = (await lab.waitFresh('payments')).status.secrets[0].version
	seen.mountedSecond = await until('the new file', async () => {
		const now = await files()
		return now !== seen.mountedFirst && now
	})
	const { mend } = await lab.breakVault('lab')
	seen.broken = await until('a request that meets the fault', async () =>
		(await lab.control.requests()).some(({ vault, status }) => vault === 'lab' && status === 503),
	)
	await mend()
	seen.afterMend = (await lab.waitFresh('payments')).status.synced
	seen.page = (await (await fetch(lab.pageUrl)).text()).includes('<title>Key Vault emulator</title>')
} finally {
	await lab.close()
}
process.stdout.write(`${JSON.stringify(seen)}\n`)
