import { isKubeError, type KubeError } from '../adapters/kube/errors.ts'
import type { Binding } from '../api/parse.ts'
import { type Refusal, refused, refusedBy } from './identity.ts'

/** The API server gave no token; told apart from its refusals of other things. */
export class TokenRefused extends Error {
	override readonly name = 'TokenRefused'
	readonly refusal: Refusal

	constructor({ identity }: Binding, error: KubeError) {
		super(error.message)
		const account = identity.serviceAccountName
		this.refusal =
			error.kind === 'notFound'
				? refused('ServiceAccountNotFound', `The ServiceAccount ${account} went away.`)
				: refusedBy(error, 'TokenRequestRefused', `The API server refuses a token of the ServiceAccount ${account}`)
	}
}

/** Work that asks the vault: the only calls to the API server in there are for tokens. @throws TokenRefused */
export async function askingVault<T>(binding: Binding, work: Promise<T>): Promise<T> {
	try {
		return await work
	} catch (error) {
		throw isKubeError(error, 'forbidden', 'invalid', 'notFound') ? new TokenRefused(binding, error) : error
	}
}
