import { kubectl } from '../../kit/kubectl.ts'
import type { Stage } from './stage.ts'

/** Runs a printed `kubectl` line as it stands, each of its commands if the one before went well. */
export async function runLine(at: Stage, line: string): Promise<void> {
	for (const command of line.split(' && ')) await kubectl(at.target, command.split(' ').slice(1))
}
