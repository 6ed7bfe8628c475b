// What `az` does in the pages' blocks, done to the emulator. The real `az` takes ten seconds a call; that the lines of
// `az keyvault secret` are right is the business of integration/emulator/pages.test.ts, which runs it.
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { EmulatorControl } from 'azure-key-vault-emulator'

export interface AzStandIn {
	/** A folder for PATH. */
	readonly folder: string
	readonly env: { AZ_STAND_IN: string }
	close(): Promise<void>
}

interface Call {
	control: EmulatorControl
	tenantId: string
	identities: Map<string, string>
	option(...names: string[]): string
}

/** By the words before the first option; each reads all of its options, so that an unknown one is refused. */
const COMMANDS: Readonly<Record<string, (call: Call) => Promise<string>>> = {
	'account show': async ({ option, tenantId }) => tsv(option, { tenantId }),
	'identity create': async ({ option, identities, control }) => {
		const name = nameIn(option)
		const clientId = identities.get(name) ?? randomUUID()
		identities.set(name, clientId)
		await control.addClient({ clientId, name })
		return tsv(option, { clientId })
	},
	'identity show': async ({ option, identities }) =>
		tsv(option, { clientId: identities.get(nameIn(option)) ?? refuse('no such identity') }),
	'identity list': async ({ option, identities }) => {
		const [, clientId, field] =
			/^\[\?clientId=='([^']+)'\]\.(name|resourceGroup)$/.exec(option('--query')) ?? refuse('unknown query')
		const [name = refuse('no such identity')] = [...identities].find(([, id]) => id === clientId) ?? []
		return tsv(option, { [option('--query')]: field === 'name' ? name : 'group' })
	},
	'identity federated-credential create': async ({ option, identities, control }) => {
		option('--resource-group')
		await control.addFederatedCredential({
			clientId: identities.get(option('--identity-name')) ?? refuse('no such identity'),
			...{ name: option('--name'), issuer: option('--issuer'), subject: option('--subject') },
			audience: option('--audiences'),
		})
		return ''
	},
	'role assignment create': async ({ option, control }) => {
		const vault = /\/vaults\/([\w-]+)$/.exec(option('--scope'))?.[1] ?? refuse('not the scope of a vault')
		await control.grant({ clientId: option('--assignee'), role: option('--role'), vault })
		return ''
	},
	'keyvault show': async ({ option }) => {
		const id = `/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/${option('--name')}`
		return tsv(option, { id })
	},
	'keyvault secret set': async ({ option, control }) => {
		const [vault, name] = [option('--vault-name'), option('--name')]
		const value = option('--value', '--file')
		if (option('--output', '-o') !== 'none') refuse('only --output none')
		await control.setSecret({ vault, name, value })
		return ''
	},
	'keyvault secret show': async ({ option, control }) => {
		const [vault, name, version] = [option('--vault-name'), option('--name'), option('?--version')]
		const { id, value } = await control.getSecret({ vault, name, ...(version === '' ? {} : { version }) })
		return tsv(option, { id, value })
	},
	'keyvault secret list-versions': async ({ option, control }) => {
		const [vault, name] = [option('--vault-name'), option('--name')]
		const { versions } = await control.getSecret({ vault, name })
		const ids = versions.map((version) => `https://${vault}.vault.azure.net/secrets/${name}/${version}`)
		const query = option('--query')
		if (query === 'sort_by([], &attributes.created)[-2].id') return tsv(option, { [query]: ids.at(-2) ?? '' })
		if (query.startsWith('sort_by([].{version: id') && option('-o') === 'table') return ids.join('\n')
		return refuse('unknown query')
	},
}

function refuse(why: string): never {
	throw new Error(why)
}

function nameIn(option: Call['option']): string {
	option('--resource-group')
	return option('--name')
}

function tsv(option: Call['option'], fields: Readonly<Record<string, string>>): string {
	if (option('-o', '--output') !== 'tsv') refuse('only -o tsv')
	return fields[option('--query')] ?? refuse('unknown query')
}

/** Each option once. `?` before a name: it may be missing. */
function optionsOf(words: readonly string[]) {
	const given = new Map<string, string>()
	for (let i = 0; i < words.length; i += 2)
		given.set(words[i] ?? '', words[i + 1] ?? refuse(`${words[i]} has no value`))
	const read = new Set<string>()
	const option = (...names: string[]): string => {
		const name = names.map((each) => each.replace('?', '')).find((each) => given.has(each))
		if (name === undefined) return names[0]?.startsWith('?') ? '' : refuse(`${names.join(' or ')} is missing`)
		read.add(name)
		return given.get(name) ?? ''
	}
	const unread = () => [...given.keys()].filter((name) => !read.has(name))
	return { option, unread }
}

export async function startAzStandIn(world: {
	control: EmulatorControl
	tenantId: string
	/** names and client ids of managed identities that are there */
	identities: Map<string, string>
	folder: string
}): Promise<AzStandIn> {
	const answer = async (words: readonly string[]): Promise<string> => {
		const first = words.findIndex((word) => word.startsWith('-'))
		const verb = words.slice(0, first === -1 ? undefined : first).join(' ')
		const command = COMMANDS[verb] ?? refuse(`this az does not know ${verb}`)
		const { option, unread } = optionsOf(words.slice(first))
		const text = await command({ ...world, option })
		if (unread().length > 0) refuse(`${verb} of this az does not know ${unread().join(', ')}`)
		return text
	}
	const server = createServer((request, response) => {
		request.setEncoding('utf8')
		let body = ''
		request.on('data', (text: string) => {
			body += text
		})
		request.on('end', () => {
			answer(JSON.parse(body) as string[]).then(
				(text) => response.end(text),
				(error: Error) => response.writeHead(400).end(`ERROR: ${error.message}`),
			)
		})
	})
	await new Promise<void>((resolve) => {
		server.listen(0, '127.0.0.1', resolve)
	})
	mkdirSync(world.folder, { recursive: true })
	const program = join(import.meta.dirname, 'az-stand-in.mjs')
	writeFileSync(join(world.folder, 'az'), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o700 })
	return {
		folder: world.folder,
		env: { AZ_STAND_IN: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` },
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve())
				server.closeAllConnections()
			}),
	}
}
