// A thread of its own for what tenants wrote. Started by forms.ts with a file name, so it imports by relative paths alone, and
// the bundle has it as a file of its own.
import { parentPort } from 'node:worker_threads'
import { type Formed, giveForms } from '../engine/form.ts'
import { parseCertificate } from '../pki/certificate.ts'
import type { Reply, Work } from './message.ts'

const port = parentPort
if (!port) throw new Error('this is the file of a worker thread')
port.on('message', ({ value, contentType, forms }: Work) => {
	const before = process.threadCpuUsage()
	const cpuMs = () => {
		const { user, system } = process.threadCpuUsage(before)
		return (user + system) / 1000
	}
	let reply: Reply
	try {
		reply = {
			kind: 'formed',
			formed: giveForms(forms, value, contentType, parseCertificate).map(alone),
			cpuMs: cpuMs(),
		}
	} catch {
		// Faults of values are answers, so this is a mistake of ours or a stack that is full. What was thrown may quote the value.
		reply = { kind: 'failed', cpuMs: cpuMs() }
	}
	port.postMessage(reply)
})

/** Bytes without what lies around them: Node keeps small ones in one buffer, and a clone takes all of it. */
function alone(formed: Formed): Formed {
	if (formed.kind === 'fault' || typeof formed.content === 'string') return formed
	return { kind: 'content', content: new Uint8Array(formed.content) }
}

port.postMessage({ kind: 'ready' } satisfies Reply)
