import type { Progress } from '../cluster/index.ts'
import { applyBinding, printedCommand } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { filesOf, NODE_NAMESPACE, podRuns, removeNodeRole, startVolumePod } from '../kit/node-role.ts'
import { bindingOf, SECRETS_USER, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { createVolumeTenant, ensureNodeRole, eventOf, volume } from '../kit/volume-stage.ts'
import { openWorld, type World } from '../kit/world.ts'
import { type DemoOptions, fingerprint, indent, newValue, type Say, type Step } from './kind.ts'

const SECRETS = [{ name: 'dbConnectionString', objectName: 'payments-db' }]
const POD = 'payments-0'

/** The same main job with memory volumes: a pod that waits for its role, starts, is rotated, and leaves nothing. */
export async function runVolumeDemo({ progress, say, signal, keep }: DemoOptions): Promise<void> {
	const step: Progress['step'] = (name, run) => {
		signal.throwIfAborted()
		return progress.step(name, run)
	}
	const { world } = await openWorld({ progress, holder: 'npm run demo:kind -- --volume', vaults: ['payments'] })
	try {
		const tenant = await step('node role: kubectl apply -k deploy/kustomize/node', async () => {
			await ensureNodeRole(world)
			return createVolumeTenant(world, { name: 'payments', vault: 'payments', role: null })
		})
		const value = newValue()
		await world.control.setSecret({ vault: 'payments', name: 'payments-db', value })
		await missingRole(world, tenant, step, say)
		await firstFiles(world, tenant, value, step, say)
		await rotation(world, tenant, step, say)
		await noSecret(world, tenant, step, say)
		if (keep) lookAround(world, tenant, say)
		else await ends(world, tenant, step, say)
	} finally {
		await world.close()
	}
}

async function missingRole(world: World, tenant: Tenant, step: Step, say: Say): Promise<void> {
	const note = await step('pod: its identity has no role on the vault yet', async () => {
		say(indent(JSON.stringify((bindingOf(tenant, { secrets: SECRETS, spec: volume() }) as { spec: object }).spec)))
		await applyBinding(world, tenant, { secrets: SECRETS, spec: volume() })
		await startVolumePod(world, tenant, { name: POD })
		return eventOf(world, tenant, POD, 'SecretsNotMounted', SECRETS_USER)
	})
	say(indent(`the pod waits. kubectl describe pod ${POD} shows the event SecretsNotMounted:\n${note}`))
	await step('pod: the printed line, run as it stands', () => world.control.az({ command: printedCommand(note) }))
}

async function firstFiles(world: World, tenant: Tenant, value: string, step: Step, say: Say): Promise<void> {
	await step('pod: starts with its files', async () => {
		await podRuns(world, tenant, POD, 120)
		await hasValue(world, tenant, value)
	})
	const { files, mount } = await filesOf(world, tenant, POD)
	const names = Object.entries(files).map(([name, { bytes, mode }]) => `${name}  ${bytes} bytes, mode ${mode}`)
	say(indent([...names, `mounted as: ${mount}`].join('\n')))
	say(indent(await kubectl(world.target, ['-n', tenant.namespace, 'get', 'asb'])))
}

const hasValue = (world: World, tenant: Tenant, value: string) =>
	until('the value of the vault in the pod', async () => {
		const { files } = await filesOf(world, tenant, POD)
		return files['dbConnectionString']?.sha256.startsWith(fingerprint(value)) === true
	})

async function rotation(world: World, tenant: Tenant, step: Step, say: Say): Promise<void> {
	const value = newValue()
	const took = await step('rotation: a new version in the vault', async () => {
		const written = Date.now()
		await world.control.setSecret({ vault: 'payments', name: 'payments-db', value })
		await hasValue(world, tenant, value)
		return Date.now() - written
	})
	say(
		`    the file in the running pod has the fingerprint ${fingerprint(value)}, as the vault, ${(took / 1000).toFixed(1)} s after the write (it polls every 5 s)`,
	)
}

async function noSecret(world: World, tenant: Tenant, step: Step, say: Say): Promise<void> {
	const secrets = await step('cluster: kubectl get secrets', () =>
		kubectl(world.target, ['-n', tenant.namespace, 'get', 'secrets', '-o', 'name']),
	)
	if (secrets.trim() !== '') throw new Error(`there are Secrets: ${secrets}`)
	say('    there is none: the value went from the vault into the memory of the node, and not through etcd')
}

async function ends(world: World, tenant: Tenant, step: Step, say: Say): Promise<void> {
	await step('end: the pod, then the node role', async () => {
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pod', POD, '--timeout=90s'])
		await removeNodeRole(world)
	})
	say('\nTo look around next time: npm run demo:kind -- --volume --keep, and npm run demo:kind -- down when done')
}

function lookAround(world: World, tenant: Tenant, say: Say): void {
	const { kubectl: program, kubeconfig, context } = world.target
	say(`
To look around:
    export KUBECONFIG=${kubeconfig}
    alias k='${program} --context ${context}'
    k -n ${tenant.namespace} get asb,pods
    k -n ${tenant.namespace} describe pod ${POD}
    k -n ${NODE_NAMESPACE} logs -l app.kubernetes.io/component=node
    npm run demo:kind -- down`)
}
