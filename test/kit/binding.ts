import { createHash } from 'node:crypto'
import { applyObjects, getObject, kubectl } from './kubectl.ts'
import { type BindingOptions, bindingOf, type Tenant } from './tenant.ts'
import { type UntilOptions, until } from './until.ts'
import type { World } from './world.ts'

export interface Condition {
	type: string
	status: 'True' | 'False' | 'Unknown'
	reason: string
	message: string
	observedGeneration?: number
}

export interface Binding {
	metadata: { name: string; namespace: string; generation: number; resourceVersion: string }
	status?: {
		observedGeneration?: number
		conditions?: Condition[]
		secrets?: Array<{ name: string; objectName: string; version?: string; state?: string; reason?: string }>
		synced?: string
		secretName?: string
		lastCheckTime?: string
	}
}

export interface KubeSecret {
	metadata: {
		uid: string
		resourceVersion: string
		labels?: Record<string, string>
		annotations?: Record<string, string>
		ownerReferences?: object[]
	}
	type: string
	data?: Record<string, string>
}

export function condition(binding: Binding, type: string): Condition | undefined {
	return binding.status?.conditions?.find((each) => each.type === type)
}

export async function applyBinding(world: World, tenant: Tenant, options: BindingOptions): Promise<void> {
	await applyObjects(world.target, [bindingOf(tenant, options)])
}

export function getBinding(world: World, tenant: Tenant, name = 'payments'): Promise<Binding> {
	return getObject<Binding>(world.target, ['-n', tenant.namespace, 'asb', name])
}

/** Waits until the binding, its status being about its present spec, satisfies `is`; the error shows its conditions. */
export async function waitForBinding(
	world: World,
	tenant: Tenant,
	what: string,
	is: (binding: Binding) => boolean | undefined,
	{ name = 'payments', ...options }: UntilOptions & { name?: string } = {},
): Promise<Binding> {
	let last: Binding | undefined
	try {
		return await until(
			what,
			async () => {
				last = await getBinding(world, tenant, name)
				return last.status?.observedGeneration === last.metadata.generation && is(last) ? last : undefined
			},
			options,
		)
	} catch (error) {
		throw new Error(`${(error as Error).message}; status: ${JSON.stringify(last?.status ?? null)}`, { cause: error })
	}
}

/** Waits as a user does: `kubectl wait --for=condition=Ready`. The error shows what the binding says. */
export async function waitReady(world: World, tenant: Tenant, name = 'payments'): Promise<Binding> {
	try {
		await kubectl(world.target, [
			...['-n', tenant.namespace, 'wait', `asb/${name}`, '--for=condition=Ready', '--timeout=120s'],
		])
	} catch (error) {
		const { status } = await getBinding(world, tenant, name)
		throw new Error(`${(error as Error).message}; status: ${JSON.stringify(status ?? null)}`, { cause: error })
	}
	return getBinding(world, tenant, name)
}

export function getSecret(world: World, tenant: Tenant, name = 'payments-secrets'): Promise<KubeSecret> {
	return getObject<KubeSecret>(world.target, ['-n', tenant.namespace, 'secret', name])
}

export const sha256 = (value: string | Buffer) => createHash('sha256').update(value).digest('hex')
/** A value of the Secret, decoded. */
export const decoded = (secret: KubeSecret, key: string) =>
	Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8')

/** The `az` line inside a condition message. Exactly one is expected. */
export function printedCommand(message: string): string {
	const lines = message
		.split('\n')
		.map((line) => line.trim())
		.filter((line) => line.startsWith('az '))
	if (lines.length !== 1 || lines[0] === undefined)
		throw new Error(`expected one line that starts with "az " in: ${message}`)
	return lines[0]
}
