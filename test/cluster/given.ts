import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { CommandFailed, run } from './run.ts'

/** A cluster the user names instead of one of ours. */
export interface Given {
	readonly kubeconfig: string
	readonly context: string
	/** Shell command that makes local image tags usable in the cluster: run with the tags as arguments. */
	readonly loadCommand: string | undefined
}

/**
 * Reads ASB_KUBECONFIG, ASB_CONTEXT and ASB_LOAD_COMMAND; undefined when no cluster is given. Throws when no context is
 * named: a kubeconfig's current context is what somebody used last, and tests must not run there by accident.
 */
export function readGiven(env: Readonly<Record<string, string | undefined>>): Given | undefined {
	const file = env['ASB_KUBECONFIG']
	if (!file) return undefined
	const context = env['ASB_CONTEXT']
	if (!context)
		throw new Error('ASB_KUBECONFIG is set, but not ASB_CONTEXT: name the context to use (kubectl config get-contexts)')
	const kubeconfig = resolve(file)
	if (!existsSync(kubeconfig)) throw new Error(`ASB_KUBECONFIG: there is no ${kubeconfig}`)
	return { kubeconfig, context, loadCommand: env['ASB_LOAD_COMMAND'] || undefined }
}

/** Rejects when the context is not in the kubeconfig. */
export async function checkContext(kubectl: string, given: Given): Promise<void> {
	const names = (await run(kubectl, ['--kubeconfig', given.kubeconfig, 'config', 'get-contexts', '--output=name']))
		.split('\n')
		.filter(Boolean)
	if (!names.includes(given.context)) {
		throw new Error(
			`ASB_CONTEXT: ${given.kubeconfig} has no context "${given.context}"; it has: ${names.join(', ') || 'none'}`,
		)
	}
}

export async function loadIntoGiven(given: Given, tags: readonly string[]): Promise<void> {
	if (tags.length === 0) return
	if (!given.loadCommand) {
		throw new Error(
			`the cluster has to get these images: ${tags.join(' ')}. Set ASB_LOAD_COMMAND to a command that does it, tags as ` +
				'arguments (for example: minikube image load; kind load docker-image --name NAME; k3d image import -c NAME)',
		)
	}
	try {
		await run('sh', ['-c', `${given.loadCommand} "$@"`, 'load', ...tags])
	} catch (error) {
		throw error instanceof CommandFailed ? new Error(`ASB_LOAD_COMMAND failed: ${error.message}`) : error
	}
}
