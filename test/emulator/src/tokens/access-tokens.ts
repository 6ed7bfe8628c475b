// Access tokens: issued in the v1 shape, and judged as a vault judges them.
import { createHash } from 'node:crypto'
import { type CryptoKey, decodeProtectedHeader, exportJWK, generateKeyPair, type JWK, jwtVerify, SignJWT } from 'jose'
import type { EmulatorClock } from '../clock.ts'
import { ServiceError } from '../http/service-error.ts'
import type { Names } from '../names.ts'
import type { Random } from '../random.ts'
import type { Client, Directory } from './directory.ts'

/** Whom a valid access token speaks for. */
export interface Caller {
	readonly clientId: string
	readonly objectId: string
	readonly tenantId: string
	readonly issuer: string
	/** The service that the token is for. */
	readonly audience: string
	/** Whole seconds. */
	readonly issuedAt: number
	readonly expiresAt: number
	/** Generation of the client's tokens; a lower one than the client's is revoked. */
	readonly generation: number
}

interface SigningKey {
	readonly kid: string
	readonly privateKey: CryptoKey
	readonly publicKey: CryptoKey
	readonly jwk: JWK
}

/** The claims of our own tokens that judging needs; a token with our signature has them. */
interface AccessClaims {
	readonly aud: string
	readonly iss: string
	readonly tid: string
	readonly appid: string
	readonly uti: string
	readonly oid: string
	readonly iat: number
	readonly exp: number
}

/** Tokens have a `uti` of 22 characters. */
const UTI_LENGTH = 22
const GENERATION_LENGTH = 4

/** Verified tokens remembered; one client has one token an hour. */
const MAX_VERIFIED = 1000
/** Signing keys kept after rotations, so that tokens of the last ones still verify. */
const MAX_KEYS = 3

export class AccessTokens {
	readonly #options: { clock: EmulatorClock; random: Random; names: Names; directory: Directory }
	/** Newest first. */
	#keys: SigningKey[] = []
	/** By the token's hash: a token in memory would be one more place to leak from. */
	readonly #verified = new Map<string, Caller>()

	private constructor(options: { clock: EmulatorClock; random: Random; names: Names; directory: Directory }) {
		this.#options = options
	}

	static async create(options: {
		clock: EmulatorClock
		random: Random
		names: Names
		directory: Directory
	}): Promise<AccessTokens> {
		const tokens = new AccessTokens(options)
		await tokens.rotate()
		return tokens
	}

	/** A new signing key. `forgetOld`: tokens of earlier keys no longer verify. */
	async rotate(options: { forgetOld?: boolean } = {}): Promise<void> {
		const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
		const kid = this.#options.random.hex(32)
		const key: SigningKey = {
			kid,
			privateKey,
			publicKey,
			jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' },
		}
		this.#keys = options.forgetOld ? [key] : [key, ...this.#keys].slice(0, MAX_KEYS)
		this.#verified.clear()
	}

