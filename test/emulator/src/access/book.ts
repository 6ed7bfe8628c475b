// Who may do what: role assignments and access policies, and how the two models answer.
import type { EmulatorClock } from '../clock.ts'
import type { Random } from '../random.ts'
import { allows, BUILT_IN_ROLES, findRole, type Role } from './roles.ts'

/** The two permission models of a vault. */
export type AccessModel = 'rbac' | 'policy'

export interface Assignment {
	readonly id: string
	readonly clientId: string
	readonly role: string
	readonly vault: string
	/** Lower-case name when the scope is one secret. */
	readonly secret?: string
	/** From when (and until when) it counts: role changes take a while to propagate. */
	readonly from: number
	readonly until?: number
}

export interface AccessQuestion {
	readonly clientId: string
	readonly vault: string
	/** Lower-case name of the secret the operation is about; absent for lists. */
	readonly secret?: string | undefined
	readonly permission: { readonly policy: string; readonly action: string }
}

export type AccessAnswer = { allowed: true; assignmentId?: string } | { allowed: false }

/** Permissions that an access policy can have here: of secrets by name, of the others by area and name. */
export const POLICY_PERMISSIONS: readonly string[] = [
	...['all', 'backup', 'delete', 'get', 'list', 'purge', 'recover', 'restore', 'set'],
	...['all', 'create', 'delete', 'get', 'import', 'list', 'purge', 'recover', 'update'].flatMap((each) => [
		`keys/${each}`,
		`certificates/${each}`,
	]),
]

export class AccessBook {
	readonly #clock: EmulatorClock
	readonly #random: Random
	#delayMs: number
	#roles: Role[] = [...BUILT_IN_ROLES]
	#assignments: Assignment[] = []
	/** By vault, then client. */
	readonly #policies = new Map<string, Map<string, { permissions: readonly string[]; from: number }>>()

	constructor(options: { clock: EmulatorClock; random: Random; propagationDelayMs: number }) {
		this.#clock = options.clock
		this.#random = options.random
		this.#delayMs = options.propagationDelayMs
	}

	defineRole(role: { name: string; dataActions: readonly string[] }): Role {
		const defined = { ...role, id: this.#random.uuid() }
		this.#roles = [...this.#roles.filter((each) => each.name.toLowerCase() !== role.name.toLowerCase()), defined]
		return defined
	}

	/** The role's name as defined; undefined for an unknown one. */
	role(nameOrId: string): Role | undefined {
		return findRole(this.#roles, nameOrId)
	}

	setPropagationDelay(ms: number): void {
		this.#delayMs = ms
	}

	/** Granting twice is one assignment. */
	grant(grant: { clientId: string; role: Role; vault: string; secret?: string | undefined }): Assignment {
		const secret = grant.secret?.toLowerCase()
		const existing = this.#assignments.find(
			(each) => each.until === undefined && same(each, { ...grant, role: grant.role.name, secret }),
		)
		if (existing) return existing
		const assignment: Assignment = {
			id: this.#random.uuid(),
			clientId: grant.clientId,
			role: grant.role.name,
			vault: grant.vault,
			...(secret === undefined ? {} : { secret }),
			from: this.#effective(),
		}
		this.#assignments.push(assignment)
		return assignment
	}

	/** Ends the assignment; false when there was none. */
	revoke(grant: { clientId: string; role: Role; vault: string; secret?: string | undefined }): boolean {
		const wanted = { ...grant, role: grant.role.name, secret: grant.secret?.toLowerCase() }
		const now = this.#clock.now()
		let found = false
		this.#assignments = this.#assignments.flatMap((each) => {
			if (each.until !== undefined && each.until <= now) return []
			if (each.until !== undefined || !same(each, wanted)) return [each]
			found = true
			return this.#delayMs > 0 ? [{ ...each, until: this.#effective() }] : []
		})
		return found
	}

	/** Replaces the client's secret permissions, as `az keyvault set-policy --secret-permissions` does. */
	setPolicy(vault: string, clientId: string, permissions: readonly string[]): void {
		const policies = this.#policies.get(vault) ?? new Map<string, { permissions: readonly string[]; from: number }>()
		this.#policies.set(vault, policies)
		if (permissions.length === 0) policies.delete(clientId)
		else policies.set(clientId, { permissions, from: this.#effective() })
	}

	/** Takes what a state file kept. */
	load(kept: {
		assignments: readonly Assignment[]
		policies: ReadonlyArray<{ vault: string; clientId: string; permissions: readonly string[] }>
		roles: readonly Role[]
	}): void {
		this.#roles = [...BUILT_IN_ROLES, ...kept.roles]
		this.#assignments = [...kept.assignments]
		for (const { vault, clientId, permissions } of kept.policies) {
			const policies = this.#policies.get(vault) ?? new Map<string, { permissions: readonly string[]; from: number }>()
			policies.set(clientId, { permissions, from: 0 })
			this.#policies.set(vault, policies)
		}
	}

	/** Assignments in force, including those still on their way. */
	assignments(): readonly Assignment[] {
		const now = this.#clock.now()
		return this.#assignments.filter((each) => each.until === undefined || each.until > now)
	}

	policies(): ReadonlyArray<{ vault: string; clientId: string; permissions: readonly string[] }> {
		return [...this.#policies].flatMap(([vault, policies]) =>
			[...policies].map(([clientId, { permissions }]) => ({ vault, clientId, permissions })),
		)
	}

	customRoles(): readonly Role[] {
		return this.#roles.filter((role) => !BUILT_IN_ROLES.includes(role))
	}

	ask(model: AccessModel, question: AccessQuestion): AccessAnswer {
		const now = this.#clock.now()
		if (model === 'policy') {
			const policy = this.#policies.get(question.vault)?.get(question.clientId)
			const has =
				policy?.permissions.some((each) => each === question.permission.policy || each === allOf(question)) ?? false
			return { allowed: has && (policy?.from ?? 0) <= now }
		}
		for (const each of this.#assignments) {
			if (each.clientId !== question.clientId || each.vault !== question.vault) continue
			if (each.secret !== undefined && each.secret !== question.secret) continue
			if (each.from > now || (each.until !== undefined && each.until <= now)) continue
			const role = this.role(each.role)
			if (role && allows(role, question.permission.action)) return { allowed: true, assignmentId: each.id }
		}
		return { allowed: false }
	}

	clear(): void {
		this.#roles = [...BUILT_IN_ROLES]
		this.#assignments = []
		this.#policies.clear()
	}

	#effective(): number {
		return this.#clock.now() + this.#delayMs
	}
}

/** `all` of the kind of object that a permission is of. */
const allOf = ({ permission: { policy } }: AccessQuestion): string =>
	policy.includes('/') ? `${policy.split('/')[0]}/all` : 'all'

const same = (
	each: Assignment,
	wanted: { clientId: string; role: string; vault: string; secret?: string | undefined },
): boolean =>
	each.clientId === wanted.clientId &&
	each.role === wanted.role &&
	each.vault === wanted.vault &&
	each.secret === wanted.secret
