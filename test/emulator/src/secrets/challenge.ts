// The 401 of a vault: how a client learns which tenant and audience to get a token for.
import { type Incoming, originOf } from '../http/message.ts'
import type { EmulatorState, HostedVault } from '../state.ts'
import type { ClaimsChallenge } from '../tokens/access-tokens.ts'

const loginOrigin = (state: EmulatorState, request: Incoming): string =>
	originOf({ ...request, host: state.settings.names.loginHosts[0] as string })

/** `Bearer authorization="<login>/<tenant>", resource="<parent domain of the vault>"`. */
export const challengeHeader = (state: EmulatorState, hosted: HostedVault, request: Incoming): string =>
	`Bearer authorization="${loginOrigin(state, request)}/${hosted.tenantId}", resource="${state.settings.names.resource}"`

/** Continuous access evaluation: only this one makes a client get a new token. */
export const claimsChallengeHeader = (state: EmulatorState, request: Incoming, challenge: ClaimsChallenge): string =>
	`Bearer realm="", authorization_uri="${loginOrigin(state, request)}/common/oauth2/authorize", error="insufficient_claims", claims="${challenge.claims}"`
