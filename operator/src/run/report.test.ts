import { expect, test } from 'vitest'
import type { BindingStatus, Condition } from '../api/schema.ts'
import { NO_POLLS } from '../engine/knowledge.ts'
import type { Bindings } from '../ports/cluster.ts'
import { KubeError } from '../ports/kube-error.ts'
import type { Summary } from '../status/summarize.ts'
import type { WrittenStatus } from './remembered.ts'
import { presentStatus, report } from './report.ts'

const fresh = (status: Condition['status'], second: number): BindingStatus => ({
	conditions: [
		{
			type: 'Fresh',
			status,
			reason: 'Current',
			message: 'text',
			lastTransitionTime: `2026-01-01T12:00:0${second}Z`,
			observedGeneration: 1,
		},
	],
})
const summaryOf = (status: BindingStatus): Summary => ({
	status,
	pollHistory: NO_POLLS,
	nextPollAt: undefined,
	wholePollAt: undefined,
	transitions: [],
	level: 'debug',
})

/** As an API server: counts up, and refuses what is about another version. `lost`: answers that do not arrive. */
function serverOf(status: BindingStatus, lost: number) {
	const stored = { version: 1, status }
	const bindings: Bindings = {
		async patchStatus(_, __, resourceVersion, patch) {
			if (resourceVersion !== String(stored.version)) throw new KubeError('conflict', 'the object has been modified')
			stored.version++
			stored.status = { ...stored.status, ...patch }
			if (lost-- > 0) throw new KubeError('unreachable', 'the answer got lost')
			return String(stored.version)
		},
	}
	return { stored, deps: { bindings, events: { record() {}, async flush() {} } } }
}

test('after an answer that got lost, nothing is written on top of a status that is over', async () => {
	const { stored, deps } = serverOf(fresh('False', 0), 1)
	const object = { namespace: 'ns', name: 'payments', uid: 'uid', resourceVersion: '1' }
	const shown = presentStatus(object, fresh('False', 0), undefined)
	const write = (status: BindingStatus, present = shown) => report(object, present, summaryOf(status), deps)

	await expect(write(fresh('True', 1))).rejects.toThrow('got lost')
	// The watch has not shown it yet, so the next poll takes the turn for its own.
	await expect(write(fresh('True', 2))).rejects.toMatchObject({ kind: 'conflict' })
	expect(stored.status).toEqual(fresh('True', 1))
	// Then it has.
	await write(fresh('True', 1), presentStatus({ ...object, resourceVersion: '2' }, fresh('True', 1), undefined))
	expect(stored.version).toBe(2)
})

test('what this process wrote itself counts before the watch shows it', async () => {
	const { stored, deps } = serverOf(fresh('False', 0), 0)
	let written: WrittenStatus | undefined
	const object = { namespace: 'ns', name: 'payments', uid: 'uid', resourceVersion: '1' }
	for (const second of [1, 2, 3]) {
		const status = fresh(second % 2 ? 'True' : 'False', second)
		const present = presentStatus(object, fresh('False', 0), written)
		written = await report(object, present, summaryOf(status), deps)
	}
	expect(stored).toEqual({ version: 4, status: fresh('True', 3) })
})
