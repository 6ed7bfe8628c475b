// Key Vault, Entra and bindings for the tests of another repository, in a kind cluster that has the operator.
import { randomBytes } from 'node:crypto'
import { defaultCaFolder } from '../cli/run.ts'
import { emulatorControl } from '../control/client.ts'
import type { EmulatorControl, Fault, WrittenSecret } from '../control/types.ts'
import { type Binding, bindingObject, isFresh, type LabBinding } from './binding.ts'
import { type Forwarded, forward } from './forward.ts'
import { DEFAULT_TENANT, federate, identityObjects, idOf, type WorkloadIdentity } from './identity.ts'
import { emulatorThere, installEmulator, isEmulatorThere, pointOperator } from './install.ts'
import { applyObjects, type ClusterAccess, getObject, kubectl } from './kubectl.ts'
import { CONTROL_PORT, DEFAULT_IMAGE, EMULATOR_NAME, EMULATOR_NAMESPACE } from './objects.ts'
import { caConfigMap, hostAliasesFor, type PodParts, podParts } from './pods.ts'
import { type UntilOptions, until } from './until.ts'

export interface LabOptions extends ClusterAccess {
	/** Vaults with values of secrets. They stay in the emulator; a secret that is there gets a new version. */
	readonly vaults: Readonly<Record<string, Readonly<Record<string, string>>>>
	readonly bindings: readonly LabBinding[]
	/** Image of an emulator that has to be installed; default `azure-key-vault-emulator:dev`. */
	readonly image?: string
	/** Folder of its CA; default: the one of the command line. */
	readonly caFolder?: string
}

/** A binding's own namespace, with what its pods need. */
export interface LabTenant {
	readonly namespace: string
	readonly serviceAccount: string
	readonly clientId: string
	/** The Kubernetes Secret that the binding delivers, to be mounted. */
	readonly secretName: string
	/** For a pod that calls the vault itself: spread into pod spec and container. */
	readonly pod: PodParts
}

export interface Lab {
	/** Everything the emulator can do. */
	readonly control: EmulatorControl
	/** The page of the emulator, forwarded to this machine. */
	readonly pageUrl: string
	readonly tenantId: string
	vaultUrl(vault: string): string
	/** By the name of the binding. */
	tenant(binding: string): LabTenant
	/** A new version with the tags and content type of the last one; a random value unless one is given. */
	rotate(vault: string, secret: string, value?: string): Promise<WrittenSecret>
	/** Every request to the vault meets the fault, 503 by default, until `mend`. */
	breakVault(vault: string, fault?: Omit<Fault, 'match'>): Promise<{ mend(): Promise<void> }>
	/** Waits until the binding says Fresh and has every secret in the version that the vault has now. */
	waitFresh(binding: string, options?: UntilOptions): Promise<Binding>
	/** `kubectl port-forward`, ended by `close`. `resource` such as `deployment/shop`, in the binding's namespace. */
	forward(binding: string, resource: string, port: number): Promise<Forwarded>
	/** `kubectl apply` of objects in the binding's namespace. */
	apply(binding: string, objects: readonly object[]): Promise<void>
	/** Removes namespaces, credentials, faults and forwards of this lab. Emulator, vaults and operator stay for the next one. */
	close(): Promise<void>
}

/** Names of namespaces are random, so that labs of parallel test files and leftovers of a crash do not meet: 32 bits. */
const SUFFIX_BYTES = 4

/** Opens a lab; what it had made is gone when it rejects. Needs kubectl, and azure-secret-binding in the cluster. */
export async function openLab(options: LabOptions): Promise<Lab> {
	const undo: Array<() => Promise<unknown>> = []
	const close = async (): Promise<void> => {
		for (const step of undo.splice(0).reverse()) await step()
	}
	try {
		return { ...(await open(options, undo)), close }
	} catch (error) {
		await close().catch(() => {})
		throw error
	}
}

