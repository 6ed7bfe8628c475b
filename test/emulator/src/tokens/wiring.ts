import type { EmulatorState } from '../state.ts'
import type { LoginHandler } from './handler.ts'
import type { ManagedIdentity } from './managed-identity.ts'

/** Entra sends `refresh_in` for long-lived tokens only, and at half of their life. */
const REFRESH_IN_FROM_S = 7_200

/** What the login host needs of the emulator's state. */
export function loginHandler(state: EmulatorState): LoginHandler {
	const { settings, clock, random, directory, tokens, issuers } = state
	const { names, tenantId, tokenLifetimeSeconds: seconds } = settings
	const ownIssuer = (issuer: string): boolean =>
		issuer.startsWith('https://sts.windows.net/') ||
		names.loginHosts.some((host) => issuer.startsWith(`https://${host}/`) || issuer.startsWith(`https://${host}:`))
	const refreshIn = settings.refreshInSeconds ?? (seconds > REFRESH_IN_FROM_S ? Math.floor(seconds / 2) : undefined)
	return {
		names,
		directory,
		tokens,
		clock,
		random,
		defaultTenant: tenantId,
		judge: { clock, directory, issuers, ownIssuer },
		lifetime: { seconds, refreshIn },
	}
}

/** What the managed identity endpoint needs of the emulator's state. */
export const managedIdentity = ({ settings, clock, directory, tokens }: EmulatorState): ManagedIdentity => ({
	clock,
	names: settings.names,
	directory,
	tokens,
	lifetimeSeconds: settings.tokenLifetimeSeconds,
})
