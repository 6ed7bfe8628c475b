import { describe, expect, it } from 'vitest'
import type { Permission } from '../status/commands.ts'
import { withGrant } from './grant.ts'

const operator = { namespace: 'system', name: 'operator' }
const account: Permission = { verb: 'get', resource: 'serviceaccounts', namespace: 'shop', name: 'app' }
const refusal = (missing: Permission | undefined) => ({
	kind: 'refused' as const,
	reason: 'TokenRequestRefused' as const,
	message: 'no',
	missing,
})
const allowing = (allowed: readonly string[]) => {
	const asked: Permission[] = []
	const isAllowed = (permission: Permission) => {
		asked.push(permission)
		return Promise.resolve(allowed.includes(`${permission.verb} ${permission.resource}`))
	}
	return { asked, permissions: { isAllowed } }
}

describe('a refusal for want of a permission', () => {
	it('is NotGranted with the line of the RoleBinding where nothing is granted', async () => {
		const { asked, permissions } = allowing([])
		expect(await withGrant(refusal(account), 'Secret', { operator, permissions })).toEqual({
			kind: 'refused',
			reason: 'NotGranted',
			message:
				'The namespace shop has not granted the operator the rights that a binding needs. Grant them:\nkubectl -n shop create rolebinding azure-secret-binding --clusterrole=azure-secret-binding-tenant --serviceaccount=system:operator',
		})
		expect(asked).toEqual([
			{ verb: 'create', resource: 'secrets', namespace: 'shop', name: undefined },
			{ verb: 'create', resource: 'serviceaccounts/token', namespace: 'shop', name: 'app' },
		])
	})

	it('of a binding by Volume asks for no right on Secrets', async () => {
		const { asked, permissions } = allowing(['create secrets'])
		const { reason, message } = await withGrant(refusal(account), 'Volume', { operator, permissions })
		expect(reason).toBe('NotGranted')
		expect(message).toContain('--clusterrole=azure-secret-binding-tenant-volume ')
		expect(asked.map(({ resource }) => resource)).toEqual(['serviceaccounts/token'])
	})

	it.each(['create secrets', 'create serviceaccounts/token'])(
		'is the one permission where something is granted: %s',
		async (granted) => {
			const { permissions } = allowing([granted])
			expect(await withGrant(refusal(account), 'Secret', { operator, permissions })).toMatchObject({
				reason: 'TokenRequestRefused',
				message: expect.stringContaining('--verb=get --resource=serviceaccounts --resource-name=app') as string,
			})
		},
	)

	it('asks nothing when something of the grant has worked already', async () => {
		const { asked, permissions } = allowing([])
		const token = { ...account, verb: 'create', resource: 'serviceaccounts/token' }
		expect(await withGrant(refusal(token), 'Secret', { operator, permissions })).toMatchObject({
			reason: 'TokenRequestRefused',
		})
		expect(asked).toEqual([])
	})

	it('stays as it is when no permission is missing', async () => {
		const { asked, permissions } = allowing([])
		expect(await withGrant(refusal(undefined), 'Secret', { operator, permissions })).toEqual({
			kind: 'refused',
			reason: 'TokenRequestRefused',
			message: 'no',
		})
		expect(asked).toEqual([])
	})
})
