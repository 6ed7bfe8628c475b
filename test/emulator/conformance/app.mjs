// A program that knows nothing of an emulator: cli.test.ts runs it with the exports of `--env`.
import { DefaultAzureCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'

const client = new SecretClient(process.env.AZURE_KEYVAULT_URL, new DefaultAzureCredential())
await client.setSecret('app', 'written-by-the-app')
const { value, properties } = await client.getSecret('app')
process.stdout.write(`${properties.id.replace(/\/[0-9a-f]{32}$/, '')} ${value}\n`)
