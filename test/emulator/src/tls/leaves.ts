import { createSecureContext, type SecureContext } from 'node:tls'
import { type Names, placeOf } from '../names.ts'
import { type Authority, BACKDATE_MS } from './authority.ts'
import { createCertificate, createKeyPair } from './certificate.ts'

/** One certificate, usable by a TLS server. */
export interface Leaf {
	readonly cert: string
	readonly key: string
}

/** 397 days: the longest that clients with public-CA rules accept. */
const LEAF_LIFETIME_MS = 397 * 86_400_000
/** Contexts kept; one is some 10 KiB, and names beyond come from a scanner, not from a test. */
const MAX_CONTEXTS = 1000

/** A leaf for DNS names and addresses, signed by the authority. */
export function createLeaf(authority: Authority, names: readonly string[], now: number): Leaf {
	const keys = createKeyPair()
	const cert = createCertificate({
		subject: names[0] ?? '',
		issuer: authority.subject,
		publicKey: keys.publicKey,
		signer: authority.keys,
		notBefore: new Date(Math.max(now - BACKDATE_MS, authority.notBefore.getTime())),
		notAfter: new Date(now + LEAF_LIFETIME_MS),
		use: { kind: 'server', names },
	})
	return { cert, key: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string }
}

/** The names of the emulator's own machine, for clients that send no server name. */
export const localLeaf = (authority: Authority, now: number): Leaf =>
	createLeaf(authority, ['localhost', '127.0.0.1', '::1'], now)

/**
 * Makes certificates by server name, on demand and once. Only for names the emulator serves: a machine that
 * trusts this CA must not be exposed to certificates for anything else.
 */
export class LeafStore {
	readonly #authority: Authority
	readonly #names: Names
	readonly #now: () => number
	readonly #contexts = new Map<string, SecureContext>()

	constructor(authority: Authority, names: Names, now: () => number) {
		this.#authority = authority
		this.#names = names
		this.#now = now
	}

	/** Undefined for names that are not the emulator's: the server's default certificate answers, and does not fit. */
	context(serverName: string): SecureContext | undefined {
		const name = serverName.toLowerCase()
		const place = placeOf(name, this.#names)
		if (place.kind === 'unknown' || place.kind === 'local') return undefined
		let context = this.#contexts.get(name)
		if (!context) {
			if (this.#contexts.size >= MAX_CONTEXTS) this.#contexts.clear()
			context = createSecureContext({ ...createLeaf(this.#authority, [name], this.#now()), minVersion: 'TLSv1.2' })
			this.#contexts.set(name, context)
		}
		return context
	}
}
