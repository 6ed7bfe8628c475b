// One request of the HTTPS side, from its host name to its answer.
//
// 1. The host says which place is asked: a vault, the login host, or (on localhost) either, told apart by path.
// 2. The request is written to the log at arrival.
// 3. Vaults: token, then route. Login: route. Only now faults are picked, because they may name client and route.
// 4. A fault answers, or the real handler does.
// 5. The log entry is completed.
import type { LoggedRequest } from '../control/request-log.ts'
import { faultReply } from '../faults/reply.ts'
import type { ActiveFault } from '../faults/rules.ts'
import { handleManagement } from '../management/handler.ts'
import { placeOf } from '../names.ts'
import { challengeHeader, claimsChallengeHeader } from '../secrets/challenge.ts'
import { authenticate, effectiveMethod, serve } from '../secrets/plane.ts'
import { matchRoute, type RouteMatch } from '../secrets/routes.ts'
import type { EmulatorState, HostedVault } from '../state.ts'
import { ClaimsChallenge } from '../tokens/access-tokens.ts'
import { parseForm } from '../tokens/endpoint.ts'
import { handleLogin, matchLogin } from '../tokens/handler.ts'
import { loginHandler } from '../tokens/wiring.ts'
import type { Incoming, Reply } from './message.ts'
import { ServiceError } from './service-error.ts'
import { vaultHeaders } from './vault-headers.ts'

/** What happens to the connection: an answer, or one of the faults below HTTP. */
export type Outcome =
	| { kind: 'reply'; reply: Reply; body?: string; truncate?: boolean }
	| { kind: 'hang' }
	| { kind: 'reset' }

export interface Dispatch {
	readonly state: EmulatorState
	/** Rejects when the emulator is closed meanwhile. */
	readonly wait: (ms: number) => Promise<void>
}

export async function dispatch(context: Dispatch, request: Incoming): Promise<Outcome> {
	const { state } = context
	const place = placeOf(request.host, state.settings.names)
	if (place.kind === 'vault') return vaultRequest(context, request, place.vault)
	if (place.kind === 'login') return loginRequest(context, request)
	if (place.kind === 'management') return managementRequest(context, request)
	if (place.kind === 'local') {
		const [first] = state.vaults.keys()
		const toVault = /^\/(deleted)?(secrets|keys|certificates)(\/|$)/i.test(request.path) && first !== undefined
		return toVault ? vaultRequest(context, request, first) : loginRequest(context, request)
	}
	const entry = state.log.begin({ kind: 'other', route: 'unknown', method: request.method })
	return finish(entry, new ServiceError(404, 'NotFound', 'The emulator serves no such host name.').toReply())
}

async function vaultRequest(context: Dispatch, request: Incoming, name: string): Promise<Outcome> {
	const { state } = context
	const hosted = state.vaults.get(name)
	const entry = state.log.begin({ kind: 'vault', route: 'unknown', method: request.method, vault: name })
	if (!hosted)
		return finish(entry, new ServiceError(404, 'VaultNotFound', `The emulator has no vault named ${name}.`).toReply())
	const match = tryMatch(request)
	if (!(match instanceof ServiceError)) {
		entry.route = match.route
		if (match.name !== undefined && match.area === 'secrets') entry.secret = match.name
		if (match.version !== undefined) entry.version = match.version
	}
	const caller = await authenticate(state, hosted, request)
	if (!(caller instanceof ServiceError)) entry.clientId = caller.clientId
	return withFaults(context, request, entry, hosted, async () => {
		try {
			if (caller instanceof ServiceError) throw caller
			if (match instanceof ServiceError) throw match
			const reply = await serve(state, hosted, request, caller, match)
			if (request.method !== 'GET') state.changed()
			return vaultReply(state, hosted, request, reply)
		} catch (error) {
			if (!(error instanceof ServiceError)) throw error
			const claims: Record<string, string> =
				error instanceof ClaimsChallenge ? { 'WWW-Authenticate': claimsChallengeHeader(state, request, error) } : {}
			const reply = error.toReply()
			return vaultReply(state, hosted, request, { ...reply, headers: { ...reply.headers, ...claims } })
		}
	})
}

/** Headers every answer of a vault has; the challenge with every 401. */
function vaultReply(state: EmulatorState, hosted: HostedVault, request: Incoming, reply: Reply): Reply {
	const challenge = reply.status === 401 ? { 'WWW-Authenticate': challengeHeader(state, hosted, request) } : {}
	return { ...reply, headers: { ...vaultHeaders(state, request), ...challenge, ...reply.headers } }
}

function tryMatch(request: Incoming): RouteMatch | ServiceError {
	try {
		return matchRoute(effectiveMethod(request), request.path)
	} catch (error) {
		if (error instanceof ServiceError) return error
		throw error
	}
}

async function loginRequest(context: Dispatch, request: Incoming): Promise<Outcome> {
	const { state } = context
	const match = matchLogin(request.method, request.path)
	const entry = state.log.begin({
		kind: match?.route === 'token' ? 'token' : 'other',
		route: match?.route ?? 'unknown',
		method: request.method,
	})
	const clientId = match?.route === 'token' ? parseForm(request).get('client_id') : undefined
	// Only a known client is logged: the field is the caller's own text.
	if (clientId !== undefined && state.directory.client(clientId)) entry.clientId = clientId
	return withFaults(context, request, entry, undefined, () => handleLogin(loginHandler(state), request, match))
}

async function managementRequest(context: Dispatch, request: Incoming): Promise<Outcome> {
	const entry = context.state.log.begin({ kind: 'other', route: 'management', method: request.method })
	return withFaults(context, request, entry, undefined, () => handleManagement(context.state, request))
}

async function withFaults(
	context: Dispatch,
	request: Incoming,
	entry: LoggedRequest,
	hosted: HostedVault | undefined,
	answer: () => Reply | Promise<Reply>,
): Promise<Outcome> {
	const { state } = context
	let last: ActiveFault | undefined
	for (const active of state.faults.pick(entry)) {
		entry.fault = active.id
		if (active.fault.action === 'delay') await context.wait(active.fault.delayMs ?? 0)
		else last = active
	}
	if (!last) return finish(entry, await answer())
	switch (last.fault.action) {
		case 'hang':
		case 'reset':
			return { kind: last.fault.action }
		case 'truncate':
			return { ...finish(entry, await answer()), truncate: true }
		case 'garbage':
			return { ...finish(entry, { ...(await answer()), status: last.fault.status ?? 200 }), body: '\u0000{"value":' }
		case 'delay':
		case 'status':
		case 'html':
		case 'unauthorized':
		case 'challenge': {
			const { reply, body } = faultReply({ state, request, hosted, clientId: entry.clientId }, last.fault)
			const done = hosted ? vaultReply(state, hosted, request, reply) : reply
			return { ...finish(entry, done), ...(body === undefined ? {} : { body }) }
		}
	}
}

/** Completes the log entry with what is answered. */
function finish(entry: LoggedRequest, reply: Reply): { kind: 'reply'; reply: Reply } {
	entry.status = reply.status
	const code = errorCode(reply.json)
	if (code !== undefined) entry.code = code
	return { kind: 'reply', reply }
}

function errorCode(json: unknown): string | undefined {
	const { error, error_codes: codes } = (json ?? {}) as {
		error?: { code?: string; innererror?: { code?: string } } | string
		error_codes?: number[]
	}
	if (codes?.[0] !== undefined) return `AADSTS${codes[0]}`
	return typeof error === 'object' ? (error.innererror?.code ?? error.code) : undefined
}