async function open(options: LabOptions, undo: Array<() => Promise<unknown>>): Promise<Omit<Lab, 'close'>> {
	const { bindings, image = DEFAULT_IMAGE, caFolder = defaultCaFolder(process.env) } = options
	const vaults = Object.keys(options.vaults)
	const emulator = (await isEmulatorThere(options))
		? await emulatorThere(options)
		: await installEmulator(options, { image, tenantId: DEFAULT_TENANT, vaults, caFolder })
	const forwarded = await forward(options, {
		...{ namespace: EMULATOR_NAMESPACE, resource: `service/${EMULATOR_NAME}`, port: CONTROL_PORT },
	})
	undo.push(() => forwarded.close())
	const control = emulatorControl(forwarded.url)
	const { tenantId } = await control.overview()
	await fill(control, options.vaults)
	await pointOperator(options, emulator, vaults)

	const tenants = new Map<string, { tenant: LabTenant; binding: LabBinding }>()
	const issuer = await issuerOf(options)
	for (const binding of bindings) {
		if (tenants.has(binding.name)) throw new Error(`two bindings of the lab are named ${binding.name}`)
		const namespace = `${binding.name}-${randomBytes(SUFFIX_BYTES).toString('hex')}`
		const serviceAccount = binding.name
		const identity: WorkloadIdentity = { namespace, serviceAccount, clientId: idOf(`client/${namespace}`) }
		undo.push(() => control.removeFederatedCredential({ clientId: identity.clientId, name: 'cluster' }).catch(() => {}))
		await federate(control, identity, {
			issuer,
			vaults: [binding.vault],
			...(binding.role === undefined ? {} : { role: binding.role }),
		})
		undo.push(() => kubectl(options, ['delete', 'namespace', namespace, '--wait=false', '--ignore-not-found']))
		await applyObjects(options, [
			...identityObjects(identity, tenantId),
			caConfigMap(namespace, emulator.caPem),
			bindingObject(binding, { namespace, serviceAccount }),
		])
		const hostAliases = hostAliasesFor(emulator.ip, vaults)
		const pod = podParts({ serviceAccountName: serviceAccount, clientId: identity.clientId, tenantId, hostAliases })
		const secretName = `${binding.name}-secrets`
		tenants.set(binding.name, { binding, tenant: { ...identity, secretName, pod } })
	}
	const found = (name: string): { tenant: LabTenant; binding: LabBinding } => {
		const entry = tenants.get(name)
		if (!entry) throw new Error(`the lab has no binding ${name}; it has ${[...tenants.keys()].join(', ')}`)
		return entry
	}

	return {
		control,
		pageUrl: forwarded.url,
		tenantId,
		vaultUrl: (vault) => `https://${vault}.vault.azure.net`,
		tenant: (name) => found(name).tenant,
		rotate: (vault, secret, value) => rotate(control, vault, secret, value),
		breakVault: async (vault, fault = { action: 'status', status: 503 }) => {
			const { id } = await control.addFault({ ...fault, match: { vault } })
			const mend = (): Promise<void> => control.removeFault(id).catch(() => {})
			undo.push(mend)
			return { mend }
		},
		waitFresh: (name, waiting) => waitFresh(options, control, found(name), waiting),
		forward: async (name, resource, port) => {
			const opened = await forward(options, { namespace: found(name).tenant.namespace, resource, port })
			undo.push(() => opened.close())
			return opened
		},
		apply: async (name, objects) => {
			const { namespace } = found(name).tenant
			const placed = objects.map((object) => {
				const { metadata, ...rest } = object as { metadata?: object }
				return { ...rest, metadata: { ...metadata, namespace } }
			})
			await applyObjects(options, placed)
		},
	}
}

async function fill(control: EmulatorControl, vaults: LabOptions['vaults']): Promise<void> {
	const there = new Set((await control.listVaults()).map(({ name }) => name))
	for (const [vault, secrets] of Object.entries(vaults)) {
		if (!there.has(vault)) await control.createVault({ name: vault })
		const written = Object.entries(secrets).map(([name, value]) => ({ name, value }))
		if (written.length > 0) await control.setSecrets({ vault, secrets: written })
	}
}

async function issuerOf(access: ClusterAccess): Promise<string> {
	const { issuer } = JSON.parse(await kubectl(access, ['get', '--raw', '/.well-known/openid-configuration'])) as {
		issuer: string
	}
	return issuer
}

async function rotate(
	control: EmulatorControl,
	vault: string,
	name: string,
	// 24 bytes, as the emulator's page proposes: 192 bits are beyond guessing.
	value: string = randomBytes(24).toString('base64url'),
): Promise<WrittenSecret> {
	const { contentType, tags } = await control.getSecret({ vault, name })
	return control.setSecret({
		...{ vault, name, value },
		...(contentType === undefined ? {} : { contentType }),
		...(tags === undefined ? {} : { tags: { ...tags } }),
	})
}

async function waitFresh(
	access: ClusterAccess,
	control: EmulatorControl,
	{ tenant, binding }: { tenant: LabTenant; binding: LabBinding },
	options: UntilOptions = {},
): Promise<Binding> {
	let last: Binding | undefined
	try {
		return await until(
			`the binding ${binding.name} to be fresh`,
			async () => {
				last = await getObject<Binding>(access, ['-n', tenant.namespace, 'asb', binding.name])
				const current = new Map<string, string>()
				for (const { objectName } of last.status?.secrets ?? [])
					current.set(objectName, (await control.getSecret({ vault: binding.vault, name: objectName })).version)
				return isFresh(last, binding, current) && last
			},
			options,
		)
	} catch (error) {
		throw new Error(`${(error as Error).message}; status: ${JSON.stringify(last?.status ?? null)}`, { cause: error })
	}
}
