// Managed identities for the ServiceAccounts of some namespaces: each may read the secrets of one vault, and is trusted by
// federated credentials, so nothing secret is kept anywhere. See README.md beside this file.
targetScope = 'resourceGroup'

type workload = {
  namespace: string
  serviceAccount: string
}

@description('Name of a vault of this resource group that uses Azure RBAC')
param vaultName string

@description('az aks show --query oidcIssuerProfile.issuerUrl')
param issuerUrl string

@description('One credential for each. The order decides which identity a workload gets, so append and do not reorder.')
param workloads workload[]

@description('Workloads that share an identity. 1 keeps namespaces apart; 20 is the most that Entra takes for one identity.')
@minValue(1)
@maxValue(20)
param workloadsPerIdentity int = 1

@description('Part of the names of what is created')
param prefix string = 'secrets'

param location string = resourceGroup().location

// Rounded up.
var identityCount = (length(workloads) + workloadsPerIdentity - 1) / workloadsPerIdentity

// Key Vault Secrets User: reads values and lists, writes nothing.
var role = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6')

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = [
  for i in range(0, identityCount): {
    name: workloadsPerIdentity == 1 ? '${prefix}-${workloads[i].namespace}-${workloads[i].serviceAccount}' : '${prefix}-${i}'
    location: location
  }
]

// Two at a time on one identity are refused by Azure.
@batchSize(1)
resource credentials 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = [
  for (each, i) in workloads: {
    parent: identities[i / workloadsPerIdentity]
    name: '${each.namespace}-${each.serviceAccount}'
    properties: {
      issuer: issuerUrl
      subject: 'system:serviceaccount:${each.namespace}:${each.serviceAccount}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
]

resource roles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for i in range(0, identityCount): {
    scope: vault
    name: guid(vault.id, identities[i].id, role)
    properties: {
      roleDefinitionId: role
      principalId: identities[i].properties.principalId
      principalType: 'ServicePrincipal'
    }
  }
]

@description('What the ServiceAccounts get as annotations')
output serviceAccounts array = [
  for (each, i) in workloads: {
    namespace: each.namespace
    name: each.serviceAccount
    annotations: {
      'azure.workload.identity/client-id': identities[i / workloadsPerIdentity].properties.clientId
      'azure.workload.identity/tenant-id': tenant().tenantId
      'secrets.purista.dev/vault-url': 'https://${vaultName}${environment().suffixes.keyvaultDns}'
    }
  }
]
