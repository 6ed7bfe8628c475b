import { type Binding, parseBinding } from '../../api/parse.ts'
import type { VaultSession } from '../../ports/vault.ts'

export const SAMPLE_VAULT = 'https://payments.vault.azure.net'

/** A binding of one secret `a` and a whole identity. */
export function sampleBinding(): Binding {
	const parsed = parseBinding({
		metadata: { namespace: 'ns', name: 'payments', uid: 'u', generation: 1 },
		spec: {
			vault: { url: SAMPLE_VAULT },
			identity: {
				serviceAccountName: 'sa',
				clientId: '11111111-1111-4111-8111-111111111111',
				tenantId: '22222222-2222-4222-8222-222222222222',
			},
			secrets: [{ name: 'a' }],
			delivery: { secret: { name: 'mine' } },
		},
	})
	if (parsed.kind !== 'active') throw new Error(`not active: ${JSON.stringify(parsed)}`)
	return parsed.binding
}

/** A session in which every question ends in the error. */
export function failingSession(error: Error): VaultSession {
	const ask = () => Promise.reject(error)
	return {
		issuer: undefined,
		lists: { pages: undefined, at: 0, denied: false },
		list: ask,
		read: ask,
		versions: ask,
		follow: () => {},
		followed: () => 1,
		nextTick: () => 0,
	}
}
