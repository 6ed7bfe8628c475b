import { askForPolicy, POLICIES, type PolicyProbe } from '../cluster/admission-policies.ts'
import type { KubeTransport } from '../cluster/transport.ts'
import type { Clock } from '../process/clock.ts'
import type { Logger } from '../process/log.ts'

export interface PolicyOptions extends PolicyProbe {
	transport: Pick<KubeTransport, 'request'>
	clock: Clock
	log: Logger
	/** goes on without the policies */
	allowUnfenced: boolean
	signal: AbortSignal
}

// A policy is in force within a second of its creation, so this is soon enough and four requests are no load.
const EVERY_MS = 2_000

/**
 * Resolves when all admission policies are in force: without them the operator's rights would reach further than what it
 * promises. Says what it waits for when it begins, and again when that changes. Rejects when `signal` aborts.
 */
export async function waitForPolicies(options: PolicyOptions): Promise<void> {
	const { transport, clock, log, allowUnfenced, signal } = options
	const probe: PolicyProbe = { namespace: options.namespace, serviceAccount: options.serviceAccount, pod: options.pod }
	let said: string | undefined
	for (;;) {
		const answers = await Promise.all(
			POLICIES.map(async (policy) => ({ policy, ...(await askForPolicy(transport, policy, probe, signal)) })),
		)
		signal.throwIfAborted()
		const open = answers.filter(({ kind }) => kind !== 'stands')
		if (open.length === 0) {
			if (said !== undefined) log.info('all admission policies are in force')
			return
		}
		const problems = answers.flatMap((each) => {
			if (each.kind === 'stands') return []
			return [
				`azure-secret-binding-${each.policy} ${each.kind === 'missing' ? 'refuses nothing' : `(${each.message})`}`,
			]
		})
		const text = `admission policies are not in force: ${problems.join('; ')}. Apply deploy/kustomize/fence`
		if (allowUnfenced) {
			log.warn(`RUNNING WITHOUT ADMISSION POLICIES: ${text}.`)
			return
		}
		const what = open.map(({ policy }) => policy).join()
		if (said !== what) log.warn(`waiting: ${text}, or start with --allow-unfenced.`)
		said = what
		await clock.sleep(EVERY_MS, signal)
	}
}
