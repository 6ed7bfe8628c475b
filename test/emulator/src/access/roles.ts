/** A role as far as secrets, keys and certificates go: data actions, `*` matches any run of characters. */
export interface Role {
	readonly name: string
	readonly id: string
	readonly dataActions: readonly string[]
}

const SECRETS = 'Microsoft.KeyVault/vaults/secrets'
const KEYS = 'Microsoft.KeyVault/vaults/keys'
const CERTIFICATES = 'Microsoft.KeyVault/vaults/certificates'
const READ_METADATA = `${SECRETS}/readMetadata/action`

/** Built-in roles, with the ids they have in every tenant. */
export const BUILT_IN_ROLES: readonly Role[] = [
	{
		name: 'Key Vault Secrets User',
		id: '4633458b-17de-408a-b874-0445c86b69e6',
		dataActions: [`${SECRETS}/getSecret/action`, READ_METADATA],
	},
	{ name: 'Key Vault Secrets Officer', id: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7', dataActions: [`${SECRETS}/*`] },
	{
		name: 'Key Vault Reader',
		id: '21090545-7ca7-4776-b22c-e363652d74d2',
		dataActions: [READ_METADATA, `${KEYS}/read`, `${CERTIFICATES}/read`],
	},
	{
		name: 'Key Vault Certificate User',
		id: 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba',
		dataActions: [`${SECRETS}/getSecret/action`, READ_METADATA, `${KEYS}/read`, `${CERTIFICATES}/read`],
	},
	{
		name: 'Key Vault Certificates Officer',
		id: 'a4417e6f-fecd-4de8-b567-7b0420556985',
		dataActions: [`${CERTIFICATES}/*`],
	},
	{ name: 'Key Vault Crypto Officer', id: '14b46e9e-c2b7-41b4-b07b-48a6ebf60603', dataActions: [`${KEYS}/*`] },
	{
		name: 'Key Vault Administrator',
		id: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
		dataActions: ['Microsoft.KeyVault/vaults/*'],
	},
	{
		name: 'Key Vault Purge Operator',
		id: 'a68e7c17-0ab2-4c09-9a58-125dae29748c',
		dataActions: [`${SECRETS}/purge/action`, `${KEYS}/purge/action`, `${CERTIFICATES}/purge/action`],
	},
]

/** A role by its name or id, both without regard to case. */
export function findRole(roles: readonly Role[], nameOrId: string): Role | undefined {
	const wanted = nameOrId.toLowerCase()
	return roles.find((role) => role.name.toLowerCase() === wanted || role.id === wanted)
}

export function allows(role: Role, action: string): boolean {
	const wanted = action.toLowerCase()
	return role.dataActions.some((pattern) => {
		const [head = '', ...rest] = pattern.toLowerCase().split('*')
		if (rest.length === 0) return head === wanted
		return wanted.startsWith(head) && wanted.endsWith(rest.at(-1) ?? '')
	})
}
