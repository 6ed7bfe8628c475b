// Reading a PKCS#12 file: the chain as OpenSSL finds it, the key from its bag.
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { duplexPair } from 'node:stream'
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'

const DATA = '1.2.840.113549.1.7.1'
const KEY_BAG = '1.2.840.113549.1.12.10.1.1'
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2'

interface Node {
	readonly tag: number
	/** With tag and length. */
	readonly whole: Buffer
	readonly content: Buffer
}

/** The elements of a DER content, one after the other. Throws for what is cut off. */
function elements(der: Buffer): Node[] {
	const found: Node[] = []
	for (let at = 0; at < der.length; ) {
		const first = der[at + 1] as number
		const count = first < 0x80 ? 0 : first & 0x7f
		// Four bytes of length are more than any body that is read.
		if (first === 0x80 || count > 4) throw new Error('not DER')
		const length = count === 0 ? first : der.readUIntBE(at + 2, count)
		const start = at + 2 + count
		if (!(start + length <= der.length)) throw new Error('DER is cut off')
		found.push({
			tag: der[at] as number,
			whole: der.subarray(at, start + length),
			content: der.subarray(start, start + length),
		})
		at = start + length
	}
	return found
}

const child = (node: Node | undefined, index: number): Node => {
	const found = node && elements(node.content)[index]
	if (!found) throw new Error('not a PKCS#12 file')
	return found
}

function oidOf(node: Node): string {
	const arcs: number[] = []
	let arc = 0
	for (const byte of node.content) {
		arc = arc * 128 + (byte & 0x7f)
		if (byte < 0x80) {
			arcs.push(arc)
			arc = 0
		}
	}
	const [first = 0, ...rest] = arcs
	return [Math.min(2, Math.floor(first / 40)), first - 40 * Math.min(2, Math.floor(first / 40)), ...rest].join('.')
}

/**
 * The first private key of the bags that are not encrypted as a whole; a bag of its own encryption is OpenSSL's task.
 * PFX ::= SEQUENCE { version, authSafe ContentInfo, … }; authSafe's content is the contents, theirs are the bags.
 */
function keyOf(pfx: Buffer, passphrase: string): KeyObject | undefined {
	const inner = (info: Node): Buffer => child(child(info, 1), 0).content
	const [file] = elements(pfx)
	const safe = elements(inner(child(file, 1)))[0]
	for (const info of elements(safe?.content ?? Buffer.alloc(0))) {
		if (oidOf(child(info, 0)) !== DATA) continue
		for (const bag of elements(elements(inner(info))[0]?.content ?? Buffer.alloc(0))) {
			const kind = oidOf(child(bag, 0))
			const key = child(child(bag, 1), 0).whole
			if (kind === KEY_BAG) return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
			if (kind === SHROUDED_KEY_BAG) return createPrivateKey({ key, format: 'der', type: 'pkcs8', passphrase })
		}
	}
	return undefined
}

/** The chain that a server with this context would send, leaf first: a handshake in memory tells it. */
function chainOf(secureContext: SecureContext): Promise<Buffer[]> {
	const [ours, theirs] = duplexPair()
	return new Promise((resolve, reject) => {
		const server = new TLSSocket(theirs, { isServer: true, secureContext })
		const client = connect({ socket: ours, rejectUnauthorized: false })
		const end = (): void => {
			client.destroy()
			server.destroy()
		}
		const fail = (error: Error): void => {
			end()
			reject(error)
		}
		server.once('error', fail)
		client.once('error', fail)
		client.once('secureConnect', () => {
			const chain: Buffer[] = []
			for (let next = client.getPeerCertificate(true); next?.raw; next = next.issuerCertificate) {
				if (chain.some((each) => each.equals(next.raw))) break
				chain.push(next.raw)
			}
			end()
			resolve(chain)
		})
	})
}

const pemOf = (der: Buffer): string =>
	`-----BEGIN CERTIFICATE-----\n${(der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`

/** Key and chain (PEM, leaf first) of a PKCS#12 file. Rejects for a wrong password and for what is none. */
export async function readPfx(pfx: Buffer, passphrase: string): Promise<{ key: KeyObject; chain: string[] }> {
	const secureContext = createSecureContext({ pfx, passphrase })
	const key = keyOf(pfx, passphrase)
	if (!key) throw new Error('the key is not in a bag that can be read')
	return { key, chain: (await chainOf(secureContext)).map(pemOf) }
}
