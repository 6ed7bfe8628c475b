import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCertificate, createKeyPair, type KeyPair } from './certificate.ts'

/** A certificate authority: what clients trust, and the key that signs leaf certificates. */
export interface Authority {
	readonly certPem: string
	/** Common name, and the first moment it is valid. */
	readonly subject: string
	readonly notBefore: Date
	readonly keys: KeyPair
}

const SUBJECT = 'Azure Key Vault Emulator CA (not for production)'
export const CA_FILE = 'ca.crt'
export const CA_KEY_FILE = 'ca.key'

/** Ten years: nobody should have to trust a new CA in the life of a development machine. */
const CA_LIFETIME_MS = 3650 * 86_400_000
/** Clocks of containers and hosts differ by a little; a certificate must not be "not yet valid". */
export const BACKDATE_MS = 3_600_000

/** A new CA. It may sign only leaves (path length 0). */
export function createAuthority(now: number): Authority {
	const keys = createKeyPair()
	const notBefore = new Date(now - BACKDATE_MS)
	const certPem = createCertificate({
		subject: SUBJECT,
		issuer: SUBJECT,
		publicKey: keys.publicKey,
		signer: keys,
		notBefore,
		notAfter: new Date(now + CA_LIFETIME_MS),
		use: { kind: 'ca' },
	})
	return { certPem, subject: SUBJECT, notBefore, keys }
}

/**
 * The CA in `folder`, made there the first time.
 *
 * 1. Both files are there: read them; a folder mounted read-only is enough.
 * 2. Neither is there: make a CA; write the key first (mode 0600), each by rename, so that a crash between the
 *    two leaves a folder without `ca.crt`, which is case 2 again.
 * 3. A certificate without its key, or one that does not parse: an error that names the folder. Never overwritten.
 */
export async function loadAuthority(folder: string, now: number): Promise<Authority> {
	const certFile = join(folder, CA_FILE)
	const keyFile = join(folder, CA_KEY_FILE)
	const certPem = await readOptional(certFile)
	if (certPem === undefined) {
		const authority = createAuthority(now)
		await mkdir(folder, { recursive: true })
		await writeRenamed(keyFile, authority.keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string, 0o600)
		await writeRenamed(certFile, authority.certPem, 0o644)
		return authority
	}
	const keyPem = await readOptional(keyFile)
	if (keyPem === undefined)
		throw new Error(`${certFile} has no ${CA_KEY_FILE} beside it; delete it to have a new CA made`)
	try {
		const certificate = new X509Certificate(certPem)
		const privateKey = createPrivateKey(keyPem)
		if (!certificate.checkPrivateKey(privateKey)) throw new Error('certificate and key are not a pair')
		const subject = /^CN=(.+)$/m.exec(certificate.subject)?.[1]
		if (!certificate.ca || subject !== SUBJECT) throw new Error('this is not a CA that the emulator made')
		return {
			certPem,
			subject,
			notBefore: new Date(certificate.validFrom),
			keys: { privateKey, publicKey: createPublicKey(privateKey) },
		}
	} catch (error) {
		throw new Error(`the CA in ${folder} cannot be read; delete ${CA_FILE} and ${CA_KEY_FILE} to have a new one made`, {
			cause: error,
		})
	}
}

async function readOptional(file: string): Promise<string | undefined> {
	try {
		return await readFile(file, 'utf8')
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
		throw error
	}
}

async function writeRenamed(file: string, text: string, mode: number): Promise<void> {
	const temporary = `${file}.${process.pid}`
	await writeFile(temporary, text, { mode })
	await rename(temporary, file)
}
