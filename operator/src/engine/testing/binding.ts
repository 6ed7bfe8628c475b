import { isSecretBinding } from '../../api/deliveries.ts'
import { parseBinding, type SecretBinding } from '../../api/parse.ts'

export const SAMPLE_VAULT = 'https://payments.vault.azure.net'

/** A binding of one secret `a` and a whole identity, changed as given. */
export function sampleBinding(spec: Record<string, unknown> = {}): SecretBinding {
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
			...spec,
		},
	})
	if (parsed.kind !== 'active') throw new Error(`not active: ${JSON.stringify(parsed)}`)
	if (!isSecretBinding(parsed.binding)) throw new Error('no delivery by Secret')
	return parsed.binding
}
