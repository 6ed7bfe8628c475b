import { describe, expect, it } from 'vitest'
import { AT } from '../engine/testing/samples.ts'
import {
	accessPolicyLine,
	adoptLine,
	federatedCredentialLine,
	grantLine,
	permitLine,
	roleAssignmentLine,
	vaultNameOf,
} from './commands.ts'
import { explainFault } from './messages.ts'

const clientId = '11111111-2222-3333-4444-555555555555'
const federation = {
	issuer: 'https://westeurope.oic.prod-aks.azure.com/t/c/',
	audience: 'api://AzureADTokenExchange',
	namespace: 'team-a',
	serviceAccount: 'app.v2',
	clientId,
}

describe('printed commands', () => {
	it('have no vault whose name would be an option', () => {
		expect(roleAssignmentLine(clientId, '--debug')).toBeUndefined()
		expect(accessPolicyLine(clientId, '--debug')).toBeUndefined()
	})

	it('carry everything that is needed to run them', () => {
		expect(federatedCredentialLine(federation)).toBe(
			`az identity federated-credential create --name team-a-app-v2 --identity-name "$(az identity list --query "[?clientId=='${clientId}'].name" -o tsv)" --resource-group "$(az identity list --query "[?clientId=='${clientId}'].resourceGroup" -o tsv)" --issuer https://westeurope.oic.prod-aks.azure.com/t/c/ --subject system:serviceaccount:team-a:app.v2 --audiences api://AzureADTokenExchange`,
		)
		expect(roleAssignmentLine(clientId, 'payments')).toBe(
			`az role assignment create --role "Key Vault Secrets User" --assignee ${clientId} --scope "$(az keyvault show --name payments --query id -o tsv)"`,
		)
		expect(accessPolicyLine(clientId, 'payments')).toBe(
			`az keyvault set-policy --name payments --spn ${clientId} --secret-permissions get list`,
		)
		expect(adoptLine('ns', 'secret', 'secrets.purista.dev/binding', 'b')).toBe(
			'kubectl -n ns label --overwrite secret secret secrets.purista.dev/binding=b',
		)
		expect(grantLine('payments', { namespace: 'system', name: 'op' })).toBe(
			'kubectl -n payments create rolebinding azure-secret-binding --clusterrole=azure-secret-binding-tenant --serviceaccount=system:op',
		)
	})

	it.each(['a"b', 'a$(id)', 'a`id`', 'a b', "a'b", 'a;b', 'a|b', 'a\nb', '', '-x', '$HOME'])(
		'are not printed with a part like %j',
		(part) => {
			expect(federatedCredentialLine({ ...federation, issuer: `https://x/${part}"` })).toBeUndefined()
			expect(federatedCredentialLine({ ...federation, issuer: part })).toBeUndefined()
			expect(federatedCredentialLine({ ...federation, audience: part })).toBeUndefined()
			expect(federatedCredentialLine({ ...federation, clientId: part })).toBeUndefined()
			expect(federatedCredentialLine({ ...federation, namespace: part })).toBeUndefined()
			expect(federatedCredentialLine({ ...federation, serviceAccount: part })).toBeUndefined()
			expect(roleAssignmentLine(part, 'payments')).toBeUndefined()
			expect(accessPolicyLine(part, 'payments')).toBeUndefined()
			expect(adoptLine(part, 'secret', 'l', 'b')).toBeUndefined()
			const permission = { verb: 'patch', resource: 'secrets', namespace: 'ns', name: 's' }
			for (const field of ['verb', 'resource', 'namespace', 'name'])
				expect(permitLine({ ...permission, [field]: part }, { namespace: 'system', name: 'op' })).toBeUndefined()
			expect(grantLine(part, { namespace: 'system', name: 'op' })).toBeUndefined()
			expect(grantLine('ns', { namespace: part, name: 'op' })).toBeUndefined()
			expect(grantLine('ns', { namespace: 'system', name: part })).toBeUndefined()
			expect(permitLine(permission, { namespace: part, name: 'op' })).toBeUndefined()
			expect(permitLine(permission, { namespace: 'system', name: part })).toBeUndefined()
			if (part !== '-x') expect(roleAssignmentLine(clientId, part)).toBeUndefined()
		},
	)

	it('come with the limit of an identity and the ways out, where another federated credential is asked for', () => {
		const text = explainFault({ kind: 'federation', code: '70025' }, { ...AT, issuer: federation.issuer })
		expect(text).toContain('takes 20 at most: if it has them, delete one that nobody uses, or take another identity')
		expect(text).toContain('\naz identity federated-credential create ')
	})

	it('name the vault by the first label of its URL', () => {
		expect(vaultNameOf('https://payments.vault.azure.net')).toBe('payments')
		expect(vaultNameOf('nonsense')).toBe('')
	})
})
