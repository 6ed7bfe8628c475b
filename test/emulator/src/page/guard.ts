// Who may ask the control API, which has no login: programs, and of browsers only the page that it serves itself.
import type { IncomingMessage } from 'node:http'

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i
/**
 * Host names that nobody can register, and so nobody can point to us for a page of his own (DNS rebinding): addresses, names
 * without a dot, names of a cluster or a machine (RFC 2606, 6761, 6762, and `internal`, which ICANN keeps free).
 */
const NOT_FOR_SALE =
	/^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\]|[a-z0-9_-]+|[a-z0-9_.-]+\.(svc|local|localhost|internal|test))\.?(:\d+)?$/i

/**
 * Why a request is refused; undefined: it is not.
 * @param loopbackOnly the server listens on loopback, so it has no other name
 * @param navigation the page itself is asked for: following a link to it from elsewhere is no attack
 */
export function refusalOf(
	{ headers, method }: Pick<IncomingMessage, 'headers' | 'method'>,
	{ loopbackOnly, navigation }: { loopbackOnly: boolean; navigation: boolean },
): string | undefined {
	const host = headers.host ?? ''
	if (loopbackOnly && !LOOPBACK.test(host)) return 'this is not addressed to a loopback name'
	const { origin } = headers
	// Browsers send an Origin with every POST (Fetch, "append a request Origin header"), programs do not: those may use any name.
	const program = method === 'POST' && origin === undefined
	if (!program && !NOT_FOR_SALE.test(host)) {
		return `${host.slice(0, 100)} is a name that anybody could own; use an address, a name of the cluster (*.svc) or a port-forward`
	}
	// Only our own page has our own name in it.
	if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
		return `requests of pages from elsewhere are refused: the origin is ${origin.slice(0, 100)}, not http://${host}`
	}
	const site = headers['sec-fetch-site']
	if (!navigation && site !== undefined && site !== 'same-origin' && site !== 'none') {
		return 'requests of pages from elsewhere are refused'
	}
	return undefined
}
