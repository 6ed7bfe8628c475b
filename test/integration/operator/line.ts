import { kubectl } from '../../kit/kubectl.ts'
import type { Stage } from './stage.ts'

/** Runs a printed `kubectl` line as it stands. */
export const runLine = (at: Stage, line: string): Promise<string> => kubectl(at.target, line.split(' ').slice(1))
