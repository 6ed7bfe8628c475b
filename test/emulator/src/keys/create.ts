// Making keys and reading those that are imported.
import { createPrivateKey, createPublicKey, generateKeyPair, type JsonWebKey, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { badParameter, notEmulated } from '../http/service-error.ts'
import type { PublicJwk } from './model.ts'

const RSA_SIZES: readonly number[] = [2048, 3072, 4096]
/** Key Vault's names of curves, and OpenSSL's. */
const CURVES: Readonly<Record<string, string>> = {
	'P-256': 'prime256v1',
	'P-384': 'secp384r1',
	'P-521': 'secp521r1',
	'P-256K': 'secp256k1',
}
const DEFAULT_OPERATIONS: Readonly<Record<string, readonly string[]>> = {
	RSA: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
	EC: ['sign', 'verify'],
}
const OPERATIONS: ReadonlySet<string> = new Set([...(DEFAULT_OPERATIONS['RSA'] ?? []), 'import', 'export'])

export interface KeyRequest {
	readonly kty: unknown
	readonly size?: unknown
	readonly curve?: unknown
}

/** `RSA` or `EC` of a key type; hardware keys are made in software here. */
export function familyOf(kty: unknown): 'RSA' | 'EC' {
	if (kty === 'RSA' || kty === 'RSA-HSM') return 'RSA'
	if (kty === 'EC' || kty === 'EC-HSM') return 'EC'
	if (kty === 'oct' || kty === 'oct-HSM') throw notEmulated('symmetric keys')
	throw badParameter("Property 'kty' has invalid value.")
}

/** Off the event loop: an RSA key of 4,096 bits takes seconds. */
export async function createKey({ kty, size, curve }: KeyRequest): Promise<KeyObject> {
	if (familyOf(kty) === 'RSA') {
		const modulusLength = size ?? RSA_SIZES[0]
		if (!RSA_SIZES.includes(modulusLength as number)) throw badParameter("Property 'key_size' has invalid value.")
		return (await promisify(generateKeyPair)('rsa', { modulusLength: modulusLength as number })).privateKey
	}
	const namedCurve = CURVES[(curve ?? 'P-256') as string]
	if (namedCurve === undefined) throw badParameter("Property 'crv' has invalid value.")
	return (await promisify(generateKeyPair)('ec', { namedCurve })).privateKey
}

/** The key of a JWK with its private half, as an import has it. */
export function importedKey(jwk: Record<string, unknown>): KeyObject {
	const kty = familyOf(jwk['kty'])
	try {
		const crv = jwk['crv'] === 'P-256K' ? { crv: 'secp256k1' } : {}
		return createPrivateKey({ key: { ...jwk, kty, ...crv } as JsonWebKey, format: 'jwk' })
	} catch {
		throw badParameter("Property 'key' is not a private RSA or EC key.")
	}
}

/** The public half, under the key type that was asked for. */
export function publicJwk(key: KeyObject, kty: string): PublicJwk {
	const { n, e, crv, x, y } = createPublicKey(key).export({ format: 'jwk' })
	const found = { n, e, crv: crv === 'secp256k1' ? 'P-256K' : crv, x, y }
	const present = Object.entries(found).filter(([, value]) => value !== undefined)
	return { kty, ...(Object.fromEntries(present) as Omit<PublicJwk, 'kty'>) }
}

export function parseOperations(value: unknown, kty: string): readonly string[] {
	if (value === undefined || value === null) return DEFAULT_OPERATIONS[familyOf(kty)] ?? []
	if (!Array.isArray(value) || value.some((each) => !OPERATIONS.has(each as string)))
		throw badParameter("Property 'key_ops' has invalid value.")
	return value as string[]
}
