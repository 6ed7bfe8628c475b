// What an emulator has from the start: secrets of vaults, and identities of ServiceAccounts. YAML, or JSON, which is YAML.
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { UsageError } from '../cli/args.ts'
import type { EmulatorControl, SetSecret } from '../control/types.ts'
import { VAULT_NAME } from '../names.ts'
import { federate, idOf, SECRETS_USER, type WorkloadIdentity } from './identity.ts'

export type SeedSecret = Omit<SetSecret, 'vault'>

export interface SeedIdentity extends WorkloadIdentity {
	readonly role: string
	/** Absent: every vault of the seed. */
	readonly vaults?: readonly string[]
}

export interface Seed {
	readonly vaults: Readonly<Record<string, readonly SeedSecret[]>>
	readonly identities: readonly SeedIdentity[]
}

/** The file was wrong: the message says where, and never shows a value. */
class SeedError extends UsageError {}

/** The seed in a file. */
export async function readSeed(file: string): Promise<Seed> {
	const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
		throw new UsageError(`the seed ${file} cannot be read: ${error.code ?? 'unknown'}`)
	})
	return parseSeed(text, file)
}

const SECRET_NAME = /^[0-9a-zA-Z-]{1,127}$/
const SECRET_FIELDS = ['value', 'contentType', 'tags', 'enabled', 'notBefore', 'expires'] as const
/** A name of a namespace or a ServiceAccount (RFC 1123). */
const KUBERNETES_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/

/**
 * ```yaml
 * vaults:
 *   payments:
 *     payments-db: postgres://…                       # a value
 *     api-key: { value: k-1, tags: { team: payments } } # or more of it
 * identities:
 *   - { serviceAccount: payments/payments }           # namespace/name; role: Key Vault Secrets User
 * ```
 */
export function parseSeed(text: string, file: string): Seed {
	let document: unknown
	try {
		document = parse(text) ?? {}
	} catch (error) {
		// Only its first line: what follows shows the place in the file, and so perhaps a value.
		throw new SeedError(`${file} is not YAML: ${(error as { code?: string }).code ?? 'it does not parse'}`)
	}
	const at = (where: string, why: string): SeedError => new SeedError(`${file}: ${where} ${why}`)
	const top = objectOf(document, () => at('the file', 'has to be a mapping with vaults and identities'))
	for (const name of Object.keys(top))
		if (name !== 'vaults' && name !== 'identities') throw at(name, 'is unknown; there are vaults and identities')
	const vaults: Record<string, SeedSecret[]> = {}
	const given = objectOf(top['vaults'] ?? {}, () => at('vaults', 'has to map names of vaults to secrets'))
	for (const [vault, secrets] of Object.entries(given)) {
		if (!VAULT_NAME.test(vault)) throw at(`vaults.${vault}`, 'is not 3-24 lower-case letters, digits and hyphens')
		const named = objectOf(secrets ?? {}, () => at(`vaults.${vault}`, 'has to map names of secrets to values'))
		const seen = new Map<string, string>()
		for (const name of Object.keys(named)) {
			const same = seen.get(name.toLowerCase())
			if (same !== undefined)
				throw at(`vaults.${vault}.${name}`, `is the secret ${same}: names in a vault have no case`)
			seen.set(name.toLowerCase(), name)
		}
		vaults[vault] = Object.entries(named).map(([name, secret]) =>
			secretOf(name, secret, (why) => at(`vaults.${vault}.${name}`, why)),
		)
	}
	const identities = top['identities'] ?? []
	if (!Array.isArray(identities)) throw at('identities', 'has to be a list')
	return {
		vaults,
		identities: identities.map((each, index) => identityOf(each, (why) => at(`identities[${index}]`, why))),
	}
}

