import type { EntryResult } from '../engine/entry.ts'
import { sameFault, traitsOf, type VaultFault } from '../engine/fault.ts'
import type { FaultContext, Outcome } from '../engine/outcome.ts'

/** The fault of an outcome that is told: of several the one that explains most. */
export interface WorstFault {
	fault: VaultFault
	at: FaultContext
	names: string[]
}

// A missing permission explains more than an outage, and both more than one missing secret.
const SEVERITY = { permission: 2, transient: 1, secret: 0 } as const

export function worstFault(outcome: Outcome): WorstFault | undefined {
	if (outcome.kind === 'failed') return { fault: outcome.fault, at: outcome.at, names: [] }
	if (outcome.kind !== 'polled') return undefined
	let worst = typeof outcome.selectors === 'object' ? outcome.selectors.failed : undefined
	for (const result of outcome.results) {
		if (!result.fault || !counts(result)) continue
		if (!worst || SEVERITY[traitsOf(result.fault).class] > SEVERITY[traitsOf(worst).class]) worst = result.fault
	}
	if (!worst) return undefined
	const found = worst
	const alike = outcome.results.filter(({ fault }) => fault !== undefined && sameFault(fault, found))
	const names = alike.map(({ wanted }) => wanted.name)
	return { fault: worst, at: outcome.at, names }
}

/** Whether a secret failed by the very fault that is to be explained: the others have their own words. */
export function isAlike(outcome: Outcome, name: string, fault: VaultFault | undefined): boolean {
	if (outcome.kind !== 'polled' || !fault) return false
	const own = outcome.results.find(({ wanted }) => wanted.name === name)?.fault
	return own !== undefined && sameFault(own, fault)
}

/** What is not delivered because the vault or the policy says so keeps a binding from Ready, not from Fresh. */
const counts = ({ fault, asAsked }: EntryResult) => fault !== undefined && !asAsked
