// The login host: token endpoint, discovery documents, keys.
import type { EmulatorClock } from '../clock.ts'
import { type Incoming, originOf, type Reply } from '../http/message.ts'
import type { Random } from '../random.ts'
import { entraError } from './codes.ts'
import { instanceDiscovery, openidConfiguration } from './discovery.ts'
import { parseForm, requestToken, type TokenEndpoint } from './endpoint.ts'
import { EntraError } from './entra-error.ts'

type LoginRoute = 'token' | 'openidConfiguration' | 'instanceDiscovery' | 'keys'

export interface LoginMatch {
	readonly route: LoginRoute
	readonly tenantId: string
}

const ROUTES: ReadonlyArray<readonly [LoginRoute, 'GET' | 'POST', RegExp]> = [
	['token', 'POST', /^\/([^/]+)\/oauth2\/v2\.0\/token\/?$/],
	['openidConfiguration', 'GET', /^\/([^/]+)\/(?:v2\.0\/)?\.well-known\/openid-configuration$/],
	['keys', 'GET', /^\/([^/]+)\/discovery\/(?:v2\.0\/)?keys$/],
	['instanceDiscovery', 'GET', /^\/(common)\/discovery\/instance$/],
]

/** The operation and tenant of a request; undefined when there is none of that method and path. */
export function matchLogin(method: string, path: string): LoginMatch | undefined {
	for (const [route, verb, pattern] of ROUTES) {
		const match = verb === method ? pattern.exec(path) : null
		if (match?.[1]) return { route, tenantId: match[1] }
	}
	return undefined
}

export interface LoginHandler extends TokenEndpoint {
	readonly clock: EmulatorClock
	readonly random: Random
	/** The tenant that instance discovery points to. */
	readonly defaultTenant: string
}

/** Answers a request to the login host. Every fault has Entra's error body. */
export async function handleLogin(
	handler: LoginHandler,
	request: Incoming,
	match: LoginMatch | undefined,
): Promise<Reply> {
	try {
		return await answer(handler, request, match)
	} catch (error) {
		if (!(error instanceof EntraError)) throw error
		return entraReply(handler, request, error)
	}
}

export function entraReply(
	handler: Pick<LoginHandler, 'clock' | 'random'>,
	request: Incoming,
	error: EntraError,
): Reply {
	const sent = request.query.get('client-request-id') ?? parseForm(request).get('client-request-id')
	const correlationId = sent !== undefined && /^[0-9a-f-]{36}$/i.test(sent) ? sent : handler.random.uuid()
	return error.toReply({
		now: handler.clock.now(),
		traceId: handler.random.uuid(),
		correlationId,
		loginOrigin: originOf(request),
	})
}

async function answer(handler: LoginHandler, request: Incoming, match: LoginMatch | undefined): Promise<Reply> {
	if (!match) throw entraError(900561, 'POST', request.method)
	const { tenantId } = match
	switch (match.route) {
		case 'token':
			return requestToken(handler, tenantId, request)
		case 'openidConfiguration':
			if (!handler.directory.hasTenant(tenantId)) throw entraError(90002, tenantId)
			return { status: 200, json: openidConfiguration(request, tenantId) }
		case 'instanceDiscovery':
			return { status: 200, json: instanceDiscovery(request, handler.defaultTenant, handler.names.loginHosts) }
		case 'keys':
			return { status: 200, json: handler.tokens.jwks() }
	}
}
