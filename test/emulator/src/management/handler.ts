// The management API as far as `az login` reads it: which subscriptions and tenants a token may see.
import type { Incoming, Reply } from '../http/message.ts'
import { notEmulated, ServiceError } from '../http/service-error.ts'
import type { EmulatorState } from '../state.ts'

/** Answers with the one subscription and the caller's tenant; everything else of the management API is not there. */
export async function handleManagement(state: EmulatorState, request: Incoming): Promise<Reply> {
	try {
		return await answer(state, request)
	} catch (error) {
		if (!(error instanceof ServiceError)) throw error
		return error.toReply()
	}
}

async function answer(state: EmulatorState, request: Incoming): Promise<Reply> {
	const { settings, tokens } = state
	const bearer = /^Bearer +([^ ]+) *$/i.exec(request.headers.authorization ?? '')?.[1]
	if (bearer === undefined)
		throw new ServiceError(401, 'AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.")
	// Any of the other services' audiences would do for a list of one; only the management API's own is accepted.
	const audiences = settings.names.otherAudiences.filter((each) => each.startsWith('https://management.'))
	const { tenantId } = await tokens.verify(bearer, [...audiences, ...audiences.map((each) => `${each}/`)])
	const path = request.path.toLowerCase().replace(/\/$/, '')
	if (request.method !== 'GET' || (path !== '/subscriptions' && path !== '/tenants'))
		throw notEmulated('the management API beyond the list of subscriptions')
	const item = path === '/tenants' ? tenant(tenantId) : subscription(settings.subscriptionId, tenantId)
	return { status: 200, json: { value: [item], count: { type: 'Total', value: 1 } } }
}

const tenant = (tenantId: string): object => ({ id: `/tenants/${tenantId}`, tenantId, displayName: 'emulator' })

const subscription = (subscriptionId: string, tenantId: string): object => ({
	id: `/subscriptions/${subscriptionId}`,
	authorizationSource: 'RoleBased',
	managedByTenants: [],
	subscriptionId,
	tenantId,
	displayName: 'emulator',
	state: 'Enabled',
	subscriptionPolicies: {
		locationPlacementId: 'Internal_2014-09-01',
		quotaId: 'Internal_2014-09-01',
		spendingLimit: 'Off',
	},
})
