import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { getCACertificates } from 'node:tls'

/**
 * A file with the emulator's CA and every other one that this machine trusts. Programs whose TLS library takes one
 * file instead of the system's (OpenSSL's `SSL_CERT_FILE`) reach other hosts with it too.
 *
 * The two lists of Node: its own one, with `NODE_EXTRA_CA_CERTS`, and the system's.
 */
export async function writeTrustBundle(file: string, caPem: string): Promise<void> {
	const others = new Set([...getCACertificates('default'), ...getCACertificates('system')].map((pem) => pem.trim()))
	others.delete(caPem.trim())
	await mkdir(dirname(file), { recursive: true })
	// By rename: another emulator's users may be reading it.
	const temporary = `${file}.${process.pid}`
	await writeFile(temporary, `${[caPem.trim(), ...others].join('\n')}\n`, { mode: 0o644 })
	await rename(temporary, file)
}
