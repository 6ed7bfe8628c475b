import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EmulatorControl } from 'azure-key-vault-emulator'
import { EXCHANGE_AUDIENCE, identityObjects, SECRETS_USER, subjectOf } from '../emulator/src/kind/identity.ts'
import { applyObjects, type KubectlTarget, kubectl } from './kubectl.ts'

/** A namespace with a ServiceAccount that has a workload identity and may read one vault. */
export interface Tenant {
	readonly namespace: string
	readonly serviceAccount: string
	readonly vault: string
	readonly vaultUrl: string
	readonly clientId: string
	/** Issuer of the cluster's ServiceAccount tokens. */
	readonly issuer: string
	readonly subject: string
	remove(): Promise<void>
}

export { EXCHANGE_AUDIENCE, SECRETS_USER }

/** Lets a service also write, delete and recover: for tests of the store's writes. */
export const SECRETS_OFFICER = 'Key Vault Secrets Officer'

export interface TenantOptions {
	readonly target: KubectlTarget
	readonly control: EmulatorControl
	readonly tenantId: string
	/** A vault the emulator already has; its production name is in the operator's hostAliases. */
	readonly vault: string
	/** Prefix of the namespace; a random part follows, so that a run after a crash meets no leftovers. */
	readonly name: string
	/** Default: one credential for the tenant's ServiceAccount, as an administrator would create it. */
	readonly federate?: boolean
	/** Default: the namespace grants the operator what it needs. */
	readonly grant?: boolean
	/** Default: reads the vault. */
	readonly role?: string | null
	/** Where `remove` leaves what the tenant's objects and pods had printed. */
	readonly folder: string
}

/** Keeps what the namespace's objects and pods say, for the canary scan that comes after all tests. */
async function keepPrinted(target: KubectlTarget, namespace: string, folder: string): Promise<void> {
	await mkdir(folder, { recursive: true })
	const objects = await kubectl(target, [
		'-n',
		namespace,
		'get',
		'asb,pods,events,configmaps',
		'-o',
		'yaml',
		'--show-managed-fields',
	])
	await writeFile(join(folder, `${namespace}.txt`), objects)
	const pods = (await kubectl(target, ['-n', namespace, 'get', 'pods', '-o', 'name']))
		.trim()
		.split('\n')
		.filter(Boolean)
	for (const pod of pods) {
		const log = await kubectl(target, ['-n', namespace, 'logs', pod]).catch((error: Error) => error.message)
		await writeFile(join(folder, `${namespace}-${pod.replace('/', '-')}.txt`), log)
	}
}

export async function createTenant(options: TenantOptions): Promise<Tenant> {
	const { target, control, tenantId, vault } = options
	const namespace = `${options.name}-${randomUUID().slice(0, 8)}`
	const serviceAccount = 'payments'
	const clientId = randomUUID()
	const discovery = JSON.parse(await kubectl(target, ['get', '--raw', '/.well-known/openid-configuration'])) as {
		issuer: string
	}
	const subject = subjectOf({ namespace, serviceAccount, clientId })
	await control.addClient({ clientId, name: namespace })
	if (options.federate !== false) {
		await control.addFederatedCredential({
			clientId,
			name: 'cluster',
			issuer: discovery.issuer,
			subject,
			audience: EXCHANGE_AUDIENCE,
		})
	}
	const role = options.role === undefined ? SECRETS_USER : options.role
	if (role !== null) await control.grant({ clientId, role, vault })
	await applyObjects(target, identityObjects({ namespace, serviceAccount, clientId }, tenantId, options.grant))
	return {
		namespace,
		serviceAccount,
		vault,
		vaultUrl: `https://${vault}.vault.azure.net`,
		clientId,
		issuer: discovery.issuer,
		subject,
		remove: async () => {
			await keepPrinted(target, namespace, join(options.folder, 'printed'))
			await kubectl(target, ['delete', 'namespace', namespace, '--wait=false', '--ignore-not-found'])
		},
	}
}

export interface BindingOptions {
	readonly name?: string
	readonly secrets: ReadonlyArray<{
		name: string
		objectName?: string
		version?: string
		previous?: number
		optional?: boolean
	}>
	/** Merged over the spec. */
	readonly spec?: Record<string, unknown>
	readonly annotations?: Record<string, string>
}

/** An AzureSecretBinding of the tenant that looks every 5 s, the shortest interval the resource allows. */
export function bindingOf(tenant: Tenant, options: BindingOptions): object {
	const name = options.name ?? 'payments'
	return {
		apiVersion: 'secrets.purista.dev/v1alpha1',
		kind: 'AzureSecretBinding',
		metadata: {
			namespace: tenant.namespace,
			name,
			...(options.annotations ? { annotations: options.annotations } : {}),
		},
		spec: {
			vault: { url: tenant.vaultUrl },
			identity: { serviceAccountName: tenant.serviceAccount },
			secrets: options.secrets,
			delivery: { type: 'Secret', secret: { name: `${name}-secrets` } },
			refresh: { interval: '5s' },
			...options.spec,
		},
	}
}
