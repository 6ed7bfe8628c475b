import type { ParsedBinding } from '../api/parse.ts'
import type { VolumeRequest } from './request.ts'

/** What is true of the pod and its binding before anything is asked of a vault. */
export function whyNot(parsed: ParsedBinding | undefined, request: VolumeRequest): string | undefined {
	const { namespace, binding: name, serviceAccount } = request
	if (!parsed)
		return `The namespace ${namespace} has no AzureSecretBinding ${name}. Create it, or correct volumeAttributes.binding of the pod.`
	if (parsed.kind === 'suspended') return `The AzureSecretBinding ${name} is suspended: take spec.suspend away.`
	if (parsed.kind === 'invalid') return `The AzureSecretBinding ${name} is not valid: ${parsed.problem}.`
	const { binding } = parsed
	if (binding.delivery.type !== 'Volume')
		return `The AzureSecretBinding ${name} is delivered by a Secret: write delivery.type: Volume, or mount the Secret.`
	const wanted = binding.identity.serviceAccountName
	if (wanted !== serviceAccount)
		return `The AzureSecretBinding ${name} is for the ServiceAccount ${wanted}, and the pod runs as ${serviceAccount}. Write serviceAccountName: ${wanted} into the pod.`
	return undefined
}
