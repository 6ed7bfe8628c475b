// AzureSecretBindings of a lab, and when one is up to date.

export interface LabBinding {
	/** Also name of its ServiceAccount, and the beginning of the name of its namespace. */
	readonly name: string
	readonly vault: string
	readonly secrets?: ReadonlyArray<{
		name: string
		objectName?: string
		version?: string
		previous?: number
		optional?: boolean
	}>
	/** Merged over the spec: `select`, `policy`, `certificates`, … */
	readonly spec?: Readonly<Record<string, unknown>>
	/** Default `Key Vault Secrets User`. */
	readonly role?: string
}

export interface Binding {
	readonly metadata: { readonly name: string; readonly namespace: string; readonly generation: number }
	readonly status?: {
		readonly observedGeneration?: number
		readonly conditions?: ReadonlyArray<{ type: string; status: string; reason: string; message: string }>
		readonly secrets?: ReadonlyArray<{ name: string; objectName: string; version?: string; state?: string }>
		readonly synced?: string
		readonly secretName?: string
	}
}

/** Looks every 5 s, the shortest interval that the resource allows. */
export function bindingObject(
	{ name, vault, secrets = [], spec }: LabBinding,
	{ namespace, serviceAccount }: { namespace: string; serviceAccount: string },
): object {
	return {
		apiVersion: 'secrets.purista.dev/v1alpha1',
		kind: 'AzureSecretBinding',
		metadata: { namespace, name },
		spec: {
			vault: { url: `https://${vault}.vault.azure.net` },
			identity: { serviceAccountName: serviceAccount },
			...(secrets.length === 0 ? {} : { secrets }),
			delivery: { type: 'Secret', secret: { name: `${name}-secrets` } },
			refresh: { interval: '5s' },
			...spec,
		},
	}
}

/**
 * Whether the status is about the present spec, says Fresh, and names every secret in the version that the vault has.
 * @param current versions in the vault, by object name
 */
export function isFresh(
	{ metadata, status }: Binding,
	binding: LabBinding,
	current: ReadonlyMap<string, string>,
): boolean {
	if (status?.observedGeneration !== metadata.generation) return false
	if (!status.conditions?.some(({ type, status: is }) => type === 'Fresh' && is === 'True')) return false
	const listed = status.secrets ?? []
	const pinned = new Set(binding.secrets?.filter(({ version }) => version !== undefined).map(({ name }) => name))
	const wanted = (binding.secrets ?? []).filter(({ optional }) => optional !== true)
	return (
		wanted.every(({ name }) => listed.some((each) => each.name === name && each.version !== undefined)) &&
		listed.every(
			({ name, objectName, version }) =>
				version === undefined ||
				pinned.has(name) ||
				current.get(objectName) === undefined ||
				current.get(objectName) === version,
		)
	)
}
