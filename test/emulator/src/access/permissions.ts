// Which permission an operation needs.
import type { CertificateRoute, KeyRoute, Route, SecretRoute } from '../secrets/routes.ts'

/** Permission of access policies (`get` of secrets, `keys/get`) and data action of roles. */
export interface Permission {
	readonly policy: string
	readonly action: string
}

const SECRETS: Readonly<Record<SecretRoute, Permission>> = {
	setSecret: { policy: 'set', action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action' },
	getSecret: { policy: 'get', action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action' },
	updateSecret: { policy: 'set', action: 'Microsoft.KeyVault/vaults/secrets/update/action' },
	deleteSecret: { policy: 'delete', action: 'Microsoft.KeyVault/vaults/secrets/delete' },
	listSecrets: { policy: 'list', action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action' },
	listVersions: { policy: 'list', action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action' },
	listDeleted: { policy: 'list', action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action' },
	getDeleted: { policy: 'get', action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action' },
	purgeSecret: { policy: 'purge', action: 'Microsoft.KeyVault/vaults/secrets/purge/action' },
	recoverSecret: { policy: 'recover', action: 'Microsoft.KeyVault/vaults/secrets/recover/action' },
	backupSecret: { policy: 'backup', action: 'Microsoft.KeyVault/vaults/secrets/backup/action' },
	restoreSecret: { policy: 'restore', action: 'Microsoft.KeyVault/vaults/secrets/restore/action' },
}

const of = (area: 'keys' | 'certificates', policy: string, action: string): Permission => ({
	policy: `${area}/${policy}`,
	action: `Microsoft.KeyVault/vaults/${area}/${action}`,
})
const key = (policy: string, action: string): Permission => of('keys', policy, action)
const certificate = (policy: string, action: string): Permission => of('certificates', policy, action)

const KEYS: Readonly<Record<KeyRoute, Permission>> = {
	createKey: key('create', 'create/action'),
	importKey: key('import', 'import/action'),
	getKey: key('get', 'read'),
	updateKey: key('update', 'update/action'),
	deleteKey: key('delete', 'delete'),
	listKeys: key('list', 'read'),
	listKeyVersions: key('list', 'read'),
	listDeletedKeys: key('list', 'read'),
	getDeletedKey: key('get', 'read'),
	purgeKey: key('purge', 'purge/action'),
	recoverKey: key('recover', 'recover/action'),
}

const CERTIFICATES: Readonly<Record<CertificateRoute, Permission>> = {
	createCertificate: certificate('create', 'create/action'),
	importCertificate: certificate('import', 'import/action'),
	getCertificate: certificate('get', 'read'),
	updateCertificate: certificate('update', 'update/action'),
	deleteCertificate: certificate('delete', 'delete'),
	listCertificates: certificate('list', 'read'),
	listCertificateVersions: certificate('list', 'read'),
	getCertificatePolicy: certificate('get', 'read'),
	updateCertificatePolicy: certificate('update', 'update/action'),
	getCertificateOperation: certificate('get', 'read'),
	listDeletedCertificates: certificate('list', 'read'),
	getDeletedCertificate: certificate('get', 'read'),
	purgeCertificate: certificate('purge', 'purge/action'),
	recoverCertificate: certificate('recover', 'recover/action'),
}

export const PERMISSIONS: Readonly<Record<Route, Permission>> = { ...SECRETS, ...KEYS, ...CERTIFICATES }
