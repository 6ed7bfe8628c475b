import { FIELD_MANAGER } from '../../api/constants.ts'
import { isRecord } from '../../cluster/errors.ts'
import { ownerOf, type SecretObject } from '../../destinations/secret/secret-object.ts'
import type { Secrets } from '../../ports/cluster.ts'
import { KubeError } from '../../ports/kube-error.ts'

interface Body {
	metadata: Partial<SecretObject['metadata']>
	type?: string
	data?: Record<string, string | null>
}

/** Secrets as an API server keeps them: resourceVersions, field managers, and the two types whose values it looks into. */
export interface SecretServer extends Secrets {
	/** contents by key, undefined when there is no such Secret */
	text(name: string): Record<string, string> | undefined
	/** somebody else writes a key */
	edit(name: string, key: string, text: string): void
	/** answers that get lost after the work was done, by call */
	lose: Set<'create' | 'patch'>
	writes: number
	/** called before the next write is done */
	beforeWrite: (() => void) | undefined
	/** called when the answer to a patch got lost */
	afterLost: (() => void) | undefined
}

const decode = (base64: string) => Buffer.from(base64, 'base64').toString('utf8')

export function createSecretServer(): SecretServer {
	const secrets = new Map<string, SecretObject>()
	let version = 0
	const writersOf = (secret: SecretObject) =>
		new Map(
			(secret.metadata.managedFields ?? []).flatMap(({ manager = '', fieldsV1 = {} }) =>
				Object.keys((fieldsV1['f:data'] ?? {}) as object).map((key) => [key.slice(2), manager] as const),
			),
		)
	const store = (name: string, before: SecretObject | undefined, body: Body, manager: string): SecretObject => {
		const type = before?.type ?? body.type ?? 'Opaque'
		const data = new Map(Object.entries(before?.data ?? {}))
		const holders = before ? writersOf(before) : new Map<string, string>()
		for (const [key, value] of Object.entries(body.data ?? {})) {
			if (value === null) {
				data.delete(key)
				holders.delete(key)
			} else if (data.get(key) !== value) {
				data.set(key, value)
				holders.set(key, manager)
			}
		}
		refuseInvalid(type, data)
		version++
		const managers = [...new Set(holders.values())]
		const secret: SecretObject = {
			metadata: {
				uid: `uid-${version}`,
				...before?.metadata,
				...body.metadata,
				name,
				resourceVersion: String(version),
				managedFields: managers.map((each) => ({
					manager: each,
					time: '2026-01-01T00:00:00Z',
					fieldsV1: {
						'f:data': Object.fromEntries([...holders].filter(([, of]) => of === each).map(([key]) => [`f:${key}`, {}])),
					},
				})),
			},
			type,
			data: Object.fromEntries(data),
		}
		secrets.set(name, secret)
		return secret
	}
	const server: SecretServer = {
		lose: new Set(),
		writes: 0,
		beforeWrite: undefined,
		afterLost: undefined,
		async create(_, body) {
			const { metadata = {} } = body as Body
			const name = metadata.name ?? ''
			if (secrets.has(name)) return 'exists'
			server.writes++
			const secret = store(name, undefined, body as Body, FIELD_MANAGER)
			if (server.lose.delete('create')) throw new KubeError('unreachable', 'the answer got lost')
			return structuredClone(secret)
		},
		async readBack(_, name, owner) {
			const secret = secrets.get(name)
			if (!secret) return { kind: 'none' }
			const label = ownerOf(secret)
			return label === owner ? { kind: 'ours', secret: structuredClone(secret) } : { kind: 'foreign', owner: label }
		},
		async patch(_, name, body) {
			server.beforeWrite?.()
			const before = secrets.get(name)
			if (!before) throw new KubeError('notFound', `no ${name}`)
			const seen = body.metadata.resourceVersion
			if (seen !== before.metadata.resourceVersion) throw new KubeError('conflict', 'the object has been modified')
			server.writes++
			const secret = store(name, before, body as Body, FIELD_MANAGER)
			if (server.lose.delete('patch')) {
				server.afterLost?.()
				throw new KubeError('unreachable', 'the answer got lost')
			}
			return structuredClone(secret)
		},
		async remove(_, name) {
			secrets.delete(name)
		},
		text(name) {
			const { data } = secrets.get(name) ?? {}
			return data && Object.fromEntries(Object.entries(data).map(([key, value]) => [key, decode(value)]))
		},
		edit(name, key, text) {
			const data = { [key]: Buffer.from(text).toString('base64') }
			store(name, secrets.get(name), { metadata: {}, data }, 'somebody')
		},
	}
	return server
}

/** What the API server checks of the types that we write (validation.ValidateSecret). */
function refuseInvalid(type: string, data: ReadonlyMap<string, string>): void {
	const required = { 'kubernetes.io/tls': ['tls.crt', 'tls.key'], 'kubernetes.io/ssh-auth': ['ssh-privatekey'] }
	const keys = type in required ? required[type as keyof typeof required] : []
	for (const key of keys)
		if (!data.has(key) || (type.endsWith('ssh-auth') && data.get(key) === ''))
			throw new KubeError('invalid', `Secret is invalid: data[${key}]: Required value`)
	if (type !== 'kubernetes.io/dockerconfigjson') return
	try {
		if (isRecord(JSON.parse(decode(data.get('.dockerconfigjson') ?? '')))) return
	} catch {
		// told below
	}
	throw new KubeError('invalid', 'Secret is invalid: data[.dockerconfigjson]: Invalid value (withheld)')
}
