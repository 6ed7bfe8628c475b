import { type StoreErrorReason, storeError } from '../errors.ts'
import type { Current } from '../overlay.ts'
import type { Logger } from '../purista.ts'
import { describeFault } from './faults.ts'
import { type SecretAddress, type Vault, VaultFault } from './vault.ts'

const ANSWERS: Partial<Record<StoreErrorReason, 'absent' | 'disabled' | 'denied'>> = {
	NotFound: 'absent',
	Disabled: 'disabled',
	Denied: 'denied',
	Refused: 'denied',
}

/** One versionless GET, with its failures as answers. */
export async function askCurrent(vault: Pick<Vault, 'get'>, address: SecretAddress): Promise<Current> {
	try {
		const { value, version } = await vault.get(address)
		return { kind: 'value', value, version }
	} catch (error) {
		if (!(error instanceof VaultFault)) return { kind: 'denied' } // no vault is configured, or the store is destroyed
		return { kind: ANSWERS[error.reason] ?? 'unavailable' }
	}
}

/** Logs a failure of the vault without texts of it, and makes the error that the application gets. Other errors pass. */
export function failureOf(error: unknown, logger: Logger): unknown {
	if (!(error instanceof VaultFault)) return error
	const failure = storeError(error.reason)
	logger.error({ fault: describeFault(error.fault()) }, failure.message)
	return failure
}
