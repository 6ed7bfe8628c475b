import type { Delivery } from '../api/parse.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Permissions } from '../ports/cluster.ts'
import { type Account, grantLine, permitLine, TENANT_ROLE, TENANT_VOLUME_ROLE } from '../status/commands.ts'
import { withLine } from '../status/messages.ts'

type Refused = Extract<Outcome, { kind: 'refused' }>
const refused = (reason: Refused['reason'], message: string): Refused => ({ kind: 'refused', reason, message })

/**
 * A refusal for want of a permission, with the line that mends it. Without any grant in the namespace that is the one
 * RoleBinding; where something is granted, by whichever Role, it is the one permission that lacks there.
 */
export async function withGrant(
	{ reason, message, missing }: Refused,
	delivery: Delivery['type'],
	{ operator, permissions }: { operator: Account; permissions: Permissions },
): Promise<Refused> {
	if (!missing) return refused(reason, message)
	if (!(await isUngranted(missing, delivery, permissions)))
		return refused(reason, withLine(`${message}. Let it:`, permitLine(missing, operator)))
	return refused(
		'NotGranted',
		withLine(
			`The namespace ${missing.namespace} has not granted the operator the rights that a binding needs. Grant them:`,
			grantLine(missing.namespace, operator, delivery === 'Volume' ? TENANT_VOLUME_ROLE : TENANT_ROLE),
		),
	)
}

/** The ServiceAccount is what a binding asks for first. It, its tokens and Secrets: each grant gives at least one of them. */
async function isUngranted(
	missing: NonNullable<Refused['missing']>,
	delivery: Delivery['type'],
	permissions: Permissions,
): Promise<boolean> {
	if (missing.resource !== 'serviceaccounts') return false
	const others = [
		...(delivery === 'Secret' ? [{ ...missing, verb: 'create', resource: 'secrets', name: undefined }] : []),
		{ ...missing, verb: 'create', resource: 'serviceaccounts/token' },
	]
	for (const permission of others) if (await permissions.isAllowed(permission)) return false
	return true
}
