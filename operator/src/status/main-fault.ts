import type { EntryResult } from '../engine/entry.ts'
import { sameFault, traitsOf, type VaultFault } from '../engine/fault.ts'
import type { FaultContext, Outcome } from '../engine/outcome.ts'

/** The fault of an outcome that conditions explain: of several the one that explains most. */
export interface MainFault {
	fault: VaultFault
	at: FaultContext
	names: string[]
}

// A missing permission explains more than an outage, and both more than one missing secret.
const SEVERITY = { permission: 2, transient: 1, secret: 0 } as const

export function mainFaultOf(outcome: Outcome): MainFault | undefined {
	if (outcome.kind === 'failed') return { fault: outcome.fault, at: outcome.at, names: [] }
	if (outcome.kind !== 'polled') return undefined
	let main = typeof outcome.selectors === 'object' ? outcome.selectors.failed : undefined
	for (const result of outcome.results) {
		if (!result.fault || !counts(result)) continue
		if (!main || SEVERITY[traitsOf(result.fault).class] > SEVERITY[traitsOf(main).class]) main = result.fault
	}
	if (!main) return undefined
	const fault = main
	const alike = outcome.results.filter((each) => each.fault !== undefined && sameFault(each.fault, fault))
	return { fault, at: outcome.at, names: alike.map(({ wanted }) => wanted.name) }
}

/** Whether a secret failed by the very fault that is to be explained: the others have their own words. */
export function isAlike(outcome: Outcome, name: string, fault: VaultFault | undefined): boolean {
	if (outcome.kind !== 'polled' || !fault) return false
	const own = outcome.results.find(({ wanted }) => wanted.name === name)?.fault
	return own !== undefined && sameFault(own, fault)
}

/** What is not delivered because the vault or the policy says so keeps a binding from Ready, not from Fresh. */
const counts = ({ fault, asAsked }: EntryResult) => fault !== undefined && !asAsked
