// Lists the pods of many namespaces at once, in a process of its own, so that its memory can be limited. Told by one line of JSON on
// stdin; prints how many pods it saw as one line of JSON.
import { createInterface } from 'node:readline/promises'
import { createPods } from '../../../operator/src/cluster/pods.ts'
import { createKubeTransport } from '../../../operator/src/cluster/transport.ts'

interface Plan {
	server: string
	namespaces: number
}

const [line] = await createInterface({ input: process.stdin })
	[Symbol.asyncIterator]()
	.next()
	.then(({ value }) => [value as string])
const { server, namespaces } = JSON.parse(line ?? '') as Plan
const pods = createPods(
	createKubeTransport({
		kubeConfig: {
			getCurrentCluster: () => ({ name: 'test', server, skipTLSVerify: false }),
			applyToHTTPSOptions: async () => {},
		},
	}),
)
const list = async (i: number) => {
	let seen = 0
	for await (const { metadata } of pods.list(`team-${i}`, new AbortController().signal)) if (metadata.name) seen++
	return seen
}
const seen = await Promise.all(Array.from({ length: namespaces }, (_, i) => list(i)))
process.stdout.write(`${JSON.stringify({ seen, rss: process.memoryUsage.rss() })}\n`)
process.exit(0)
