import type { Change, DestinationRules } from '../engine/holding.ts'
import type { Answers } from '../engine/questions.ts'

/** A place to deliver to. */
export interface Destination {
	readonly rules: DestinationRules
	readBack(signal: AbortSignal): Promise<Answers['readBack']>
	write(change: Change, signal: AbortSignal): Promise<Answers['write']>
	/** Takes the place under its former name away, where the binding says that it goes. */
	removeFormer(formerName: string, signal: AbortSignal): Promise<Answers['removeFormer']>
}
