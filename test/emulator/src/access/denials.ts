import { ServiceError } from '../http/service-error.ts'

/** Who was refused, as the service's texts print it. */
export interface CallerText {
	readonly clientId: string
	readonly objectId: string
	readonly issuer: string
}

const callerText = (caller: CallerText): string =>
	`appid=${caller.clientId};oid=${caller.objectId};iss=${caller.issuer}`

const forbidden = (inner: string, message: string): ServiceError =>
	new ServiceError(403, 'Forbidden', message, { inner })

/** A vault whose permission model is roles. `resource` is the ARM path of vault or secret. */
export function forbiddenByRbac(options: {
	caller: CallerText
	action: string
	resource: string
	vault: string
	region: string
}): ServiceError {
	const { caller, action, resource, vault, region } = options
	return forbidden(
		'ForbiddenByRbac',
		[
			'Caller is not authorized to perform action on resource.',
			'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
			`Caller: ${callerText(caller)}`,
			`Action: '${action}'`,
			`Resource: '${resource}'`,
			'Assignment: (not found)',
			'DenyAssignmentId: null',
			'DecisionReason: null ',
			`Vault: ${vault};location=${region}`,
			'',
		].join('\r\n'),
	)
}

/** A vault whose permission model is access policies. */
export const accessDenied = (options: {
	caller: CallerText
	permission: string
	vault: string
	region: string
}): ServiceError =>
	forbidden(
		'AccessDenied',
		`The user, group or application '${callerText(options.caller)}' does not have ${options.permission.includes('/') ? options.permission.replace('/', ' ') : `secrets ${options.permission}`} permission on key vault '${options.vault};location=${options.region}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287`,
	)

/** The vault's firewall does not list the client's address. */
export const forbiddenByFirewall = (options: {
	caller: CallerText
	address: string
	vault: string
	region: string
}): ServiceError =>
	forbidden(
		'ForbiddenByFirewall',
		`Client address is not authorized and caller is not a trusted service.\r\nClient address: ${options.address}\r\nCaller: ${callerText(options.caller)}\r\nVault: ${options.vault};location=${options.region}`,
	)

/** Public network access is off: only a private endpoint would do. */
export const forbiddenByConnection = (options: { caller: CallerText; vault: string; region: string }): ServiceError =>
	forbidden(
		'ForbiddenByConnection',
		`Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: ${callerText(options.caller)}\r\nVault: ${options.vault};location=${options.region}`,
	)

/** A conditional policy of the tenant wants another flow. */
export const forbiddenByPolicy = (options: { caller: CallerText }): ServiceError =>
	forbidden(
		'ForbiddenByPolicy',
		`The policy requires the caller '${callerText(options.caller)}' to use on-behalf-of (OBO) flow. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2152310`,
	)
