// The control API in process. HTTP is a layer above it.
import { ServiceError } from '../http/service-error.ts'
import { pageOperations } from '../page/overview.ts'
import type { EmulatorState } from '../state.ts'
import { identityOperations } from './identity-operations.ts'
import { createLookup } from './lookup.ts'
import { ControlError, type EmulatorControl, type RunControl } from './types.ts'
import { vaultOperations } from './vault-operations.ts'

export interface ControlOptions {
	/** A vault's URL as clients use it. */
	readonly vaultUrl: (vault: string) => string
	/** Brings a cleared state to what the start options ask for. */
	readonly configure: () => void
}

export function createControl(state: EmulatorState, options: ControlOptions): EmulatorControl {
	const lookup = createLookup(state)
	const control: EmulatorControl = {
		...vaultOperations(state, lookup, options.vaultUrl),
		...identityOperations(state, lookup),
		...runOperations(state, options.configure),
		...pageOperations(state, lookup.hosted, options.vaultUrl),
	}
	return wrapped(control, () => state.changed())
}

/** Faults, clock, settings, log. */
function runOperations(state: EmulatorState, configure: () => void): RunControl {
	const { access, clock, directory, faults, issuers, log, settings, throttle } = state
	return {
		addFault: async (fault) => ({ id: faults.add(fault) }),
		removeFault: async (id) => {
			if (!faults.remove(id)) throw new ControlError(`there is no fault ${id}`)
		},
		clearFaults: async () => faults.clear(),
		listFaults: async () => faults.list().map(({ id, fault, hits }) => ({ id, hits, ...fault })),

		requests: async (input) => log.since(input?.since),
		requestCounts: async (input) => log.counts(input?.since),

		advanceClock: async ({ seconds }) => {
			clock.advance(seconds * 1000)
			return { now: clock.now() }
		},
		configure: async (input) => {
			if (input.visibilityDelayMs !== undefined) settings.visibilityDelayMs = input.visibilityDelayMs
			if (input.propagationDelayMs !== undefined) {
				access.setPropagationDelay(input.propagationDelayMs)
				directory.setPropagationDelay(input.propagationDelayMs)
			}
			if (input.tokenLifetimeSeconds !== undefined) settings.tokenLifetimeSeconds = input.tokenLifetimeSeconds
			if (input.refreshInSeconds !== undefined) settings.refreshInSeconds = input.refreshInSeconds
			if (input.throttle !== undefined) throttle.limits = input.throttle
			if (input.pages !== undefined) settings.pages = input.pages
			if (input.retryAfter !== undefined) throttle.retryAfter = input.retryAfter
		},
		reset: async () => {
			state.vaults.clear()
			for (const part of [access, directory, issuers, faults, log, throttle]) part.clear()
			state.trusted.clear()
			clock.reset()
			settings.pages = settings.startPages
			configure()
		},
	}
}

/** Operations that change nothing: a page that looks every second writes no state file. */
const READ = /^(get|list|requests|requestCounts|overview)/

/** The model's own errors reach callers as ControlErrors; changes are reported. */
function wrapped(control: EmulatorControl, changed: () => void): EmulatorControl {
	const wrap =
		(name: string, call: (input: never) => Promise<unknown>) =>
		async (input: never): Promise<unknown> => {
			try {
				const result = await call(input)
				if (!READ.test(name)) changed()
				return result
			} catch (error) {
				throw error instanceof ServiceError ? new ControlError(error.message, error.inner ?? error.code) : error
			}
		}
	const entries = Object.entries(control).map(([name, call]) => [
		name,
		wrap(name, call as (input: never) => Promise<unknown>),
	])
	return Object.fromEntries(entries) as EmulatorControl
}
