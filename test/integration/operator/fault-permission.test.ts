import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectDelivered, openRow, type Row, wentAndCame } from './fault-case.ts'
import { AUDIENCE, azLine, condition, openStage, ROLE, type Stage } from './stage.ts'

// Rows of the table of faults that somebody has to mend, each of a binding that was delivered: reason, words, one event,
// untouched data, no flapping; and what the message says to do, done as it stands, turns the binding Fresh.

interface Case {
	name: string
	access?: 'policy'
	/** Breaks it; @returns what mends it, given the message */
	happens(row: Row): Promise<(message: string) => Promise<unknown>>
	reason: string
	/** parts of the message */
	says(row: Row): string[]
}

const az = (row: Row) => (message: string) => row.stage.emulator.control.az({ command: azLine(message) })

const network = (name: string, network: 'firewall' | 'private', reason: string): Case => ({
	name,
	reason,
	async happens({ vault, stage: { emulator } }) {
		await emulator.control.setNetwork({ vault, network })
		return () => emulator.control.setNetwork({ vault, network: 'open' })
	},
	says: ({ vault }) => [vault, 'This is the network, not a missing permission'],
})

/** A refusal that an emulator's rule makes; mended by ending the rule. */
const refused = (name: string, innerCode: string, reason: string): Case => ({
	name,
	reason,
	async happens({ vault, stage: { emulator } }) {
		const fault = { match: { vault }, action: 'status', status: 403, code: 'Forbidden', innerCode } as const
		const { id } = await emulator.control.addFault(fault)
		return () => emulator.control.removeFault(id)
	},
	says: ({ vault, clientId }) => [vault, clientId],
})

/** Another federated credential than the right one: Entra's own judgement gives the code. */
const federation = (
	code: string,
	wrong?: (row: Row) => { issuer?: string; subject?: string; audience?: string },
): Case => ({
	name: `f${code}`,
	reason: 'FederationNotFound',
	async happens(row) {
		const { clientId, stage } = row
		const { issuer, subject } = stage
		const right = { clientId, name: 'wrong', issuer, subject, audience: AUDIENCE }
		if (wrong) await stage.emulator.control.addFederatedCredential({ ...right, ...wrong(row) })
		await row.unfederate()
		return async (message) => {
			const asked = (await stage.emulator.control.requests()).filter((each) => each.clientId === clientId)
			expect(asked.map((each) => each.code)).toContain(`AADSTS${code}`)
			await az(row)(message)
		}
	},
	says: ({ clientId, stage }) => [clientId, stage.issuer, stage.subject, AUDIENCE],
})

/** A code that the state of an emulator cannot bring about while other rows run. */
const entra = (code: string, reason: string): Case => ({
	name: `e${code}`,
	reason,
	async happens({ clientId, stage: { emulator } }) {
		const fault = { match: { route: 'token', clientId }, action: 'status', code: `AADSTS${code}` } as const
		const { id } = await emulator.control.addFault(fault)
		await emulator.control.revokeTokens({ clientId })
		return () => emulator.control.removeFault(id)
	},
	says: () => [`AADSTS${code}`, 'payments'],
})

const CASES: Case[] = [
	{
		name: 'rbac',
		reason: 'ForbiddenByRbac',
		async happens(row) {
			await row.stage.emulator.control.revoke({ clientId: row.clientId, role: ROLE, vault: row.vault })
			return az(row)
		},
		says: ({ vault, clientId }) => [vault, clientId, 'az role assignment create --role "Key Vault Secrets User"'],
	},
	{
		name: 'policy',
		access: 'policy',
		reason: 'AccessDenied',
		async happens(row) {
			const { vault, clientId, stage } = row
			await stage.emulator.control.setPolicy({ vault, clientId, secretPermissions: [] })
			return az(row)
		},
		says: ({ vault, clientId }) => [vault, clientId, 'az keyvault set-policy', '--secret-permissions get list'],
	},
	network('firewall', 'firewall', 'ForbiddenByFirewall'),
	network('private', 'private', 'ForbiddenByConnection'),
	refused('azurepolicy', 'ForbiddenByPolicy', 'ForbiddenByPolicy'),
	refused('unknown', 'ForbiddenForFun', 'Forbidden'),
	federation('70025'),
	federation('700211', () => ({ issuer: 'https://another-cluster.example' })),
	federation('700212', () => ({ audience: 'api://AKSIdentityBinding' })),
	federation('700213', ({ stage }) => ({ subject: `${stage.subject}s` })),
	federation('7002138', ({ stage }) => ({ subject: stage.subject.replace('system', 'System') })),
	{
		...federation('70021'),
		async happens(row) {
			const { clientId, stage } = row
			const { control } = stage.emulator
			// As while a new credential propagates, which is a setting of the whole emulator.
			const fault = { match: { route: 'token', clientId }, action: 'status', code: 'AADSTS70021' } as const
			const { id } = await control.addFault(fault)
			await row.unfederate()
			return async (message) => {
				await az(row)(message)
				await control.removeFault(id)
			}
		},
	},
	entra('700016', 'IdentityNotFound'),
	entra('90002', 'IdentityNotFound'),
	entra('700024', 'FederationRefused'),
	entra('7000272', 'FederationRefused'),
	{
		name: 'unauthorized',
		reason: 'Unauthorized',
		async happens({ vault, stage: { emulator } }) {
			const { id } = await emulator.control.addFault({ match: { vault }, action: 'unauthorized' })
			return () => emulator.control.removeFault(id)
		},
		says: ({ vault, clientId }) => [vault, clientId, 'does not accept the token'],
	},
]

describe.concurrent('a delivered binding', () => {
	let stage: Stage
	beforeAll(async () => {
		// Backoff is capped at a minute: three seconds, on this clock.
		stage = await openStage({ name: 'permission', times: 20 })
		await stage.start()
	})
	afterAll(() => stage?.close())

	it.each(CASES)('meets $name: $reason, and is Fresh again when it is mended', async (each) => {
		const row = await openRow(stage, each.name, each.access ? { access: each.access } : {})
		await row.deliver()
		const mend = await each.happens(row)
		const stale = await row.stale(each.reason)
		const message = condition(stale, 'Fresh')?.message ?? ''
		for (const part of each.says(row)) expect(message).toContain(part)
		await expectDelivered(row, stale)
		await mend(message)
		await row.fresh()
		await row.untouched()
		await row.told(wentAndCame(each.reason))
	})
})
