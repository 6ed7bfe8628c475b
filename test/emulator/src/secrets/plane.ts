// A request to a vault, from the bearer token to the answer.
import { accessDenied, forbiddenByConnection, forbiddenByFirewall, forbiddenByRbac } from '../access/denials.ts'
import { PERMISSIONS } from '../access/permissions.ts'
import { CERTIFICATE_OPERATIONS } from '../certificates/handlers.ts'
import { throttledText } from '../faults/reply.ts'
import type { Incoming, Reply } from '../http/message.ts'
import { ServiceError } from '../http/service-error.ts'
import { KEY_OPERATIONS } from '../keys/handlers.ts'
import type { EmulatorState, HostedVault } from '../state.ts'
import { type Caller, unauthorized } from '../tokens/access-tokens.ts'
import { checkApiVersion } from './api-version.ts'
import { SECRET_OPERATIONS } from './handlers.ts'
import type { OperationContext } from './operation.ts'
import type { Route, RouteMatch } from './routes.ts'

/** The caller of a request, or the 401 it gets. Judged before the path is even looked at. */
export async function authenticate(
	state: EmulatorState,
	hosted: HostedVault,
	request: Incoming,
): Promise<Caller | ServiceError> {
	const token = /^Bearer +([^ ]+) *$/i.exec(request.headers.authorization ?? '')?.[1]
	if (token === undefined) return unauthorized('AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token.')
	try {
		const caller = await state.tokens.verify(token)
		const issuer = state.settings.names.issuer(hosted.tenantId)
		if (caller.issuer !== issuer)
			throw unauthorized(`AKV10032: Invalid issuer. Expected one of ${issuer}, found ${caller.issuer}`)
		return caller
	} catch (error) {
		if (error instanceof ServiceError) return error
		throw error
	}
}

/** The verb that counts: `X-HTTP-METHOD` over POST is documented. */
export function effectiveMethod(request: Incoming): string {
	const override = request.headers['x-http-method']
	return request.method === 'POST' && typeof override === 'string' ? override.toUpperCase() : request.method
}

const OPERATIONS: Readonly<Record<Route, (context: OperationContext) => Reply | Promise<Reply>>> = {
	...SECRET_OPERATIONS,
	...KEY_OPERATIONS,
	...CERTIFICATE_OPERATIONS,
}

/** Operations that make a secret; everything else shares the other limit. */
const CREATES: ReadonlySet<Route> = new Set(['setSecret', 'restoreSecret'])

/**
 * Does what an authenticated caller asks; throws a ServiceError otherwise.
 *
 * 1. Throttle: a request over the limit is not looked at further, and not counted.
 * 2. API version, network, permission, in this order.
 * 3. The operation itself, which checks names' states, bodies and queries.
 */
export async function serve(
	state: EmulatorState,
	hosted: HostedVault,
	request: Incoming,
	caller: Caller,
	match: RouteMatch,
): Promise<Reply> {
	const { vault } = hosted
	const over = state.throttle.take(vault.name, CREATES.has(match.route) ? 'create' : 'other')
	if (over) {
		const headers: Record<string, string> = state.throttle.retryAfter
			? { 'Retry-After': String(over.retryAfterSeconds) }
			: {}
		throw new ServiceError(429, 'Throttled', throttledText(over.reason), { headers })
	}
	const apiVersion = checkApiVersion(request.query)
	const assignmentId = authorize(state, hosted, request, caller, match)
	const headers: Record<string, string> =
		assignmentId === undefined ? {} : { 'x-ms-keyvault-rbac-assignment-id': assignmentId }
	const { backupKey, pageSizes: sizes } = state
	try {
		const now = state.clock.now()
		const reply = await OPERATIONS[match.route]({ request, vault, match, apiVersion, backupKey, sizes, now })
		return { ...reply, headers: { ...reply.headers, ...headers } }
	} catch (error) {
		// What the role allowed and the operation refused names the assignment too.
		throw error instanceof ServiceError ? error.withHeaders(headers) : error
	}
}

/** Network first, then the permission model of the vault. The id of the role assignment that allowed it, if one did. */
function authorize(
	state: EmulatorState,
	hosted: HostedVault,
	request: Incoming,
	caller: Caller,
	match: RouteMatch,
): string | undefined {
	const { region, subscriptionId } = state.settings
	const vault = hosted.vault.name
	if (hosted.network === 'firewall')
		throw forbiddenByFirewall({ caller, address: request.remoteAddress, vault, region })
	if (hosted.network === 'private') throw forbiddenByConnection({ caller, vault, region })
	const permission = PERMISSIONS[match.route]
	const answer = state.access.ask(hosted.access, {
		clientId: caller.clientId,
		vault,
		// A role at the scope of a secret says nothing of a key of its name.
		secret: match.area === 'secrets' ? match.name?.toLowerCase() : undefined,
		permission,
	})
	if (answer.allowed) return answer.assignmentId
	if (hosted.access === 'policy') throw accessDenied({ caller, permission: permission.policy, vault, region })
	const resource = `${vaultResourceId(subscriptionId, vault)}${match.name === undefined ? '' : `/${match.area}/${match.name.toLowerCase()}`}`
	throw forbiddenByRbac({ caller, action: permission.action, resource, vault, region })
}

/** ARM id of a vault: lower case, as the service prints it. */
export const vaultResourceId = (subscriptionId: string, vault: string): string =>
	`/subscriptions/${subscriptionId}/resourcegroups/emulator/providers/microsoft.keyvault/vaults/${vault}`
