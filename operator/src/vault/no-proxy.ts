import { BlockList, isIP } from 'node:net'

/**
 * Whether a host is reached without the proxy, by a list in curl's forms: `*` (all), a name (it and all below it, with or without
 * a dot in front), an address, or a network such as 10.0.0.0/8 (for hosts that are addresses; names are not resolved).
 */
export function createBypass(noProxy: string): (host: string) => boolean {
	const entries = noProxy
		.split(/[\s,]+/)
		.filter((entry) => entry !== '')
		.map((entry) => entry.toLowerCase())
	const networks = new BlockList()
	const names: string[] = []
	for (const entry of entries) {
		const [address = '', bits] = entry.split('/')
		const family = isIP(address)
		if (family === 0) {
			names.push(entry.replace(/^\*?\./, '').replace(/\.$/, ''))
			continue
		}
		const most = family === 6 ? 128 : 32
		const prefix = bits === undefined ? most : /^[0-9]{1,3}$/.test(bits) ? Number(bits) : Number.NaN
		// A network that is none is passed over, as curl does.
		if (prefix <= most) networks.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4')
	}
	return (given) => {
		if (names.includes('*')) return true
		const host = given
			.toLowerCase()
			.replace(/^\[|\]$/g, '')
			.replace(/\.$/, '')
		const family = isIP(host)
		if (family !== 0) return networks.check(host, family === 6 ? 'ipv6' : 'ipv4')
		return names.some((name) => host === name || host.endsWith(`.${name}`))
	}
}
