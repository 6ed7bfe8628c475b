/** With whose identity which vault is read. What is known is known of one of these. */
export interface Source {
	readonly vaultUrl: string
	readonly tenantId: string
	readonly clientId: string
	readonly audience: string
	readonly namespace: string
	readonly serviceAccount: string
	/** a ServiceAccount that was deleted and made anew is another identity */
	readonly serviceAccountUid: string
}

export const sameSource = (a: Source | undefined, b: Source): boolean =>
	a !== undefined &&
	a.vaultUrl === b.vaultUrl &&
	a.tenantId === b.tenantId &&
	a.clientId === b.clientId &&
	a.audience === b.audience &&
	a.namespace === b.namespace &&
	a.serviceAccount === b.serviceAccount &&
	a.serviceAccountUid === b.serviceAccountUid
