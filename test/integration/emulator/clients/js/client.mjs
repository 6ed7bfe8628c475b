// The unmodified JavaScript SDK as a client that is told what to do, a line at a time; see ../story.ts.
import { createInterface } from 'node:readline'
import { ClientSecretCredential, DefaultAzureCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'

const { AZURE_KEYVAULT_URL, AZURE_TENANT_ID, READER_ID, READER_SECRET } = process.env
// Without retries of its own: a throttled answer is looked at, not waited for.
const openClient = (credential) => new SecretClient(AZURE_KEYVAULT_URL, credential, { retryOptions: { maxRetries: 0 } })

let client = openClient(new DefaultAzureCredential())
const reader = openClient(new ClientSecretCredential(AZURE_TENANT_ID, READER_ID, READER_SECRET))
const backups = new Map()

const operations = {
	set: async (name, value) => (await client.setSecret(name, value, { contentType: 'text/plain' })).properties.version,
	get: async (name, version) => (await client.getSecret(name, version ? { version } : {})).value,
	list: async (prefix) => {
		let count = 0
		for await (const { name } of client.listPropertiesOfSecrets()) if (name.startsWith(prefix)) count += 1
		return count
	},
	update: async (name, team) => {
		const { version } = (await client.getSecret(name)).properties
		return (await client.updateSecretProperties(name, version, { tags: { team } })).tags.team
	},
	delete: async (name) => (await (await client.beginDeleteSecret(name)).pollUntilDone()).name,
	deleted: async (name) => (await client.getDeletedSecret(name)).name,
	recover: async (name) => (await (await client.beginRecoverDeletedSecret(name)).pollUntilDone()).name,
	purge: async (name) => {
		await client.purgeDeletedSecret(name)
		return name
	},
	backup: async (name) => {
		backups.set(name, await client.backupSecret(name))
		return backups.get(name).length
	},
	restore: async (name) => (await client.restoreSecretBackup(backups.get(name))).name,
	read: async (name) => (await reader.getSecret(name)).value,
	fresh: async () => {
		client = openClient(new DefaultAzureCredential())
		return 'fresh'
	},
}

for await (const line of createInterface({ input: process.stdin })) {
	const [operation, ...words] = line.split('\t')
	try {
		process.stdout.write(`ok\t${await operations[operation](...words)}\n`)
	} catch (error) {
		process.stdout.write(`error\t${error.statusCode ?? 0}\t${String(error.message).replace(/\s+/g, ' ')}\n`)
	}
}
