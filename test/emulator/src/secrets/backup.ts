import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { badParameter } from '../http/service-error.ts'
import { corruptBackup } from './errors.ts'
import type { Secret, SecretVersion } from './model.ts'

/** More versions than this cannot be backed up. */
const MAX_VERSIONS = 500
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** An encrypted blob, base64url: nonce, tag, AES-256-GCM of the secret with all its versions. */
export function sealBackup(secret: Secret, key: Buffer): string {
	if (secret.versions.length > MAX_VERSIONS)
		throw badParameter(`A secret with more than ${MAX_VERSIONS} versions cannot be backed up.`)
	const nonce = randomBytes(NONCE_BYTES)
	const cipher = createCipheriv('aes-256-gcm', key, nonce)
	const text = JSON.stringify({ name: secret.name, versions: secret.versions })
	const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
	return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')
}

/** Undoes `sealBackup`; whatever was not sealed with this key is a 400 with a code of its own. */
export function openBackup(value: unknown, key: Buffer): Secret {
	try {
		const blob = Buffer.from(value as string, 'base64url')
		const decipher = createDecipheriv('aes-256-gcm', key, blob.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
		decipher.setAuthTag(blob.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
		const text = Buffer.concat([decipher.update(blob.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString()
		const { name, versions } = JSON.parse(text) as { name: string; versions: SecretVersion[] }
		return { name, versions, state: { kind: 'live', visibleAt: 0 } }
	} catch {
		throw corruptBackup()
	}
}