function secretOf(name: string, given: unknown, problem: (why: string) => SeedError): SeedSecret {
	if (!SECRET_NAME.test(name)) throw problem('is not a name of 1-127 letters, digits and hyphens')
	if (typeof given === 'string') return { name, value: given }
	const secret = objectOf(given, () => problem('has to be a string (quote numbers), or a mapping with a value'))
	for (const field of Object.keys(secret))
		if (!SECRET_FIELDS.some((each) => each === field))
			throw problem(`has an unknown field ${field}; there are ${SECRET_FIELDS.join(', ')}`)
	const { value, contentType, tags, enabled, notBefore, expires } = secret
	if (typeof value !== 'string') throw problem('has no value that is a string (quote numbers)')
	if (contentType !== undefined && typeof contentType !== 'string') throw problem('has a contentType that is no string')
	if (enabled !== undefined && typeof enabled !== 'boolean') throw problem('has an enabled other than true and false')
	if (tags !== undefined) {
		const texts = objectOf(tags, () => problem('has tags that are no mapping'))
		if (!Object.values(texts).every((each) => typeof each === 'string')) throw problem('has a tag that is no string')
	}
	for (const time of [notBefore, expires])
		if (time !== undefined && !Number.isSafeInteger(time))
			throw problem('has a time that is not whole seconds since 1970')
	return { name, ...secret } as SeedSecret
}

function identityOf(given: unknown, problem: (why: string) => SeedError): SeedIdentity {
	const {
		serviceAccount,
		role = SECRETS_USER,
		vaults,
		clientId,
		...rest
	} = objectOf(given, () => problem('has to be a mapping with serviceAccount'))
	const [unknown] = Object.keys(rest)
	if (unknown !== undefined)
		throw problem(`has an unknown field ${unknown}; there are serviceAccount, role, vaults, clientId`)
	if (typeof serviceAccount !== 'string') throw problem('has no serviceAccount')
	const identity = parseServiceAccount(serviceAccount)
	if (identity === undefined) throw problem('has a serviceAccount other than namespace/name')
	if (typeof role !== 'string') throw problem('has a role that is no string')
	if (vaults !== undefined && !(Array.isArray(vaults) && vaults.every((each) => typeof each === 'string')))
		throw problem('has vaults that are no list of names')
	if (clientId !== undefined && typeof clientId !== 'string') throw problem('has a clientId that is no string')
	return {
		...identity,
		...(clientId === undefined ? {} : { clientId }),
		role,
		...(vaults === undefined ? {} : { vaults: vaults as string[] }),
	}
}

/** `namespace/name`, with the client id that follows from it; undefined when it is none. */
export function parseServiceAccount(text: string): WorkloadIdentity | undefined {
	const [namespace = '', serviceAccount = '', ...more] = text.split('/')
	if (more.length > 0 || !KUBERNETES_NAME.test(namespace) || !KUBERNETES_NAME.test(serviceAccount)) return undefined
	return { namespace, serviceAccount, clientId: idOf(`client/${namespace}/${serviceAccount}`) }
}

function objectOf(value: unknown, problem: () => SeedError): Record<string, unknown> {
	if (typeof value !== 'object' || value === null || Array.isArray(value)) throw problem()
	return value as Record<string, unknown>
}

/** Puts a seed into an emulator. A vault or secret that is there already, as from a state file, stays as it is. */
export async function applySeed(control: EmulatorControl, seed: Seed, issuer: string | undefined): Promise<void> {
	const there = new Set((await control.listVaults()).map(({ name }) => name))
	for (const [vault, secrets] of Object.entries(seed.vaults)) {
		if (!there.has(vault)) await control.createVault({ name: vault })
		const listed = await control.listSecrets({ vault, limit: Number.MAX_SAFE_INTEGER })
		const known = new Set(listed.secrets.map(({ name }) => name.toLowerCase()))
		await control.setSecrets({ vault, secrets: secrets.filter(({ name }) => !known.has(name.toLowerCase())) })
	}
	if (seed.identities.length > 0 && issuer === undefined)
		throw new SeedError('identities of ServiceAccounts need a cluster: --federate-in-cluster or --federate-kubeconfig')
	for (const { role, vaults, ...identity } of seed.identities) {
		const all = (await control.listVaults()).map(({ name }) => name)
		await federate(control, identity, { issuer: issuer ?? '', role, vaults: vaults ?? all })
	}
}
