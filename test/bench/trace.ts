// When the parts of one rotation happened, by the log of the emulator and the audit log of the API server.
import { readFileSync } from 'node:fs'

/** A poll is a list and then the read of what it shows changed; the two are milliseconds apart, and polls are seconds apart. */
const ONE_POLL = 1_000

/**
 * When the poll began whose value was written: the last read before the patch, or the list just before it. The first poll
 * after the write would be wrong now and then: it may fall between our note of the time and the vault's write.
 */
export function lookThatFound(log: ReadonlyArray<{ at: number; route: string }>, patched: number): number | undefined {
	const read = log.findLast((each) => each.route === 'getSecret' && each.at <= patched)?.at
	if (read === undefined) return undefined
	const list = log.findLast((each) => each.route === 'listSecrets' && each.at <= read)?.at
	return list !== undefined && read - list < ONE_POLL ? list : read
}

/**
 * When the API server had answered the patch that brought the new value, in ms since the epoch: the last one of a Secret of
 * the namespace between the vault's write and the swap. An empty patch, which reads the Secret back, may come before it.
 */
export function secretPatchedAt(
	auditLog: string | undefined,
	namespace: string,
	{ written, swapped }: { written: number; swapped: number },
): number | undefined {
	if (auditLog === undefined) return undefined
	interface AuditEvent {
		stage: string
		verb: string
		requestReceivedTimestamp: string
		stageTimestamp: string
	}
	let patched: number | undefined
	for (const line of readFileSync(auditLog, 'utf8').split('\n')) {
		if (!line.includes(`"namespace":"${namespace}"`) || !line.includes('"resource":"secrets"')) continue
		const event = JSON.parse(line) as AuditEvent
		if (event.verb !== 'patch' || event.stage !== 'ResponseComplete') continue
		const answered = Date.parse(event.stageTimestamp)
		if (Date.parse(event.requestReceivedTimestamp) >= written && answered <= swapped) patched = answered
	}
	return patched
}