	/** Public keys, as the tenant's `jwks_uri` shows them. */
	jwks(): { keys: JWK[] } {
		return { keys: this.#keys.map((key) => key.jwk) }
	}

	/** A token for the audience; `appidacr` is "2" for assertions and "1" for secrets. */
	async issue(
		client: Client,
		options: { audience: string; lifetimeSeconds: number; appidacr: '1' | '2'; claims?: boolean },
	): Promise<string> {
		const { clock, random, names } = this.#options
		const [key] = this.#keys
		if (!key) throw new Error('no signing key')
		const now = clock.seconds()
		const issuer = names.issuer(client.tenantId)
		return new SignJWT({
			aud: options.audience,
			iss: issuer,
			iat: now,
			nbf: now,
			exp: now + options.lifetimeSeconds,
			appid: client.clientId,
			appidacr: options.appidacr,
			idp: issuer,
			oid: client.objectId,
			sub: client.objectId,
			tid: client.tenantId,
			// Opaque to everybody else; for us its end says which generation of the client's tokens this is.
			uti: random.hex(UTI_LENGTH - GENERATION_LENGTH) + client.generation.toString(36).padStart(GENERATION_LENGTH, '0'),
			ver: '1.0',
			...(options.claims ? { xms_cc: ['CP1'] } : {}),
		})
			.setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid: key.kid, x5t: key.kid })
			.sign(key.privateKey)
	}

	/**
	 * Judges a bearer token.
	 *
	 * 1. It parses and its key is ours: otherwise AKV10046.
	 * 2. The signature fits.
	 * 3. Audience, issuer with tenant, times: each its own answer.
	 *
	 * `audiences`: the names of the service that is asked; a vault's by default.
	 */
	async verify(token: string, audiences: readonly string[] = this.#options.names.audiences): Promise<Caller> {
		const hash = createHash('sha256').update(token).digest('base64')
		let caller = this.#verified.get(hash)
		if (!caller) {
			caller = await this.#parse(token)
			if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear()
			this.#verified.set(hash, caller)
		}
		const { clock, directory } = this.#options
		if (!audiences.includes(caller.audience))
			throw unauthorized(`AKV10022: Invalid audience. Expected ${audiences.join(' or ')}, found: ${caller.audience}`)
		if (caller.expiresAt <= clock.seconds()) throw unauthorized("[TokenExpired] Error validating token: 'S2S12086'.")
		if (caller.generation < (directory.client(caller.clientId)?.generation ?? 0))
			throw new ClaimsChallenge(clock.seconds())
		return caller
	}

	/** Forgets which tokens were found valid. */
	forget(): void {
		this.#verified.clear()
	}

	async #parse(token: string): Promise<Caller> {
		const { names, directory } = this.#options
		const encodedHeader = token.split('.')[0]?.slice(0, 512) ?? ''
		let key: SigningKey | undefined
		try {
			const { kid } = decodeProtectedHeader(token)
			key = this.#keys.find((each) => each.kid === kid)
		} catch {
			throw unauthorized("[TokenInvalid] Error validating token: 'S2S12000'.")
		}
		if (!key)
			throw unauthorized(
				`AKV10046: Unable to resolve the key used for signature validation. EncodedJwtHeader: ${encodedHeader}`,
			)
		let claims: AccessClaims
		try {
			// Times are judged apart, by the emulator's clock at every call.
			const result = await jwtVerify(token, key.publicKey, {
				algorithms: ['RS256'],
				currentDate: new Date(0),
				clockTolerance: Number.MAX_SAFE_INTEGER,
			})
			claims = result.payload as unknown as AccessClaims
		} catch {
			throw unauthorized("[InvalidSignature] Error validating token: 'S2S12010'.")
		}
		const { aud, iss, tid, appid, oid, iat, exp, uti } = claims
		const expected = names.issuer(tid)
		if (iss !== expected || !directory.hasTenant(tid)) {
			throw unauthorized(`AKV10032: Invalid issuer. Expected one of ${expected}, found ${iss}`)
		}
		return {
			clientId: appid,
			objectId: oid,
			tenantId: tid,
			issuer: iss,
			audience: aud,
			issuedAt: iat,
			expiresAt: exp,
			generation: Number.parseInt(uti.slice(-GENERATION_LENGTH), 36),
		}
	}
}

/** The token was revoked: continuous access evaluation asks for one that is newer. */
export class ClaimsChallenge extends ServiceError {
	/** Base64 of the claims to ask for. */
	readonly claims: string

	constructor(notBefore: number) {
		super(401, 'Unauthorized', 'Continuous access evaluation resulted in a claims challenge.')
		this.claims = Buffer.from(
			JSON.stringify({ access_token: { nbf: { essential: true, value: String(notBefore) } } }),
		).toString('base64')
	}
}

export const unauthorized = (message: string): ServiceError => new ServiceError(401, 'Unauthorized', message)
