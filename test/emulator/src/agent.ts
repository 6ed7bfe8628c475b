import { lookup as dnsLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { Agent } from 'node:https'
import { type Names, placeOf } from './names.ts'

type Done = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/**
 * An agent for SDK clients in this process: it resolves the emulator's names to its address and trusts its CA. Any
 * other name is not found, so that a test cannot leave the machine.
 */
export function createAgent(names: Names, address: string, ca: string): Agent {
	const family = address.includes(':') ? 6 : 4
	return new Agent({
		keepAlive: true,
		ca,
		lookup: (hostname: string, options: LookupOptions, done: Done) => {
			switch (placeOf(hostname.toLowerCase(), names).kind) {
				case 'local':
					return dnsLookup(hostname, options, done)
				case 'unknown':
					return done(
						Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND', hostname }),
						'',
					)
				case 'vault':
				case 'login':
				case 'management':
					if (options.all) done(null, [{ address, family }])
					else done(null, address, family)
			}
		},
	})
}
