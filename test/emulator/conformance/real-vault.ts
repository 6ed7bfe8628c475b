// The bench before a vault that is really there, for `npm run azure-check`: the same tests ask it by a credential that
// DefaultAzureCredential finds. Their names get a prefix on the way, which answers lose again, and other secrets of the vault are
// in no list. What only an emulator can do (its clock, faults, roles) is not asked: such a test ends with NEEDS_CONTROL.
import { globalAgent } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AccessToken, DefaultAzureCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import type { Bench } from './kit.ts'
import { answered, send } from './send.ts'

/** Begins the message of a test that cannot be asked of a real vault; the report counts these apart. */
export const NEEDS_CONTROL = 'needs an emulator'
/** The variables by which `npm run azure-check` tells its child. */
export const VARIABLES = {
	url: 'ASB_CONFORMANCE_VAULT',
	prefix: 'ASB_CONFORMANCE_PREFIX',
	settleMs: 'ASB_CONFORMANCE_SETTLE_MS',
} as const
/** A test that waits for a deletion to show moves the clock by 4 s; more is no wait but a leap. */
const MAX_WAIT_S = 10
/** The longest name of a secret. */
const MAX_NAME = 127

export function needsControl(what: string): never {
	throw new Error(`${NEEDS_CONTROL}: ${what}`)
}

const NAMED = /^(\/(?:secrets|deletedsecrets)\/)([^/?]+)/

/** The path with the prefix before the secret's name; unchanged where it has one, names none, or one that is too long for it. */
export function prefixed(path: string, prefix: string): string {
	const [, , name = ''] = NAMED.exec(path) ?? []
	if (!name || name === 'restore' || name.startsWith(prefix) || name.length + prefix.length > MAX_NAME) return path
	return path.replace(NAMED, (_all, area: string) => `${area}${prefix}${name}`)
}

/** The answer as if the names had no prefix, and without items of other names. */
export function unprefixed(text: string, prefix: string): string {
	let own = text
	try {
		const body = JSON.parse(text) as { value?: unknown }
		if (Array.isArray(body.value)) {
			const value = (body.value as { id: string }[]).filter(({ id }) => id.includes(`/${prefix}`))
			if (value.length < body.value.length) own = JSON.stringify({ ...body, value })
		}
	} catch {
		// Not JSON: as it is.
	}
	return own.replaceAll(prefix, '')
}

/** The control of an emulator as far as the data plane can do the same. */
function controlOf(write: (name: string, body: object) => Promise<string>, wait: (ms: number) => Promise<unknown>) {
	const setSecret = async ({ name, value, ...attributes }: { vault: string; name: string; value: string }) => {
		const { vault: _vault, ...rest } = attributes
		return { id: await write(name, { value, ...(Object.keys(rest).length > 0 ? { attributes: rest } : {}) }) }
	}
	const able: Record<string, unknown> = {
		setSecret,
		async setSecrets({ secrets }: { secrets: { name: string; value: string }[] }) {
			// Each is a write of its own: a hundred are enough of somebody's throttling.
			if (secrets.length > 100) needsControl(`${secrets.length} secrets at once`)
			for (const each of secrets) await setSecret({ vault: '', ...each })
		},
		async advanceClock({ seconds = 0 }: { seconds?: number }) {
			if (seconds < 0 || seconds > MAX_WAIT_S) needsControl('a clock that is moved')
			await wait(seconds * 1000)
			return { now: Date.now() }
		},
	}
	return new Proxy(able, {
		get: (target, name) => target[String(name)] ?? (async () => needsControl(`control.${String(name)}`)),
	})
}

/** @throws Error when the environment names a vault and no prefix */
export function realBench(url: string, prefix: string, settleMs: number): Bench {
	const wait = (ms: number) => sleep(ms + settleMs)
	if (!/^[a-z0-9-]{8,}$/.test(prefix)) throw new Error(`set ${VARIABLES.prefix}: names of the vault must be told apart`)
	const origin = new URL(url).origin
	const credential = new DefaultAzureCredential()
	let known: AccessToken | undefined
	const token = async (clientId?: string) => {
		if (clientId) needsControl('another client')
		// A minute before its end: a token is asked for once in a file.
		if (!known || known.expiresOnTimestamp < Date.now() + 60_000)
			known = await credential.getToken(`https://${new URL(url).host.replace(/^[^.]+\./, '')}/.default`)
		return known.token
	}
	const raw: Bench['raw'] = async (path, request = {}) => {
		if (request.origin && request.origin !== origin) needsControl('another vault')
		const bearer = request.token === undefined ? await token() : request.token
		const to = prefixed(path, prefix)
		// What is written has the prefix, or nobody would take it away.
		const isRead = request.method === undefined || request.method === 'GET'
		if (!isRead && (NAMED.exec(to)?.[2]?.length ?? 0) + prefix.length > MAX_NAME && !to.includes(`/${prefix}`))
			needsControl('a write without the prefix')
		const headers = { ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }), ...request.headers }
		const answer = await send(globalAgent, `${origin}${to}`, { ...request, headers })
		return answered(answer.status, answer.headers, unprefixed(answer.text, prefix))
	}
	const write = async (name: string, body: object) => {
		const { status, bundle } = await raw(`/secrets/${name}?api-version=7.6`, { method: 'PUT', body })
		if (status !== 200) throw new Error(`the vault answered ${status} to the write of a secret`)
		return bundle.id
	}
	const emulator = {
		vaultUrl: (name: string) => (name === 'payments' ? origin : needsControl(`the vault ${name}`)),
		control: controlOf(write, wait),
	}
	return {
		emulator: new Proxy(emulator, {
			get: (target, name) => target[name as keyof typeof target] ?? needsControl(`emulator.${String(name)}`),
		}) as unknown as Bench['emulator'],
		get key() {
			return needsControl('a key of an issuer')
		},
		raw,
		token,
		askToken: async () => needsControl('a token endpoint'),
		form: async () => needsControl('a token endpoint'),
		assertion: async () => needsControl('an issuer'),
		credential: (clientId) => (clientId ? needsControl('another client') : credential),
		sdk: (vault = 'payments', clientId?: string) => {
			if (vault !== 'payments' || clientId) needsControl('another vault or client')
			return new SecretClient(origin, credential, {
				additionalPolicies: [{ policy: renaming(prefix), position: 'perRetry' }],
			})
		},
		close: async () => {},
	}
}

type Policies = NonNullable<NonNullable<ConstructorParameters<typeof SecretClient>[2]>['additionalPolicies']>

/** Within the retries, and so before answers are parsed. */
const renaming = (prefix: string): Policies[number]['policy'] => ({
	name: 'azureCheckNames',
	async sendRequest(request, next) {
		const url = new URL(request.url)
		request.url = `${url.origin}${prefixed(url.pathname, prefix)}${url.search}`
		const response = await next(request)
		if (response.bodyAsText) response.bodyAsText = unprefixed(response.bodyAsText, prefix)
		return response
	},
})
