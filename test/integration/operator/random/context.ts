// What the steps of the random run work on.
import type { Gateway } from '../../../kit/gateway.ts'
import type { OperatorProcess } from '../../../kit/operator-process.ts'
import type { TcpProxy } from '../../runtime/proxy.ts'
import type { Stage } from '../stage.ts'
import type { Checker } from './checker.ts'
import type { Neighbours } from './neighbours.ts'
import type { RandomVault } from './vault.ts'

export interface RunContext {
	stage: Stage
	/** between operators and API server: loses requests */
	gateway: Gateway
	/** between operators and gateway: does what networks do */
	proxy: TcpProxy
	vault: RandomVault
	checker: Checker
	/** tenants beside the one whose Secrets are judged */
	neighbours: Neighbours
	/** the present operators; the last one is the youngest */
	operators: OperatorProcess[]
	start(): OperatorProcess
	random: () => number
	/** the identity has its role */
	role: boolean
	/** of what ends by itself */
	timers: NodeJS.Timeout[]
}

/** Does one thing and says what. */
export type Step = (context: RunContext) => Promise<string>

export const integer = (random: () => number, below: number) => Math.floor(random() * below)
export const pick = <T>(random: () => number, list: readonly T[]): T => list[integer(random, list.length)] as T
