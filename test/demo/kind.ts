import { randomBytes } from 'node:crypto'
import type { Progress } from '../cluster/index.ts'
import {
	applyBinding,
	condition,
	getBinding,
	printedCommand,
	sha256,
	waitForBinding,
	waitReady,
} from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { bindingOf, createTenant, EXCHANGE_AUDIENCE, SECRETS_OFFICER, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { openWorld, type World } from '../kit/world.ts'

export interface DemoOptions {
	readonly progress: Progress
	/** Where the story goes, a line at a time. */
	readonly say: (line: string) => void
	readonly signal: AbortSignal
	/** The cluster stays: end with what to look at. */
	readonly keep: boolean
}

export const fingerprint = (value: string) => sha256(value).slice(0, 12)
/** A password as somebody would rotate it: 24 random bytes, printable. */
export const newValue = () => randomBytes(24).toString('base64url')

/** Tells the main job from an empty machine to a mended mistake. Rejects when a part does not happen. */
export async function runDemo({ progress, say, signal, keep }: DemoOptions): Promise<void> {
	const step: Progress['step'] = (name, run) => {
		signal.throwIfAborted()
		return progress.step(name, run)
	}
	const { world } = await openWorld({ progress, holder: 'npm run demo:kind', vaults: ['payments', 'orders'] })
	try {
		const tenant = await step('tenant: namespace, ServiceAccount, managed identity, PURISTA service', async () => {
			const made = await createTenant({ ...world, name: 'payments', vault: 'payments', role: SECRETS_OFFICER })
			await world.startService(made)
			return made
		})
		await firstSync(world, tenant, step, say)
		await rotation(world, tenant, step, say)
		await writeThroughStore(world, tenant, step, say)
		await wrongCredential(world, step, say)
		if (keep) lookAround(world, tenant, say)
		else say('\nTo look around next time: npm run demo:kind -- --keep, and npm run demo:kind -- down when done')
	} finally {
		await world.close()
	}
}

export type Step = Progress['step']
export type Say = DemoOptions['say']
export const indent = (text: string) => text.trimEnd().replaceAll(/^/gm, '    ')

async function firstSync(world: World, tenant: Tenant, step: Step, say: Say): Promise<void> {
	const value = newValue()
	await step('binding: kubectl apply, kubectl wait --for=condition=Ready', async () => {
		await world.control.setSecret({ vault: 'payments', name: 'payments-db', value })
		const secrets = [{ name: 'dbConnectionString', objectName: 'payments-db' }]
		say(indent(JSON.stringify((bindingOf(tenant, { secrets }) as { spec: object }).spec)))
		await applyBinding(world, tenant, { secrets })
		await waitReady(world, tenant)
	})
	say(indent(await kubectl(world.target, ['-n', tenant.namespace, 'get', 'asb'])))
	await step('service: has the secret', async (detail) => {
		await kubectl(world.target, ['-n', tenant.namespace, 'rollout', 'status', 'deployment/payments', '--timeout=180s'])
		const seen = await world.fingerprint(tenant, 'dbConnectionString')
		if (seen !== fingerprint(value)) throw new Error(`the service has ${seen}, the vault ${fingerprint(value)}`)
		detail(`context.secrets has the value with fingerprint ${seen}, as the vault`)
	})
}

async function rotation(world: World, tenant: Tenant, step: Step, say: Say): Promise<void> {
	const value = newValue()
	const before = await world.fingerprint(tenant, 'dbConnectionString')
	const took = await step('rotation: a new version in the vault', async (detail) => {
		// Taken before the call, so the way to the vault counts, too.
		const written = Date.now()
		const { version } = await world.control.setSecret({ vault: 'payments', name: 'payments-db', value })
		detail(`version ${version} written`)
		const change = await until(
			'the change in the service',
			async () =>
				(await world.changes(tenant)).find((each) => each.changes.some((change) => change.version === version)),
			{ everyMs: 50 },
		)
		return change.at - written
	})
	const after = await world.fingerprint(tenant, 'dbConnectionString')
	if (after !== fingerprint(value)) throw new Error(`the service has ${after}, the vault ${fingerprint(value)}`)
	say(
		`    fingerprint in the service ${before} → ${after}; vault write to onChange: ${(took / 1000).toFixed(2)} s (it polls every 5 s)`,
	)
}

async function writeThroughStore(world: World, tenant: Tenant, step: Step, say: Say): Promise<void> {
	await step('store: the service writes a secret', async () => {
		const written = await world.renew(tenant, 'dbConnectionString')
		const stored = await world.control.getSecret({ vault: 'payments', name: 'payments-db' })
		if (fingerprint(stored.value ?? '') !== written) throw new Error('the vault does not have what the service wrote')
		say(`    the vault has ${written}`)
		await until(
			'the value in the mount',
			async () => (await world.mountedFiles(tenant)).files['dbConnectionString']?.sha256.slice(0, 12) === written,
		)
		say(`    the mounted file has ${written}`)
	})
}

async function wrongCredential(world: World, step: Step, say: Say): Promise<void> {
	const tenant = await step('mistake: a federated credential for another subject', async () => {
		const made = await createTenant({ ...world, name: 'orders', vault: 'orders', federate: false })
		await world.control.addFederatedCredential({
			clientId: made.clientId,
			name: 'typing-error',
			issuer: made.issuer,
			subject: `${made.subject}s`,
			audience: EXCHANGE_AUDIENCE,
		})
		await world.control.setSecret({ vault: 'orders', name: 'apiKey', value: newValue() })
		await applyBinding(world, made, { name: 'orders', secrets: [{ name: 'apiKey' }] })
		return made
	})
	const refused = await step('mistake: what the binding says', () =>
		waitForBinding(world, tenant, 'Fresh False', (binding) => condition(binding, 'Fresh')?.status === 'False', {
			name: 'orders',
		}),
	)
	const fresh = condition(refused, 'Fresh')
	say(indent(`Fresh=${fresh?.status} ${fresh?.reason}\n${fresh?.message}`))
	await step('mistake: the printed line, run as it stands', async () => {
		await world.control.az({ command: printedCommand(fresh?.message ?? '') })
		await waitForBinding(world, tenant, 'Fresh True', (binding) => condition(binding, 'Fresh')?.status === 'True', {
			name: 'orders',
		})
	})
	const mended = await getBinding(world, tenant, 'orders')
	say(
		indent(
			`Fresh=${condition(mended, 'Fresh')?.status} ${condition(mended, 'Fresh')?.reason}, Ready=${condition(mended, 'Ready')?.status}`,
		),
	)
}

function lookAround(world: World, tenant: Tenant, say: Say): void {
	const { kubectl: program, kubeconfig, context } = world.target
	say(`
To look around:
    export KUBECONFIG=${kubeconfig}
    alias k='${program} --context ${context}'
    k get asb -A
    k -n ${tenant.namespace} describe asb payments
    k -n ${tenant.namespace} get secret payments-secrets -o jsonpath='{.data.\\.binding\\.json}' | base64 -d
    k -n ${world.operator.namespace} logs -l ${world.operator.podSelector}
    npm run demo:kind -- down`)
}
