import { expect, it } from 'vitest'
import { systemClock } from '../process/clock.ts'
import { type LocalDeps, runLocal } from './local.ts'

const HEAD = 'apiVersion: secrets.purista.dev/v1alpha1\nkind: AzureSecretBinding\nmetadata: { name: a }\n'

it.each([
	['a version', 'apiVersion: "x\\e[2J\\e]0;title\\a"\nkind: AzureSecretBinding\nmetadata: { name: a }\n'],
	['a field', `${HEAD}spec: { "x\\e[2J\\x9b2J": 1, vault: { url: "https://a.vault.azure.net" } }\n`],
	[
		'a vault',
		`${HEAD}spec:\n  identity: { serviceAccountName: app }\n  secrets: [{ name: db }]\n  delivery: { type: Volume }\n  vault: { url: "https://x\\e[2J" }\n`,
	],
])('%s that a file names is no command for the terminal', async (_, text) => {
	let said = ''
	const unused = () => {
		throw new Error('nothing is asked')
	}
	const deps: LocalDeps = {
		clock: systemClock,
		random: () => 0,
		signal: new AbortController().signal,
		credential: unused,
		makeForms: unused,
		git: unused,
		read: async () => text,
		say: (line) => {
			said += `${line}\n`
		},
		confirm: undefined,
	}
	const options = {
		file: 'bindings.yaml',
		out: '/nowhere/at/all',
		once: true,
		yes: true,
		keep: false,
		vaultSuffixes: ['vault.azure.net'],
		authorityHost: undefined,
		disableInstanceDiscovery: false,
	}
	expect(await runLocal(options, deps)).toBe(2)
	expect(said).not.toBe('')
	expect(said.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
})
